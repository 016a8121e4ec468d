"""Set: reports become lines of the ledger, and the newest of them what counts now, with a statement for each table."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.changes import mark_many
from ...core.clock import now
from ...core.db import driver
from ...core.trail import emit, record
from ...touchpoints.operations import append_touchpoints
from ...touchpoints.operations.owners import unknown
from ...touchpoints.problems import CustomerUnknown
from .. import queries
from ..rules import ConsentChange, newest, purpose_unknown, touchpoint_of

_LEDGER: Final = """
INSERT INTO consent_event
  (customer_id, id, channel, purpose, state, occurred_at, source, wording, recorded_at, recorded_by)
SELECT came.*, $9::timestamptz, $10::text FROM unnest(
  $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[]
) AS came
ON CONFLICT DO NOTHING RETURNING customer_id, id
"""
# What rules.newest says of several reports, said of one and the state there is.
_STATE: Final = """
INSERT INTO consent (customer_id, channel, purpose, state, since, event_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[])
ON CONFLICT (customer_id, channel, purpose) DO UPDATE
SET state = EXCLUDED.state, since = EXCLUDED.since, event_id = EXCLUDED.event_id
WHERE (EXCLUDED.since, EXCLUDED.state, EXCLUDED.event_id) > (consent.since, consent.state, consent.event_id)
RETURNING customer_id, event_id
"""
Key = tuple[int, int]
"""Customer and id of a line of the ledger, as numbers."""


class Outcome(NamedTuple):
    """What became of a report. One that is older than what counts now is a line of the ledger and no more."""

    id: UUID
    result: Literal["created", "repeated"]
    is_current: bool
    """Whether it is what counts now; of a repeat it is not asked, and false."""
    recorded_at: datetime


async def set_consents(session: AsyncSession, changes: Sequence[ConsentChange], *, by: str) -> list[Outcome]:
    """Set consents inside a transaction, each with its touchpoint, audit row and event; answers in the order given.

    The newest `occurred_at` counts, in whatever order reports come; an older one is only a line of the ledger. A repeat
    writes nothing. For the few changes that people make: the audit and the outbox get a row each.
    Errors: PurposeUnknown, CustomerUnknown.
    """
    connection = await driver(session)
    await _check_purposes(connection, {change.purpose for change in changes})
    try:
        outcomes = await write_consents(session, changes, by=by)
    except asyncpg.ForeignKeyViolationError:  # purposes are never deleted, so it is a customer who is missing
        raise unknown(changes[0].customer_id) if len(changes) == 1 else CustomerUnknown() from None
    for change, outcome in zip(changes, outcomes, strict=True):
        if outcome.result == "created":
            _tell(session, change, outcome, by)
    return outcomes


async def write_consents(session: AsyncSession, changes: Sequence[ConsentChange], *, by: str) -> list[Outcome]:
    """Set consents whose customers and purposes are known, and tell nobody but the timelines."""
    connection = await driver(session)
    at = now()
    given = [((change.customer_id.int, (id := change.id).int), id, change) for change in changes]
    first: dict[Key, tuple[UUID, ConsentChange]] = {}
    for key, id, change in given:
        first.setdefault(key, (id, change))
    added = await _add_lines(connection, [first[key] for key in sorted(first)], at, by)
    new = [line for key, line in first.items() if key in added]
    current = await _renew_states(connection, newest(new))
    await mark_many(session, {"consent": [change.customer_id for key, (_, change) in first.items() if key in current]})
    await append_touchpoints(session, (touchpoint_of(id, change) for id, change in new), by=by)
    outcomes = []
    for key, id, _ in given:
        is_first = key in added
        added.discard(key)  # the same again in one call is a repeat
        outcomes.append(Outcome(id, "created" if is_first else "repeated", is_first and key in current, at))
    return outcomes


async def _add_lines(
    connection: asyncpg.Connection, lines: Sequence[tuple[UUID, ConsentChange]], at: datetime, by: str
) -> set[Key]:
    """Add lines to the ledger, in order of their keys; answer those that were not there."""
    columns = _columns(
        (
            change.customer_id,
            id,
            change.channel,
            change.purpose,
            change.state,
            change.occurred_at,
            change.source,
            change.wording,
        )
        for id, change in lines
    )
    rows = await connection.fetch(_LEDGER, *columns, at, by) if columns else []
    return {(row["customer_id"].int, row["id"].int) for row in rows}


async def _renew_states(connection: asyncpg.Connection, lines: Sequence[tuple[UUID, ConsentChange]]) -> set[Key]:
    """Let lines be what counts now, unless something newer is; answer those that are."""
    columns = _columns(
        (change.customer_id, change.channel, change.purpose, change.state, change.occurred_at, id)
        for id, change in lines
    )
    rows = await connection.fetch(_STATE, *columns) if columns else []
    return {(row["customer_id"].int, row["event_id"].int) for row in rows}


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _check_purposes(connection: asyncpg.Connection, names: Collection[str]) -> None:
    """Look before the write: what is there stays there, and the table that refused is not told on every cluster."""
    declared = [row["name"] for row in await connection.fetch(queries.PURPOSES.sql)]
    for name in sorted(names):
        if name not in declared:
            raise purpose_unknown(name, declared)


def _tell(session: AsyncSession, change: ConsentChange, outcome: Outcome, by: str) -> None:
    told = {
        "channel": change.channel,
        "purpose": change.purpose,
        "state": change.state,
        "occurred_at": change.occurred_at,
    }
    owner = change.customer_id
    changes = {**told, "source": change.source, "is_current": outcome.is_current}
    record(session, by, f"consent.{change.state}", ("consent", outcome.id), customer_id=owner, changes=changes)
    if outcome.is_current:
        document = {"id": str(outcome.id), "customer_id": str(owner), **told}
        emit(session, "consent.changed", document, customer_id=owner)
