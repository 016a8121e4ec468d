"""How messages end: the ledger says how, and the queue forgets them, in one statement."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from ..core.clock import now

# Looked up by arrays, and what belongs to each by its place in them: joined with a list, each is compared with all
# others, and a table that the planner thinks is short is read from end to end.
_END: Final = """
WITH gone AS (DELETE FROM message_due WHERE message_id = ANY($1::uuid[]))
UPDATE message m SET ended_at = $8, (state, reason, answer_code, detail, gateway) = (
  SELECT ($3::text[])[n], ($4::text[])[n], ($5::int[])[n], ($6::text[])[n], coalesce(($7::text[])[n], m.gateway)
  FROM array_position($1::uuid[], m.id) AS n
)
WHERE m.customer_id = ANY($2::uuid[]) AND m.id = ANY($1::uuid[]) AND m.state = 'pending'
"""


class Ended(NamedTuple):
    """A message that has ended, in the order of the statement's arrays."""

    message_id: UUID
    customer_id: UUID
    state: str
    reason: str | None
    answer_code: int | None = None
    detail: str | None = None
    gateway: str | None = None


async def end(connection: asyncpg.Connection, endings: Sequence[Ended]) -> None:
    """End messages; one that has ended before stays as it is."""
    if endings:
        await connection.execute(_END, *map(list, zip(*endings, strict=True)), now())
