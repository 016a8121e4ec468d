"""HTTP of consents: types in, one call, document out."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.batch import Batch, BatchParams
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import NotAcceptable, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import stream, wants
from ..customers import queries as customers
from ..customers.problems import CustomerNotFound
from ..touchpoints.problems import CustomerUnknown
from . import operations, queries
from .problems import PurposeUnknown
from .rules import standings
from .schemas import (
    CHANNELS,
    ConsentCreate,
    ConsentListParams,
    ConsentPage,
    ConsentRecorded,
    StandingListParams,
    StandingPage,
)

router = APIRouter(tags=["Consents"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["consents:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["consents:write"])]
CanLoad = Annotated[Principal, Security(authorize, scopes=["consents:write"])]
BATCH = Batch("consents", ConsentCreate, operations.store_consents, shape=operations.shape_consent)
_STREAMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "id,customer_id,channel,purpose,state,…\n3f0c1d52-…,0199b7a4-…,email,marketing,granted,…\n",
            },
            "application/x-ndjson": {
                "itemSchema": {"$ref": "#/components/schemas/ConsentRead"},
                "example": '{"id":"3f0c1d52-…","channel":"email","purpose":"marketing","state":"granted"}\n',
            },
        }
    }
}


@router.post(
    "/v1/consents",
    status_code=201,
    summary="Record a consent or its withdrawal",
    response_model=ConsentRecorded,
    responses={
        200: {"description": "It was in the ledger already", "model": ConsentRecorded},
        **problems(PurposeUnknown, CustomerUnknown),
    },
)
async def record_consent(request: Request, wish: ConsentCreate, session: Session, who: CanWrite) -> Response:
    """Record what a customer said about being contacted on a channel for a purpose: a line of the ledger, a touchpoint,
    and what counts now. The newest `occurred_at` counts, in whatever order reports come in; of two of the same instant
    the withdrawal. The same report again (same state, time and source) changes nothing and is answered with 200.

    Scope: consents:write.
    """
    document = await operations.report_consent(session, who, wish)
    request.state.customer_id = document["customer_id"]
    return answer(document, status=201 if document["result"] == "created" else 200)


@router.post("/v1/consents/batch", summary="Load consents", **BATCH.documentation())
async def load_consents(request: Request, params: Annotated[BatchParams, Query()], who: CanLoad) -> Response:
    """Record any number of consents and withdrawals, one JSON document a line, in any order. Lines with `occurred_at`
    may be sent again: what is in the ledger already is `repeated`. Lines with problems do not hinder the others.

    Scope: consents:write.
    """
    return await BATCH.answer(request, params, who.client_id)


@router.get(
    "/v1/consents",
    summary="List the ledger of consents",
    response_model=ConsentPage,
    responses={**_STREAMS, **problems(NotAcceptable)},
)
async def list_consents(
    request: Request, params: Annotated[ConsentListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List everything that was ever reported, customer by customer in the order of time, page by page. `Accept:
    text/csv` or `application/x-ndjson` streams all of it.

    Scope: consents:read.
    """
    values: dict[str, Any] = {name: value for name in queries.FILTERS if (value := getattr(params, name)) is not None}
    if (form := wants(request)) != "json":
        return stream(request, queries.exported(values), form)
    page, names = Listing(request, params), frozenset(values)
    if page.after is not None:
        values["after_customer"], at, values["after_id"] = page.after
        values["after_at"] = datetime.fromisoformat(at)
    rows = await reads.rows(queries.listed(names, after=page.after is not None), limit=page.limit, **values)
    return page.answer([dict(row) for row in rows], lambda row: [row["customer_id"], row["occurred_at"], row["id"]])


@router.get(
    "/v1/customers/{customer_id}/consents",
    summary="Read what counts now for a customer",
    response_model=StandingPage,
    responses=problems(CustomerNotFound),
)
async def read_consents(
    request: Request, customer_id: UUID, params: Annotated[StandingListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """Answer, for every declared purpose on every channel, what the customer said last and whether they may be
    contacted: after a grant yes, after a withdrawal no, and without an answer only for purposes that need no consent.

    Scope: consents:read.
    """
    held = await reads.rows(queries.HELD, customer_id=customer_id)
    if not held and await reads.row(customers.BY_ID, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    page = Listing(request, params)
    found = standings(queries.read_purposes(await reads.rows(queries.PURPOSES)), held)
    if page.after is not None:
        found = [each for each in found if _place(each) > tuple(page.after)]
    return page.answer(found[: page.limit], _place)


def _place(standing: dict[str, Any]) -> tuple[str, int]:
    """Answer where a row stands: by purpose, and then as the channels are listed."""
    return standing["purpose"], CHANNELS.index(standing["channel"])
