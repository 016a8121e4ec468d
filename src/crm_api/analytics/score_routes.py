"""HTTP of scores: one operation for each model, and one for a customer."""

import csv
import io
import json
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.clock import now, written
from ..core.db import Reads
from ..core.listing import Listing
from ..core.problems import InvalidRequest, NotAcceptable, finding, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import MEDIA_TYPES, stream, wants
from ..customers.problems import CustomerNotFound
from . import rules
from . import score_queries as queries
from .explain_queries import read_explanation
from .explain_schemas import ScoreExplanation
from .migration_queries import CLASSES, read_migration
from .migration_schemas import MigrationParams, MigrationRead
from .outputs import OF_CUSTOMERS, OUTPUTS, PROFILED, Output
from .problems import ModelNotFound, NothingPublished, RowsDropped, RunNotFound, SensitiveTaste
from .score_schemas import CUSTOMER, PAGES, PARAMS, CustomerScores, RowParams, class_name, example
from .score_tables import score_table
from .sensitive import BOUND, check_purpose

router = APIRouter(prefix="/v1", tags=["Scores"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["scores:read"])]
STALE_SINCE: Final = "Scores-Stale-Since"
CanExplain = Annotated[Principal, Security(authorize, scopes=["scores:read", "touchpoints:read"])]


def csv_example(output: Output, currency: str = "USD") -> str:
    """Answer rows of a model as they are sent, and streamed out behind two columns: a header and one line."""
    told = {**output.example, "customer_id": CUSTOMER, "currency": currency, "status": "ok"}
    made = io.StringIO()
    write = csv.writer(made, lineterminator="\n").writerow
    write(output.names)
    write(json.dumps(each) if isinstance(each, list) else each for each in map(told.get, output.names))
    return made.getvalue()


def _streams(output: Output) -> dict[int | str, dict[str, Any]]:
    score = example(output)
    header, line, _ = csv_example(output).split("\n")
    text = f"as_of,run_id,{header}\n{score['as_of']},{score['run_id']},{line}\n"
    objects = {
        "itemSchema": {"$ref": f"#/components/schemas/{class_name(output.model)}ScoreRead"},
        "example": orjson.dumps(score).decode() + "\n",
    }
    table = {"schema": {"type": "string"}, "example": text}
    told = "A page; or all rows as a stream, as `Accept` says"
    aged = (
        "Of streams: since when rows are older than the plan of the model promises. CSV has them as they were computed"
    )
    headers = {STALE_SINCE: {"description": aged, "schema": {"type": "string", "format": "date-time"}}}
    content = {MEDIA_TYPES["csv"]: table, MEDIA_TYPES["ndjson"]: objects}
    return {200: {"description": told, "headers": headers, "content": content}}


def _add_reading(output: Output) -> None:
    """Add the operation that reads the scores of a model."""

    guard = (SensitiveTaste,) if output.is_sensitive else ()
    refusals = (*guard, RunNotFound, NothingPublished, RowsDropped, NotAcceptable)

    async def list_scores(request: Request, params: RowParams, reads: Reads, who: CanRead) -> Response:
        return await _listed(request, output, params, reads)

    list_scores.__annotations__["params"] = Annotated[PARAMS[output.model], Query()]
    router.add_api_route(
        f"/scores/{output.model}",
        list_scores,
        methods=["GET"],
        operation_id=f"list_{output.model}_scores",
        summary=f"Read {output.title} scores",
        description=f"Read {output.about} by {' and '.join(output.identity)}, all of one run: the current one, or an "
        "older one by `run_id` or `as_of`. A page that follows another is read from the same run, even if a newer one "
        "was published meanwhile. With `Accept: text/csv` or `application/x-ndjson` all rows are streamed.\n\n"
        "Scope: scores:read.",
        response_model=PAGES[output.model],
        responses={**_streams(output), **problems(*refusals)},
    )


