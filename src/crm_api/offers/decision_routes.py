"""HTTP of decisions: types in, one call, document out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_at_once
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import problems
from ..core.read import answer, raw_json
from ..core.route import Route
from ..customers.problems import CustomerNotFound
from . import operations, queries
from .decision_schemas import DecisionListParams, DecisionPage, DecisionRead, DecisionWish
from .operations import Desk
from .problems import CustomerArchived, DecisionNotFound

router = APIRouter(tags=["Decisions"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["decisions:read"])]
CanDecide = Annotated[Principal, Security(authorize_at_once, scopes=["decisions:write"])]


@router.post(
    "/v1/decisions",
    status_code=201,
    summary="Decide which offers a customer gets",
    response_model=DecisionRead,
    responses=problems(CustomerNotFound, CustomerArchived),
)
async def make_decision(
    request: Request, wish: DecisionWish, session: Session, reads: Reads, who: CanDecide
) -> Response:
    """Choose the best offers for a customer in a channel: of those that are live, valid, have content for the channel
    and may be made to this customer, by priority, then margin, then code. The answer says why each was chosen, and why
    the others were not. It is kept, and does not change when offers do. Scope: decisions:write.
    """
    desk: Desk = request.app.state.decision_desk
    made = await operations.make_decision(session, reads, who, wish, desk)
    request.state.customer_id = UUID(made.customer_id)
    location = f"/v1/customers/{made.customer_id}/decisions/{made.decision_id}"
    return Response(made.document, 201, {"Cache-Control": "no-store", "Location": location}, "application/json")


@router.get(
    "/v1/customers/{customer_id:uuid}/decisions",
    summary="List the decisions for a customer",
    response_model=DecisionPage,
    responses=problems(CustomerNotFound),
)
async def list_decisions(
    request: Request,
    customer_id: UUID,
    params: Annotated[DecisionListParams, Query()],
    reads: Reads,
    _who: CanRead,
) -> Response:
    """List what was decided for a customer, the newest first. Scope: decisions:read."""
    listing = Listing(request, params)
    values: dict[str, Any] = {} if listing.after is None else {"after": listing.after[0]}
    if params.channel is not None:
        values["channel"] = params.channel
    statement = queries.decisions(by_channel=params.channel is not None, after=listing.after is not None)
    rows = await reads.rows(statement, customer_id=customer_id, limit=listing.limit, **values)
    if not rows and await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    documents = [raw_json(row["document"]) for row in rows]
    return listing.answer(documents, lambda _: [rows[params.limit - 1]["id"]])


@router.get(
    "/v1/customers/{customer_id:uuid}/decisions/{decision_id:uuid}",
    summary="Read a decision",
    response_model=DecisionRead,
    responses=problems(DecisionNotFound),
)
async def read_decision(customer_id: UUID, decision_id: UUID, reads: Reads, _who: CanRead) -> Response:
    """Answer a decision as it was made. Scope: decisions:read."""
    row = await reads.row(queries.ONE_DECISION, customer_id=customer_id, decision_id=decision_id)
    if row is None:
        raise DecisionNotFound(f"The customer has no decision {decision_id}")
    return answer(raw_json(row["document"]))
