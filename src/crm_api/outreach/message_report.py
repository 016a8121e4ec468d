"""Hand-over and report: what a worker is about to do is written down first, and what became of it afterwards."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.db import driver
from ..core.metrics import count
from ..core.trail import emit
from ..privacy.operations import suppress
from ..touchpoints.operations import leave_touchpoints
from ..touchpoints.schemas import TouchpointCreate
from .message_ending import Ended, end
from .message_schemas import HandOverWish, Report, ReportWish
from .metrics import REPORTED

SOURCE: Final = "messages"
"""The source of the touchpoints that messages leave."""
MOST_ATTEMPTS: Final = 10
_LONGEST_PAUSE: Final = timedelta(hours=6)
_FIRST_PAUSE: Final = timedelta(seconds=30)
# Messages under their leases; arrays are for the planner, as in message_ending.
_ASKED: Final = "d.message_id = ANY($2::uuid[]) AND d.lease_id = ($1::uuid[])[array_position($2::uuid[], d.message_id)]"
_HAND_OVER: Final = f"""
WITH linked AS (
  INSERT INTO campaign_link (campaign_id, number, url)
  SELECT DISTINCT l.campaign_id, l.number, l.url
  FROM unnest($6::uuid[], $7::bigint[], $8::text[]) AS l (campaign_id, number, url)
  WHERE l.campaign_id IN (SELECT d.campaign_id FROM message_due d WHERE {_ASKED})
  ORDER BY 1, 2
  ON CONFLICT DO NOTHING
)
UPDATE message_due d SET state = 'handing_over', attempt = attempt + 1, gateway = $3, can_look_up = $4,
  leased_until = statement_timestamp() + $5::interval
FROM campaign c
WHERE {_ASKED} AND d.state IN ('claimed', 'handing_over')
  AND d.leased_until > statement_timestamp() AND c.id = d.campaign_id AND c.status = 'running'
  AND (
    SELECT w.state FROM consent w
    WHERE w.customer_id = d.customer_id AND w.channel = c.channel AND w.purpose = c.purpose
  ) IS DISTINCT FROM 'withdrawn'
RETURNING d.message_id
"""  # noqa: S608  # ours
_LET_GO: Final = f"""
UPDATE message_due d SET state = 'waiting', lease_id = NULL, leased_until = NULL
WHERE {_ASKED} AND d.state = 'claimed'
"""  # noqa: S608  # ours
_HELD: Final = f"""
SELECT d.lease_id, d.message_id, d.customer_id, d.attempt, d.state, m.address, m.decision_id, c.code
FROM message_due d
JOIN message m ON m.customer_id = d.customer_id AND m.id = d.message_id
JOIN campaign c ON c.id = d.campaign_id
WHERE {_ASKED}
ORDER BY d.message_id FOR UPDATE OF d
"""  # noqa: S608  # ours
_WAIT: Final = """
UPDATE message_due d SET state = 'waiting', lease_id = NULL, leased_until = NULL,
  due_at = statement_timestamp() + w.pause,
  attempt = d.attempt - CASE WHEN w.never_began AND d.state = 'handing_over' THEN 1 ELSE 0 END