async def _listed(request: Request, output: Output, params: RowParams, reads: Reads) -> Response:
    form, page, model = wants(request), Listing(request, params), output.model
    if params.run_id is not None and params.as_of is not None:
        detail = "name a run either by run_id or by as_of"
        raise InvalidRequest(detail, errors=[finding("/as_of", "one-of", detail, part="query")])
    purpose = request.app.state.settings.sensitive_taste_purpose
    check_purpose(output, purpose)
    run = await queries.chosen_run(reads, model, page.after[0] if page.after else params.run_id, params.as_of)
    given = params.filters()
    if output.is_sensitive:
        given[BOUND] = purpose
    stale_since = rules.stale_since(run["finished_at"], run["is_planned"], now())
    if form != "json":
        table = score_table(model, orjson.loads(run["parameters"]))
        streamed = stream(request, queries.stream(table, run, given, as_json=form == "ndjson"), form)
        if stale_since is not None:
            streamed.headers[STALE_SINCE] = written(stale_since)
        return streamed
    if page.after:
        given |= dict(zip(queries.AFTER, page.after[1:], strict=False))
    statement = queries.page(model, frozenset(given) - {"after_key", BOUND})
    rows = await reads.rows(statement, run_id=run["id"], limit=page.limit, **given)
    source = {"id": run["id"], "model": model, "as_of": run["as_of"], "computed_at": run["finished_at"]}
    source["stale_since"] = stale_since
    scores = [queries.document(output, row, run) for row in rows]
    return page.answer(scores, lambda score: [score[name] for name in ("run_id", *output.identity)], run=source)


for _output in OUTPUTS.values():
    _add_reading(_output)


@router.get(
    "/scores/{model}/migration",
    summary="Compare two runs",
    response_model=MigrationRead,
    responses=problems(ModelNotFound, RunNotFound, NothingPublished, RowsDropped),
)
async def read_score_migration(
    model: str, params: Annotated[MigrationParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """Count how customers moved between two runs of a model that puts each of them into classes: how many went from
    which recency score to which, for example. The current run is compared with the one published before it, unless
    others are named. Who came anew has no `before`, and who is told nothing any more no `after`.

    Scope: scores:read.
    """
    if model not in CLASSES:
        raise ModelNotFound(f"{model!r} is none of {', '.join(CLASSES)}")
    return answer(await read_migration(reads, model, params.run_id, params.against_run_id))


@router.get(
    "/customers/{customer_id:uuid}/scores",
    summary="Read a customer's scores",
    response_model=CustomerScores,
    responses=problems(CustomerNotFound),
)
async def read_customer_scores(request: Request, customer_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Answer what the current run of each model says of a customer: one entry, or one for each of the things that the
    model tells apart, by name. Where a model can say nothing, the one entry's status is `insufficient_data` and its
    reason says why. What was computed longer ago than two days, of a model that is planned daily, is `stale`.

    Scope: scores:read.
    """
    bound = {"customer_id": customer_id, BOUND: request.app.state.settings.sensitive_taste_purpose}
    rows = await reads.together(queries.ALL_OF_ONE, **bound)
    is_known = any(row["status"] is not None for found in rows.values() for row in found)
    if not is_known and await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    scores = [each for model, output in PROFILED.items() for each in queries.of_one(output, customer_id, rows[model])]
    return answer({"customer_id": customer_id, "data": scores})


@router.get(
    "/customers/{customer_id:uuid}/scores/{model}/explain",
    summary="Explain a customer's score",
    response_model=ScoreExplanation,
    responses=problems(CustomerNotFound, ModelNotFound, SensitiveTaste),
)
async def explain_customer_score(
    request: Request, customer_id: UUID, model: str, reads: Reads, who: CanExplain
) -> Response:
    """Answer what the current run of a model says of a customer, and the purchases and refunds that it was told from:
    those of the run's kinds, before its reference date, up to its watermark. What was erased since is missing. Of
    `climate`, which reads addresses, the score itself says what it was told by.

    Scopes: scores:read, touchpoints:read.
    """
    if model not in OF_CUSTOMERS:
        raise ModelNotFound(f"{model!r} is none of {', '.join(OF_CUSTOMERS)}")
    purpose = request.app.state.settings.sensitive_taste_purpose
    check_purpose(OUTPUTS[model], purpose)
    if await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    return answer(await read_explanation(reads, OUTPUTS[model], customer_id, purpose))
