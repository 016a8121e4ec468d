"""The queue: which messages are due, who has them, and what becomes of those whose worker fell silent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.ids import new_id
from ..core.trail import emit, record
from ..settings import Settings
from .message_ending import Ended, end
from .message_schemas import MOST_CLAIMED

LONGEST_DOUBT: Final = timedelta(hours=1)
"""For how long a gateway that can be asked may stay away before its messages are `unknown`: it may be gone for good."""
_EXPIRED_AT_ONCE: Final = 200
# Times are the database's: those who take part may have clocks that disagree by minutes.
_GIVE_BACK: Final = """
UPDATE message_due SET state = 'waiting', lease_id = NULL, leased_until = NULL
WHERE message_id IN (
  SELECT message_id FROM message_due
  WHERE lease_id IS NOT NULL AND leased_until < statement_timestamp() AND state = 'claimed'
  LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""
_LOST: Final = """
SELECT message_id, customer_id FROM message_due
WHERE lease_id IS NOT NULL AND leased_until < statement_timestamp() AND state = 'handing_over'
  AND (NOT can_look_up OR leased_until < statement_timestamp() - $2::interval)
LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_RECONCILE: Final = """
WITH due AS (
  SELECT message_id FROM message_due
  WHERE lease_id IS NOT NULL AND leased_until < statement_timestamp() AND state = 'handing_over'
    AND can_look_up AND gateway = $5
  LIMIT $4 FOR UPDATE SKIP LOCKED
)
UPDATE message_due d SET lease_id = g.lease_id, leased_until = statement_timestamp() + $2::interval
"""
# One lease after the other is filled, from the place on that is free.
_GIVEN: Final = f"""
FROM (
  SELECT message_id, ($1::uuid[])[1 + ($3 + row_number() OVER () - 1) / {MOST_CLAIMED}] AS lease_id FROM due
) AS g
WHERE d.message_id = g.message_id
RETURNING d.message_id, d.customer_id, d.campaign_id, d.lease_id
"""  # noqa: S608  # ours
# Each has the same chance to be next, so that a small campaign does not wait behind a large one. The order inside keeps
# the planner at the index: right after a plan it knows nothing of what the table holds.
_READY: Final = """
SELECT c.id FROM campaign c CROSS JOIN LATERAL (
  SELECT FROM message_due d
  WHERE d.campaign_id = c.id AND d.lease_id IS NULL AND d.due_at <= statement_timestamp()
  ORDER BY d.due_at, d.message_id LIMIT 1
) AS first
WHERE c.status = 'running' ORDER BY random() LIMIT $1
"""
_TAKE: Final = f"""
WITH due AS (
  SELECT message_id FROM message_due
  WHERE campaign_id = $5 AND lease_id IS NULL AND due_at <= statement_timestamp()
  ORDER BY due_at, message_id LIMIT $4 FOR UPDATE SKIP LOCKED
)
UPDATE message_due d SET state = 'claimed', lease_id = g.lease_id, leased_until = statement_timestamp() + $2::interval
{_GIVEN}
"""  # noqa: S608  # ours
_TAKE_NEXT: Final = _TAKE.replace("$5", f"({_READY.replace('$1', '1')})")
_ENDED: Final = """
UPDATE campaign c SET status = CASE WHEN status = 'stopping' THEN 'stopped' ELSE 'finished' END,
  ended_at = $1, updated_at = $1, version = version + 1
WHERE id IN (
  SELECT id FROM campaign c WHERE status IN ('running', 'stopping')
    AND NOT EXISTS (SELECT FROM message_due d WHERE d.campaign_id = c.id)
    AND NOT EXISTS (SELECT FROM job j WHERE j.id = c.job_id AND j.state IN ('queued', 'running'))
  FOR UPDATE SKIP LOCKED
)
RETURNING id, code, status
"""


class Leases(NamedTuple):
    """What a worker holds messages by, so many under each of them."""

    ids: Sequence[UUID]
    lasts: timedelta


class Taken(NamedTuple):
    """A message in a worker's hands."""

    message_id: UUID
    customer_id: UUID
    campaign_id: UUID
    lease_id: UUID
    reconcile: bool = False
    """Its worker fell silent in the hand-over, so that the gateway has to be asked."""


def leases_for(most: int, settings: Settings) -> Leases:
    """Make leases for so many messages."""
    return Leases([new_id() for _ in range(0, most, MOST_CLAIMED)], lease_of(settings))


def lease_of(settings: Settings) -> timedelta:
    """Say how long messages stay with a worker: twice as long as it may hand over, so that it has ended by then."""
    return timedelta(seconds=2 * settings.lease_seconds)


async def put_in_order(session: AsyncSession, connection: asyncpg.Connection) -> None:
    """Take back what dead workers held, end what nobody can say anything of, and end campaigns that are through."""
    await connection.execute(_GIVE_BACK, _EXPIRED_AT_ONCE)
    lost = await connection.fetch(_LOST, _EXPIRED_AT_ONCE, LONGEST_DOUBT)
    why = "The worker died in the hand-over, and the gateway cannot be asked"
    await end(connection, [Ended(row[0], row[1], "unknown", "hand_over_unknown", detail=why) for row in lost])
    for row in await connection.fetch(_ENDED, now()):
        record(session, "campaigns", f"campaign.{row['status']}", ("campaign", row["id"]))
        emit(session, f"campaign.{row['status']}", {"id": str(row["id"]), "code": row["code"]})


async def take_next(connection: asyncpg.Connection, leases: Leases, most: int) -> list[Taken]:
    """Lease what is due of one running campaign, whose turn it is: in one round trip what mostly is enough."""
    return [Taken(*row) for row in await connection.fetch(_TAKE_NEXT, *leases, 0, most)]


async def take(connection: asyncpg.Connection, leases: Leases, before: int, most: int) -> list[Taken]:
    """Lease what is due, of running campaigns in their turn; `before` so many are leased already."""
    taken: list[Taken] = []
    for ready in await connection.fetch(_READY, most):
        if len(taken) >= most:
            break
        rows = await connection.fetch(_TAKE, *leases, before + len(taken), most - len(taken), ready["id"])
        taken += [Taken(*row) for row in rows]
    return taken


async def take_to_ask(
    connection: asyncpg.Connection, gateway: str, leases: Leases, before: int, most: int
) -> list[Taken]:
    """Lease messages whose worker fell silent in the hand-over, to a gateway that can say what became of them."""
    rows = await connection.fetch(_RECONCILE + _GIVEN, *leases, before, most, gateway)
    return [Taken(*row)._replace(reconcile=True) for row in rows]