FROM unnest($1::uuid[], $2::interval[], $3::bool[]) AS w (message_id, pause, never_began)
WHERE d.message_id = w.message_id
"""


async def begin_hand_over(
    session: AsyncSession, wishes: Sequence[HandOverWish], gateway: str, *, can_look_up: bool, lease: timedelta
) -> list[UUID]:
    """Write down that messages are being handed over; answers those that may be. The others go back to the queue."""
    connection: asyncpg.Connection = await driver(session)
    asked = {id: wish.lease_id for wish in wishes for id in wish.messages}
    links = [(used.campaign_id, link.number, link.url) for wish in wishes for used in wish.links for link in used.links]
    columns = [list(column) for column in zip(*links, strict=True)] or [[], [], []]
    leases = list(asked.values())
    rows = await connection.fetch(_HAND_OVER, leases, list(asked), gateway, can_look_up, lease, *columns)
    allowed = {row["message_id"] for row in rows}
    if refused := {id: lease_id for id, lease_id in asked.items() if id not in allowed}:
        await connection.execute(_LET_GO, list(refused.values()), list(refused))
    return [id for id in asked if id in allowed]


async def report(session: AsyncSession, wishes: Sequence[ReportWish], gateway: str, by: str) -> dict[str, list[UUID]]:
    """Write down what became of messages; a report under a lease that is over does not count."""
    connection: asyncpg.Connection = await driver(session)
    told = {(wish.lease_id, each.id): each for wish in wishes for each in wish.reports}
    held = await connection.fetch(_HELD, *map(list, zip(*told, strict=True)))
    endings: list[Ended] = []
    pauses: list[tuple[UUID, timedelta, bool]] = []
    facts: list[TouchpointCreate] = []
    bounced: list[str] = []
    for row in held:
        this = told[row["lease_id"], row["message_id"]]
        count(session, REPORTED, this.result)
        ended = _ending(this, row, gateway)
        if ended is None:
            never_began = this.result == "not_taken"
            pauses.append((this.id, timedelta(0) if never_began else pause_after(row["attempt"]), never_began))
            continue
        endings.append(ended)
        if ended.state in ("sent", "bounced"):
            facts.append(_touchpoint(ended, row, this))
        if ended.state == "bounced" and row["address"]:
            bounced.append(f"email:{row['address']}")
    await end(connection, endings)
    if pauses:
        await connection.execute(_WAIT, *map(list, zip(*pauses, strict=True)))
    await _leave(session, facts, bounced, by)
    accepted = dict.fromkeys(row["message_id"] for row in held)
    return {"accepted": list(accepted), "late": [id for _, id in told if id not in accepted]}


def pause_after(attempt: int) -> timedelta:
    """Say how long a message waits after so many attempts: half a minute, doubled each time, at most six hours."""
    doublings = min(max(attempt - 1, 0), 20)
    return min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)


def _ending(this: Report, row: Any, gateway: str) -> Ended | None:
    """Say how a message ends by what was reported, or nothing when it stays pending."""
    told = (this.code, this.detail, gateway)
    id, customer = row["message_id"], row["customer_id"]
    match this.result:
        case "sent":
            return Ended(id, customer, "sent", None, *told)
        case "bounced":
            return Ended(id, customer, "bounced", "bounced", *told)
        case "failed":
            return Ended(id, customer, "failed", this.reason or "failed", *told)
        case "unknown":
            return Ended(id, customer, "unknown", "hand_over_unknown", *told)
        case "deferred" if row["attempt"] >= MOST_ATTEMPTS:
            return Ended(id, customer, "failed", "deferred_too_often", *told)
        case _:
            return None


def _touchpoint(ended: Ended, row: Any, this: Report) -> TouchpointCreate:
    properties = {"message_id": str(ended.message_id), "address": row["address"]}
    if row["decision_id"] is not None:
        properties["decision_id"] = str(row["decision_id"])
    return TouchpointCreate(
        customer_id=ended.customer_id,
        kind=f"email.{ended.state}",
        channel="email",
        direction="outbound",
        occurred_at=now(),
        source=SOURCE,
        source_id=f"{ended.message_id}:{ended.state}",
        campaign=row["code"],
        subject=this.subject or None,
        properties=properties,
        items=[],
    )


async def _leave(session: AsyncSession, facts: Sequence[TouchpointCreate], bounced: Sequence[str], by: str) -> None:
    """Leave touchpoints of what reached people or did not, and let bounced addresses alone from now on."""
    if facts:
        await leave_touchpoints(session, facts, by=by)
        emit(session, "messages.reported", {"count": len(facts)})
    if bounced:
        await suppress(session, bounced, "bounced", "the mailbox refused a message", by=by)
