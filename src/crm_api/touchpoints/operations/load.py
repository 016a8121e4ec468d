"""Load: a chunk of touchpoints becomes rows with a handful of statements, however many there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from ...core.batch import Intake, Outcome, Stored
from ...core.clock import now
from ...core.db import driver
from ...core.problems import Problem
from ..daily_facts import mark_days
from ..rules import Fact, fact_of
from ..schemas import TouchpointCreate
from .owners import find_owners, named, unknown
from .rows import COLUMNS, ITEM_COLUMNS, Key, conflict, item_rows, row_of, touched_days

_NAMES: Final = ", ".join(COLUMNS)
_STAGE: Final = "CREATE TEMP TABLE touchpoint_came (LIKE touchpoint) ON COMMIT DROP"
_UNSTAGE: Final = "DROP TABLE touchpoint_came"
# In order of the primary key, so that neighbors go to the same pages of the indexes.
_INSERT: Final = f"""
INSERT INTO touchpoint ({_NAMES}) SELECT {_NAMES} FROM touchpoint_came ORDER BY customer_id, id
ON CONFLICT DO NOTHING RETURNING customer_id, id
"""  # noqa: S608  # the names are those of our columns
_KEPT: Final = """
SELECT t.customer_id, t.id, t.content_hash, t.recorded_at, t.recorded_by
FROM unnest($1::uuid[], $2::uuid[]) AS came (customer_id, id)
JOIN touchpoint t ON t.customer_id = came.customer_id AND t.id = came.id
"""
Placed = tuple[Key, Fact]


class Kept(NamedTuple):
    """What is stored under a key."""

    content_hash: bytes
    recorded_at: datetime
    recorded_by: str


async def store_touchpoints(intake: Intake, wishes: Sequence[TouchpointCreate]) -> list[Outcome]:
    """Store a chunk of a batch; of touchpoints with the same source id the first one counts."""
    connection = await driver(intake.session)
    at = now()  # inside the transaction, as core.watermark wants it
    placed = await _placed(connection, wishes, at)
    new: dict[Key, Fact] = {}
    for each in placed:
        if not isinstance(each, Problem):
            new.setdefault(*each)
    created = await _insert(connection, new, at, intake.client_id)
    made = [(key[0], fact) for key, fact in new.items()]
    if len(created) < len(new):
        made = [(key[0], fact) for key, fact in new.items() if key in created]
    await connection.copy_records_to_table("order_item", records=item_rows(made), columns=ITEM_COLUMNS)
    await mark_days(intake.session, touched_days(made, intake.settings.zone))
    if len(created) == len(placed):
        return [Stored("created", fact.id) for _, fact in made]
    kept = {key: Kept(new[key].content_hash, at, intake.client_id) for key in created}
    kept |= await _read_kept(connection, [key for key in new if key not in created])
    return [each if isinstance(each, Problem) else _outcome(*each, new, created, kept) for each in placed]


async def _placed(
    connection: asyncpg.Connection, wishes: Sequence[TouchpointCreate], at: datetime
) -> list[Placed | Problem]:
    """Bring touchpoints into the form in which they are stored, and find their customers."""
    facts: list[Fact | Problem] = []
    for wish in wishes:
        try:
            facts.append(fact_of(wish, at))
        except Problem as problem:
            facts.append(problem)
    owners = await find_owners(connection, {named(fact.wish) for fact in facts if isinstance(fact, Fact)})
    placed: list[Placed | Problem] = []
    for fact in facts:
        if isinstance(fact, Problem):
            placed.append(fact)
        elif (owner := owners.get(name := named(fact.wish))) is None:
            placed.append(unknown(name))
        else:
            placed.append(((owner, fact.id), fact))
    return placed


async def _insert(connection: asyncpg.Connection, new: Mapping[Key, Fact], at: datetime, client_id: str) -> set[Key]:
    """Insert what is not there yet, and answer what was inserted."""
    records = [row_of(fact, customer_id, at, client_id) for (customer_id, _), fact in new.items()]
    if not records:
        return set()
    await connection.execute(_STAGE)
    await connection.copy_records_to_table("touchpoint_came", records=records, columns=COLUMNS)
    created = {(row[0], row[1]) for row in await connection.fetch(_INSERT)}
    await connection.execute(_UNSTAGE)  # the next chunk of an atomic batch comes in the same transaction
    return created


async def _read_kept(connection: asyncpg.Connection, keys: Sequence[Key]) -> dict[Key, Kept]:
    if not keys:
        return {}
    customers, ids = zip(*keys, strict=True)
    rows = await connection.fetch(_KEPT, customers, ids)
    return {(customer_id, id): Kept(*rest) for customer_id, id, *rest in rows}


def _outcome(key: Key, fact: Fact, new: Mapping[Key, Fact], created: set[Key], kept: Mapping[Key, Kept]) -> Outcome:
    if key in created and new[key] is fact:
        return Stored("created", fact.id)
    there = kept[key]
    if there.content_hash == fact.content_hash:
        return Stored("repeated", fact.id)
    return conflict(fact, key[0], there.recorded_at, there.recorded_by)
