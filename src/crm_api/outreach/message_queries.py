"""Statements that read the ledger of messages."""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, case, select, tuple_

from ..core.read import Prepared
from .campaign_models import Message, MessageDue

_STATE: Final = case((Message.state != "pending", Message.state), (MessageDue.state == "claimed", "claimed"),
                     (MessageDue.state == "handing_over", "handing_over"), else_="pending")  # fmt: skip
MESSAGE: Final[Select[*tuple[Any, ...]]] = select(
    Message.id,
    Message.customer_id,
    Message.campaign_id,
    Message.purpose,
    Message.occurrence,
    _STATE.label("state"),
    Message.reason,
    Message.detail,
    Message.address,
    Message.due_at,
    Message.decision_id,
    Message.gateway,
    Message.answer_code,
    Message.planned_at,
    Message.ended_at,
).outerjoin(MessageDue, MessageDue.message_id == Message.id)
FILTERS: Final = ("campaign_id", "customer_id", "state")


@lru_cache
def listed(filters: frozenset[str], *, after: bool) -> Prepared:
    """List messages by customer and id; binds the filters, `after_customer` and `after_id` as wanted, and `limit`."""
    statement = MESSAGE.order_by(Message.customer_id, Message.id).limit(bindparam("limit"))
    for name in FILTERS:
        if name in filters:
            statement = statement.where(getattr(Message, name) == bindparam(name, type_=getattr(Message, name).type))
    if after:
        last = tuple_(bindparam("after_customer", type_=Uuid), bindparam("after_id", type_=Uuid))
        statement = statement.where(tuple_(Message.customer_id, Message.id) > last)
    return Prepared(statement)


def one(customer_id: UUID, message_id: UUID) -> Select[Any]:
    """Answer one message."""
    return select(Message).where(Message.customer_id == customer_id, Message.id == message_id)
