"""Statements about campaigns and the counts of their messages."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, Text, Uuid, bindparam, cast, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import print_text, read_tree
from ..core.money import Money
from ..core.read import Prepared, Reader
from .campaign_models import Campaign, Message, MessageDue

CAMPAIGN: Final[Select[*tuple[Any, ...]]] = select(*Campaign.__table__.columns)
ONE_CAMPAIGN: Final = Prepared(CAMPAIGN.where(Campaign.id == bindparam("campaign_id", type_=Uuid)))
IS_CAMPAIGN: Final = Prepared(select(Campaign.id).where(Campaign.id == bindparam("campaign_id", type_=Uuid)))
_MINE: Final = Message.campaign_id == bindparam("campaign_id", type_=Uuid)
_GROUPED: Final[Select[*tuple[Any, ...]]] = select(Message.state, Message.reason, func.count().label("count"))
BY_REASON: Final = Prepared(_GROUPED.where(_MINE).group_by(Message.state, Message.reason))
IN_FLIGHT: Final = Prepared(
    select(func.count()).where(
        MessageDue.campaign_id == bindparam("campaign_id", type_=Uuid), MessageDue.lease_id.is_not(None)
    )
)
STATES: Final = ("pending", "sent", "bounced", "failed", "skipped", "cancelled", "unknown")


async def uses_of_segment(reader: Reader, segment_id: UUID) -> Sequence[dict[str, Any]]:
    """Answer the campaigns that send to a segment, or to an audience that asks for it, and have not ended."""
    rows = await reader.rows(_SENDING, segment_id=segment_id, needle=f"%{segment_id}%")
    return [{"type": "campaign", **row} for row in rows]


_NAMED: Final[Select[*tuple[Any, ...]]] = select(Campaign.id, Campaign.name)
_SENDING: Final = Prepared(
    _NAMED.where(
        Campaign.status != "stopped",
        Campaign.status != "finished",
        or_(
            Campaign.segment_id == bindparam("segment_id", type_=Uuid),
            cast(Campaign.audience, Text).like(bindparam("needle", type_=Text)),
        ),
    ).order_by(Campaign.name)
)


def document(row: Any) -> dict[str, Any]:
    """Answer a row of CAMPAIGN as the object callers see."""
    found = dict(row)
    audience = _tree(found["audience"])
    minor, currency = found["unit_cost_minor"], found["unit_cost_currency"]
    launch_at = found["launch_at"]
    kept = (
        "id",
        "code",
        "name",
        "purpose",
        "channel",
        "segment_id",
        "template_id",
        "with_offer",
        "launch_zone",
        "status",
    )
    rest = ("starts_at", "job_id", "planned_at", "ended_at", "version", "created_at", "updated_at")
    return {
        **{name: found[name] for name in kept},
        "audience": audience,
        "audience_text": None if audience is None else print_text(read_tree(audience)),
        "sender": {"name": found["sender_name"], "address": found["sender_address"], "reply_to": found["reply_to"]},
        "unit_cost": None if minor is None else Money.from_minor(minor, currency).model_dump(),
        "launch_at": None if launch_at is None else launch_at.replace(tzinfo=None).isoformat(),
        **{name: found[name] for name in rest},
    }


def _tree(stored: Any) -> Any:
    return orjson.loads(stored) if isinstance(stored, str) else stored


async def written_campaign(session: AsyncSession, campaign_id: UUID) -> dict[str, Any]:
    """Read a campaign inside the transaction that changed it."""
    await session.flush()
    return document((await session.execute(CAMPAIGN.where(Campaign.id == campaign_id))).mappings().one())


@lru_cache
def listed(*, by_status: bool, after: bool) -> Prepared:
    """List campaigns, the newest first; binds `status`, `after_at` and `after_id` as wanted, and `limit`."""
    statement = CAMPAIGN.order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(bindparam("limit"))
    if by_status:
        statement = statement.where(Campaign.status == bindparam("status", type_=Text))
    if after:
        last = tuple_(bindparam("after_at", type_=Campaign.created_at.type), bindparam("after_id", type_=Uuid))
        statement = statement.where(tuple_(Campaign.created_at, Campaign.id) < last)
    return Prepared(statement)


def counts(rows: list[Any], in_flight: int) -> dict[str, Any]:
    """Add up the rows of BY_REASON."""
    by_state = dict.fromkeys(STATES, 0)
    reasons: dict[str, int] = {}
    for state, reason, count in rows:
        by_state[state] += count
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + count
    return {"planned": sum(by_state.values()), "in_flight": in_flight, **by_state, "reasons": reasons}


async def written_counts(session: AsyncSession, campaign_id: UUID) -> dict[str, Any]:
    """Count inside a transaction."""
    mine = Message.campaign_id == campaign_id
    grouped = select(Message.state, Message.reason, func.count()).where(mine).group_by(Message.state, Message.reason)
    leased = select(func.count()).where(MessageDue.campaign_id == campaign_id, MessageDue.lease_id.is_not(None))
    rows = [tuple(row) for row in await session.execute(grouped)]
    return counts(rows, (await session.scalars(leased)).one())
