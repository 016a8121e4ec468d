"""HTTP of runs, for the worker that computes one."""

from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request, Security
from sqlalchemy import Select
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.batch_document import CSV, NDJSON
from ..core.db import Reads, Session, idling
from ..core.problems import BodyTooLarge, InvalidRequest, NotAcceptable, UnsupportedMediaType, problems
from ..core.read import Reader, answer
from ..core.route import Route
from ..core.spool import Spool
from ..core.streams import stream, wants
from ..customers.catalog import get_catalog
from ..jobs.problems import JobNotFound, LeaseLost
from . import operations, queries, rules
from .outputs import OUTPUTS
from .problems import OutputMismatch, RunNotFound, RunNotOpen, RunSuperseded, SensitiveTaste, WatermarkOpen
from .schemas import BeginWish, FeedParams, PartStored, PublishWish, RowsParams, RunRead, RunWork
from .score_routes import csv_example
from .score_tables import score_table
from .sensitive import agreed, check_purpose
from .uploads import received

router = APIRouter(prefix="/v1/analytics/runs", tags=["Workers"], route_class=Route)
CanSeeTouchpoints = Annotated[Principal, Security(authorize, scopes=["touchpoints:read"])]
CanSeeCustomers = Annotated[Principal, Security(authorize, scopes=["customers:read"])]
CanStream = Annotated[Principal, Security(authorize, scopes=["scores:write"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["scores:write"])]

_FACTS: Final = (
    "customer_id,kind,occurred_us,amount_minor,currency\n"
    "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77,order.placed,1769850600000000,433016,USD\n"
)
_CONTRACTS: Final = (
    "customer_id,kind,occurred_us,amount_minor,currency,told\n"
    '0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77,contract.started,1769850600000000,,,"[""Two years"", 29.9]"\n'
)
_LINES: Final = (
    "customer_id,kind,occurred_us,currency,sku,quantity_thousandths,paid_minor,list_minor,department,category,"
    "product_type\n0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77,order.placed,1769850600000000,USD,1029743,1000,199,249,GROCERY,"
    "BREAD,RYE BREAD\n"
)
_ADDRESSES: Final = (
    "customer_id,latitude,longitude,country,postal_code\n"
    "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77,33.4484,-112.074,US,85003\n"
)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "Rows of the run's model, each column as text as the scores are streamed out",
        "content": {
            CSV: {"schema": {"type": "string"}, "example": csv_example(OUTPUTS["rfm"])},
            NDJSON: {
                "itemSchema": {"type": "object", "additionalProperties": {"type": ["string", "integer", "null"]}},
                "example": '{"customer_id":"0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77","recency_score":5,"status":"ok"}\n',
            },
        },
    }
}


