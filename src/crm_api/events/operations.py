"""The relay: gives committed events their positions, one after another, and drops those that were kept long enough.

One relay works at a time, for the transaction of one batch. The rows of a batch and the last position become visible
together, so a reader sees the feed up to some position, whole; and a relay that dies has done nothing. What is
committed later gets a later position, however long ago it was begun.
"""

from datetime import timedelta
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.db import driver

MOST_PLACED: Final = 5_000
"""Events that are placed in one transaction, well below a second."""
_MOST_DROPPED: Final = 5_000
_RELAYING: Final = 0x46454544  # advisory lock: one relay works, the others go by
_TAKE: Final = "SELECT pg_try_advisory_xact_lock($1)"
_WAIT: Final = "SELECT true FROM pg_advisory_xact_lock($1)"
_FEED: Final = "SELECT last_position, dropped_until FROM event_feed WHERE id = 1"
_BEGIN: Final = """
INSERT INTO event_feed (id, last_position, dropped_until, placed_at)
SELECT 1, coalesce(max(position), 0), coalesce(min(position) - 1, 0), $1 FROM outbox_event WHERE position IS NOT NULL
RETURNING last_position, dropped_until
"""
# Rows are locked before they are counted, so that one deleted meanwhile leaves no gap.
_PLACE: Final = """
WITH held AS (
  SELECT id, sequence_number FROM outbox_event WHERE position IS NULL
  ORDER BY sequence_number, id LIMIT $1 FOR UPDATE
), numbered AS (
  SELECT id, row_number() OVER (ORDER BY sequence_number, id) AS number FROM held
), placed AS (
  UPDATE outbox_event SET position = $2 + numbered.number FROM numbered WHERE outbox_event.id = numbered.id
  RETURNING 1
)
UPDATE event_feed SET last_position = last_position + (SELECT count(*) FROM placed), placed_at = $3
WHERE id = 1 RETURNING last_position
"""
# Dropped is a beginning of the feed, so that what is kept has no holes: up to the first event that is young enough.
_OLD_UNTIL: Final = """
WITH first AS (
  SELECT position, occurred_at < $2 AS is_old FROM outbox_event WHERE position > $1 ORDER BY position LIMIT $3
)
SELECT coalesce(min(position) FILTER (WHERE NOT is_old) - 1, max(position), $1) FROM first
"""
_DROP: Final = "DELETE FROM outbox_event WHERE position > $1 AND position <= $2"
_NOTE_DROPPED: Final = "UPDATE event_feed SET dropped_until = $1 WHERE id = 1"


class Placed(NamedTuple):
    """What one round of the relay did."""

    placed: int
    last_position: int
    dropped: int = 0

    @property
    def is_full(self) -> bool:
        """Whether there may be more to place, or to drop."""
        return self.placed == MOST_PLACED or self.dropped == _MOST_DROPPED


async def place(session: AsyncSession, *, patient: bool = False) -> Placed | None:
    """Give the next committed events their positions; nothing when another relay is doing so, unless one is patient
    enough to wait for its end.
    """
    connection = await driver(session)
    feed = await _held(connection, patient=patient)
    return None if feed is None else await _place(connection, feed["last_position"])


async def relay(session: AsyncSession, kept: timedelta) -> Placed | None:
    """Place the next events, and drop some that are older than is kept; nothing when another relay is at it."""
    connection = await driver(session)
    feed = await _held(connection, patient=False)
    if feed is None:
        return None
    placed = await _place(connection, feed["last_position"])
    return placed._replace(dropped=await _drop(connection, feed["dropped_until"], kept))


async def _held(connection: asyncpg.Connection, *, patient: bool) -> asyncpg.Record | None:
    if not await connection.fetchval(_WAIT if patient else _TAKE, _RELAYING):
        return None
    # A statement of its own, which sees what the relay before has committed.
    return await connection.fetchrow(_FEED) or await connection.fetchrow(_BEGIN, now())


async def _place(connection: asyncpg.Connection, last: int) -> Placed:
    position = await connection.fetchval(_PLACE, MOST_PLACED, last, now())
    return Placed(position - last, position)


async def _drop(connection: asyncpg.Connection, dropped_until: int, kept: timedelta) -> int:
    until = dropped_until
    for size in (1, _MOST_DROPPED):  # mostly the first one is young, and nothing else has to be looked at
        until = await connection.fetchval(_OLD_UNTIL, dropped_until, now() - kept, size)
        if until == dropped_until:
            return 0
    await connection.execute(_DROP, dropped_until, until)
    await connection.execute(_NOTE_DROPPED, until)
    return int(until - dropped_until)
