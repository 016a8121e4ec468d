"""HTTP of messages: the ledger for everybody, claims and reports for the workers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.read import answer
from ..core.route import Route
from . import message_queries as queries
from .message_claim import MailDesk
from .message_exchange import exchange
from .message_schemas import Exchange, ExchangeWish, MessageListParams, MessagePage

router = APIRouter(prefix="/v1/messages", tags=["Messages"], route_class=Route)
worker_router = APIRouter(prefix="/v1/messages", tags=["Workers"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["messages:read"])]
CanWork = Annotated[Principal, Security(authorize, scopes=["messages:work"])]


@router.get("", summary="List messages", response_model=MessagePage)
async def list_messages(
    request: Request, params: Annotated[MessageListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List messages by customer and id, of a campaign or of a customer: who got what, who did not, and why. Scope:
    messages:read.
    """
    page = Listing(request, params)
    values = {name: value for name in queries.FILTERS if (value := getattr(params, name)) is not None}
    after = {} if page.after is None else {"after_customer": page.after[0], "after_id": page.after[1]}
    rows = await reads.rows(queries.listed(frozenset(values), after=bool(after)), limit=page.limit, **values, **after)
    return page.answer([dict(row) for row in rows], lambda row: [row["customer_id"], row["id"]])


@worker_router.put("/exchange", summary="Exchange messages", response_model=Exchange)
async def exchange_messages(
    request: Request, wish: ExchangeWish, session: Session, reads: Reads, who: CanWork
) -> Response:
    """Report on messages, begin to hand over those that are rendered, and claim more: in this order and in one
    transaction, each part only if it is given.

    - **report**: what was sent or bounced becomes a touchpoint, and a bounced address is suppressed; what was deferred
      waits, twice as long each time. A report under a lease that is over does not count.
    - **hand_over** is written down before it happens. Only those answered may go: a pause, a stop or a withdrawn
      consent sends the others back. It may be repeated under the same lease.
    - **claim** leases a few messages that are due; consent, address and suppression are read again, and an offer is
      decided where the campaign wants one. Whoever may no longer get it is ended with the reason. Ask every 2 seconds:
      it also takes back what dead workers held, and ends campaigns that are through.

    Scope: messages:work.
    """
    state = request.app.state
    desk = MailDesk(reads, state.decision_desk, state.message_signer, state.settings)
    return answer(await exchange(session, wish, who.client_id, desk))
