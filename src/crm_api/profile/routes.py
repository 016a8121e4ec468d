"""HTTP of profiles."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.db import Reads, Session
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..customers.problems import CustomerNotFound
from . import operations
from .rules import share_of
from .schemas import ProfileParams, ProfileRead

router = APIRouter(tags=["Customers"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["customers:read"])]


@router.get(
    "/v1/customers/{customer_id:uuid}/profile",
    summary="Read everything about a customer",
    response_model=ProfileRead,
    responses=problems(CustomerNotFound),
)
async def read_profile(
    request: Request,
    customer_id: UUID,
    params: Annotated[ProfileParams, Query()],
    session: Session,
    reads: Reads,
    who: CanRead,
) -> Response:
    """Answer the customer, consents, scores, segments, last touches, present offers and totals in one call, each part
    with the moment at which it was right. Parts whose scopes the caller lacks are named in `withheld`, not refused.

    Scopes: customers:read, and for their parts consents:read, scores:read, segments:read, touchpoints:read (last
    touches, totals), offers:read.
    """
    share = share_of(params.wanted, who.scopes)
    desk = request.app.state.decision_desk
    purpose = request.app.state.settings.sensitive_taste_purpose
    return answer(await operations.read_profile(session, reads, customer_id, share, desk, purpose))
