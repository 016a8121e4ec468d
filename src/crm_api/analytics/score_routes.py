"""HTTP of scores."""

from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.db import Reads
from ..core.listing import Listing
from ..core.problems import InvalidRequest, NotAcceptable, finding, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import MEDIA_TYPES, stream, wants
from ..customers.problems import CustomerNotFound
from . import score_queries as queries
from .problems import NothingPublished, RowsDropped, RunNotFound
from .score_schemas import CustomerScores, RfmScorePage, RfmScoreParams
from .score_tables import score_table

router = APIRouter(prefix="/v1", tags=["Scores"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["scores:read"])]

_CSV: Final = (
    "as_of,run_id,customer_id,recency_score,frequency_score,monetary_score,recency_days,order_count,amount,currency,"
    "observation_count,status,reason\n"
    "2018-01-01,0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11,0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77,5,4,5,2,86,4330.16,USD,86,ok,\n"
)
_STREAMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page; or all rows as a stream, as `Accept` says",
        "content": {
            MEDIA_TYPES["csv"]: {"schema": {"type": "string"}, "example": _CSV},
            MEDIA_TYPES["ndjson"]: {
                "itemSchema": {"$ref": "#/components/schemas/RfmScoreRead"},
                "example": orjson.dumps(RfmScorePage.model_json_schema()["examples"][0]["data"][0]).decode() + "\n",
            },
        },
    }
}


@router.get(
    "/scores/rfm",
    summary="Read RFM scores",
    response_model=RfmScorePage,
    responses={**_STREAMS, **problems(RunNotFound, NothingPublished, RowsDropped, NotAcceptable)},
)
async def list_rfm_scores(
    request: Request, params: Annotated[RfmScoreParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """Read recency, frequency and monetary scores by customer_id, all of one run: the current one, or an older one by
    `run_id` or `as_of`. A page that follows another is read from the same run, even if a newer one was published
    meanwhile. With `Accept: text/csv` or `application/x-ndjson` all rows are streamed.

    Scope: scores:read.
    """
    form, page = wants(request), Listing(request, params)
    if params.run_id is not None and params.as_of is not None:
        detail = "name a run either by run_id or by as_of"
        raise InvalidRequest(detail, errors=[finding("/as_of", "one-of", detail, part="query")])
    run = await queries.chosen_run(reads, "rfm", page.after[0] if page.after else params.run_id, params.as_of)
    given = params.filters()
    if form != "json":
        table = score_table("rfm", orjson.loads(run["parameters"]))
        return stream(request, queries.rfm_stream(table, run, given, as_json=form == "ndjson"), form)
    if page.after:
        given["after"] = page.after[1]
    rows = await reads.rows(queries.rfm_page(frozenset(given)), run_id=run["id"], limit=page.limit, **given)
    source = {"id": run["id"], "model": "rfm", "as_of": run["as_of"], "computed_at": run["finished_at"]}
    scores = [queries.rfm_document(row, run) for row in rows]
    return page.answer(scores, lambda score: [score["run_id"], score["customer_id"]], run=source)


@router.get(
    "/customers/{customer_id:uuid}/scores",
    summary="Read a customer's scores",
    response_model=CustomerScores,
    responses=problems(CustomerNotFound),
)
async def read_customer_scores(customer_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Answer what the current run of each model says of a customer. Where a model can say nothing, the entry's status
    is `insufficient_data` and its reason says why.

    Scope: scores:read.
    """
    row = await reads.row(queries.RFM_OF_ONE, customer_id=customer_id)
    is_known = row is not None and row["status"] is not None
    if not is_known and await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    return answer({"customer_id": customer_id, "data": [queries.rfm_of_one(customer_id, row)]})