def _feed(line: str, example: str) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of a feed: what its lines are, and some of them."""
    csv = {CSV: {"schema": {"type": "string"}, "example": example}}
    refusals = problems(RunNotFound, SensitiveTaste, NotAcceptable, InvalidAudience)
    return {200: {"description": line, "content": csv}, **refusals}


@router.put(
    "/{run_id:uuid}/work",
    summary="Begin to work on a run",
    response_model=RunWork,
    responses=problems(RunNotFound, JobNotFound, LeaseLost, RunNotOpen, WatermarkOpen),
)
async def begin_analytics_run(run_id: UUID, wish: BeginWish, session: Session, reads: Reads, who: CanWrite) -> Response:
    """Answer the run and the ranges of customers it can be worked on by. Rows that an earlier attempt left are dropped.
    A run that was published before its worker died is answered as it is, without ranges: only the job's result is
    missing.

    Scope: scores:write.
    """
    bounds = await operations.begin_run(session, reads, run_id, wish)
    ranges = [{"first": first, "before": before} for first, before in rules.ranges(bounds)]
    run = await queries.written_run(session, run_id)
    reference = await operations.read_reference(session, run["model"])
    return answer({"run": run, "reference": reference, "ranges": ranges})


@router.get(
    "/{run_id:uuid}/facts",
    summary="Stream the facts of a run",
    response_class=Response,
    responses=_feed("One fact a line", _FACTS),
)
async def stream_analytics_facts(
    request: Request, run_id: UUID, params: Annotated[FeedParams, Query()], reads: Reads, who: CanSeeTouchpoints
) -> Response:
    """Stream the touchpoints that a run is computed from, of the customers in a range, in no order: those of its kinds,
    recorded up to its watermark, of customers who were not archived when it was asked for and are in its audience.
    `occurred_us` counts microseconds since 1970 in UTC, `amount_minor` is in minor units of the currency. What is
    streamed is final once the run could be begun, but for who is in the audience.

    Scope: touchpoints:read.
    """
    return await _fed(request, run_id, params, reads, queries.facts)


@router.get(
    "/{run_id:uuid}/contracts",
    summary="Stream the contracts of a run",
    response_class=Response,
    responses=_feed("A beginning or an end a line", _CONTRACTS),
)
async def stream_analytics_contracts(
    request: Request, run_id: UUID, params: Annotated[FeedParams, Query()], reads: Reads, who: CanSeeTouchpoints
) -> Response:
    """Stream the facts of a run of `contract_churn`, each beginning of a contract with the properties that the run was
    asked to tell contracts apart by: `told` is a JSON array of their values, null where it has none.

    Scope: touchpoints:read.
    """
    return await _fed(request, run_id, params, reads, queries.contracts)


@router.get(
    "/{run_id:uuid}/lines",
    summary="Stream the order lines of a run",
    response_class=Response,
    responses=_feed("A line a line", _LINES),
)
async def stream_analytics_lines(
    request: Request, run_id: UUID, params: Annotated[FeedParams, Query()], reads: Reads, who: CanSeeTouchpoints
) -> Response:
    """Stream the lines of the orders among a run's facts, each with the place of its product in the tree; what is not
    registered as a product has none. `quantity_thousandths` is a whole number, amounts are in minor units of the
    order's currency, and the price actually paid is `paid_minor`.

    Scope: touchpoints:read.
    """
    return await _fed(request, run_id, params, reads, queries.lines)


@router.get(
    "/{run_id:uuid}/addresses",
    summary="Stream the addresses of a run",
    response_class=Response,
    responses=_feed("A main address a line", _ADDRESSES),
)
async def stream_analytics_addresses(
    request: Request, run_id: UUID, params: Annotated[FeedParams, Query()], reads: Reads, who: CanSeeCustomers
) -> Response:
    """Stream the places of the main addresses of the customers in a range, in no order: of customers who were there at
    the run's watermark, were not archived by then, are in its audience, and have coordinates or a postal code. An
    address has no history: it is the one there is now. Coordinates are in degrees, the postal code is written as
    audiences compare it.

    Scope: customers:read.
    """
    return await _fed(request, run_id, params, reads, queries.addresses)


async def _fed(
    request: Request,
    run_id: UUID,
    params: FeedParams,
    reads: Reader,
    feed: Callable[[queries.Extract], Select[Any]],
) -> Response:
    wants(request, ("csv",))
    run = await reads.row(queries.OPENED_RUN, run_id=run_id)
    if run is None:
        raise RunNotFound(f"No run {run_id}")
    parameters, whom = orjson.loads(run["parameters"]), None
    if run["audience"] is not None:
        moment = Moment(run["created_at"], ZoneInfo(parameters["time_zone"]))
        whom = queries.meant(run["audience"], await get_catalog(request, reads), moment)
    kinds, properties = (parameters.get(name, ()) for name in ("kinds", "properties"))
    bounds = (params.customer_from, params.customer_before)
    statement = feed(queries.Extract(run["watermark"], kinds, *bounds, whom, properties))
    if OUTPUTS[run["model"]].is_sensitive:
        purpose = request.app.state.settings.sensitive_taste_purpose
        check_purpose(OUTPUTS[run["model"]], purpose)
        statement = statement.where(agreed(statement.selected_columns.customer_id, purpose))
    return stream(request, statement, "csv")


@router.put(
    "/{run_id:uuid}/rows",
    summary="Send a part of the rows",
    response_model=PartStored,
    responses=problems(
        RunNotFound, JobNotFound, LeaseLost, RunNotOpen, InvalidRequest, BodyTooLarge, UnsupportedMediaType
    ),
    openapi_extra=_BODY,
)
async def send_analytics_rows(
    request: Request,
    run_id: UUID,
    params: Annotated[RowsParams, Query()],
    reads: Reads,
    session: Session,
    who: CanStream,
) -> Response:
    """Store up to 200,000 rows that nobody sees before the run is published. They are checked as a set: form, ranges of
    values, customers who exist and were not archived when the run was asked for, one row each. If one is wrong none is
    stored, and `errors` name the first by their index. The same part sent again replaces itself.

    Scope: scores:write.
    """
    run = await reads.row(queries.OPENED_RUN, run_id=run_id)
    if run is None:
        raise RunNotFound(f"No run {run_id}")
    table = score_table(run["model"], orjson.loads(run["parameters"]))
    with Spool() as lines:
        upload = await received(request, table, lines)
        count = await operations.store_rows(session, run_id, table, params, upload)
    return answer({"run_id": run_id, "part": params.part, "row_count": count})


@router.post(
    "/{run_id:uuid}/publish",
    summary="Publish a run",
    response_model=RunRead,
    responses=problems(RunNotFound, JobNotFound, LeaseLost, RunNotOpen, RunSuperseded, OutputMismatch),
)
async def publish_analytics_run(
    request: Request, run_id: UUID, wish: PublishWish, reads: Reads, session: Session, who: CanWrite
) -> Response:
    """Make a run current, all at once, if what is stored is what the worker computed; the run before stays current
    until then. When nobody could be scored the run ends as `insufficient_data` instead. Publishing it again changes
    nothing.

    Scope: scores:write.
    """
    async with idling(session):
        stored = await operations.read_output(request.app.state.database, reads, run_id)
    await operations.publish_run(session, run_id, wish, stored, by=who.client_id)
    return answer(await queries.written_run(session, run_id))
