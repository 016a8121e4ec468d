"""How messages end: the ledger says how, and the queue forgets them, in one statement."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from ..core.clock import now

# Looked up by arrays: joined with a list, tables that the planner thinks are short are read from end to end.
_END: Final = """
WITH ended AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[])
    AS e (message_id, customer_id, state, reason, answer_code, detail, gateway)
),
gone AS (DELETE FROM message_due WHERE message_id = ANY($1::uuid[]))
UPDATE message m SET state = e.state, reason = e.reason, answer_code = e.answer_code, detail = e.detail,
  gateway = coalesce(e.gateway, m.gateway), ended_at = $8
FROM ended e
WHERE m.customer_id = ANY($2::uuid[]) AND m.id = ANY($1::uuid[])
  AND m.customer_id = e.customer_id AND m.id = e.message_id AND m.state = 'pending'
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
