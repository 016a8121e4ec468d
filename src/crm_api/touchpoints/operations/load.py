"""Load: a chunk of touchpoints becomes rows with a handful of statements, however many there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from ...core.batch import Intake, Outcome, Stored
from ...core.changes import mark_many
from ...core.clock import now
from ...core.db import driver
from ...core.problems import NotAvailable
from ..daily_facts import mark_days
from ..problems import CustomerUnknown
from ..rules import Fact, fact_of, topic_of
from ..schemas import TouchpointCreate
from .owners import find_owners, named, unknown
from .rows import COLUMNS, ITEM_COLUMNS, STAGED_COLUMNS, conflict, item_rows, staged_row_of, touched_days

_STAGE: Final = """
CREATE TEMP TABLE touchpoint_came (
  customer_id uuid, id uuid, kind text, channel text, direction text, department text, occurred_at timestamptz,
  source text, source_id text, amount_minor bigint, currency text, cost_minor bigint, cost_currency text,
  campaign text, subject text, properties text, content_hash bytea
) ON COMMIT DROP
"""
_UNSTAGE: Final = "DROP TABLE touchpoint_came"
_VALUES: Final = {"recorded_at": "$1::timestamptz", "recorded_by": "$2::text", "properties": "properties::jsonb"}
# In order of the primary key, so that neighbors go to the same pages of the indexes.
_INSERT: Final = f"""
INSERT INTO touchpoint ({", ".join(COLUMNS)}) SELECT {", ".join(_VALUES.get(name, name) for name in COLUMNS)}
FROM touchpoint_came ORDER BY customer_id, id
ON CONFLICT DO NOTHING
"""  # noqa: S608  # the names are those of our columns
_KEPT: Final = """
SELECT t.customer_id, t.id, t.content_hash, t.recorded_at, t.recorded_by
FROM unnest($1::uuid[], $2::uuid[]) AS came (customer_id, id)
JOIN touchpoint t ON t.customer_id = came.customer_id AND t.id = came.id
"""
Key = tuple[int, int]
"""Customer and id of a touchpoint as numbers: hashing an UUID costs ten times as much, and a chunk does it often."""
Placed = tuple[Key, UUID, Fact]
"""A touchpoint with its key and its customer."""


class Kept(NamedTuple):
    """What is stored under a key."""

    content_hash: bytes
    recorded_at: datetime
    recorded_by: str


def shape_touchpoint(wish: TouchpointCreate) -> Fact:
    """Bring a touchpoint into the form in which it is stored. Errors: InvalidRequest."""
    return fact_of(wish, now())


async def store_touchpoints(intake: Intake, facts: Sequence[Fact]) -> list[Outcome]:
    """Store a chunk of a batch; of touchpoints with the same source id the first one counts."""
    connection = await driver(intake.session)
    at = now()  # inside the transaction, as core.watermark wants it
    placed = await _placed(connection, facts)
    new: dict[Key, Placed] = {}
    for each in placed:
        if not isinstance(each, CustomerUnknown):
            new.setdefault(each[0], each)
    mine = Kept(b"", at, intake.client_id)
    kept = await _insert(connection, list(new.values()), mine)
    made = [(owner, fact) for key, owner, fact in new.values() if key not in kept]
    await connection.copy_records_to_table("order_item", records=item_rows(made), columns=ITEM_COLUMNS)
    await mark_days(intake.session, touched_days(made, intake.settings.zone))
    await mark_many(intake.session, _by_topics(made))
    if len(made) == len(placed):
        return [Stored("created", fact.id) for _, fact in made]
    return [each if isinstance(each, CustomerUnknown) else _outcome(each, new, kept, mine) for each in placed]


def _by_topics(made: Iterable[tuple[UUID, Fact]]) -> dict[str, list[UUID]]:
    """Say whose touchpoints of which kinds there are more of."""
    owners: defaultdict[str, list[UUID]] = defaultdict(list)
    for owner, fact in made:
        owners[fact.wish.kind].append(owner)
    return {topic_of(kind): customer_ids for kind, customer_ids in owners.items()}


async def _placed(connection: asyncpg.Connection, facts: Sequence[Fact]) -> list[Placed | CustomerUnknown]:
    """Find the customers of touchpoints."""
    names = [named(fact.wish) for fact in facts]
    owners = await find_owners(connection, names)
    placed: list[Placed | CustomerUnknown] = []
    for name, fact in zip(names, facts, strict=True):
        owner = owners.get(name if isinstance(name, str) else name.int)
        placed.append(unknown(name) if owner is None else ((owner.int, fact.id.int), owner, fact))
    return placed


async def _insert(connection: asyncpg.Connection, new: Sequence[Placed], mine: Kept) -> dict[Key, Kept]:
    """Insert what is not there yet, and answer what was there before."""
    if not new:
        return {}
    records = [staged_row_of(fact, owner) for _, owner, fact in new]
    await connection.execute(_STAGE)
    await connection.copy_records_to_table("touchpoint_came", records=records, columns=STAGED_COLUMNS)
    inserted = await connection.execute(_INSERT, mine.recorded_at, mine.recorded_by)
    await connection.execute(_UNSTAGE)  # the next chunk of an atomic batch comes in the same transaction
    count = int(inserted.rpartition(" ")[2])
    return {} if count == len(new) else await _read_kept(connection, new, mine, count)


async def _read_kept(connection: asyncpg.Connection, new: Sequence[Placed], mine: Kept, count: int) -> dict[Key, Kept]:
    """Answer what is stored under these keys, but for the `count` rows of this very chunk, told by when and by whom."""
    owners, ids = [owner for _, owner, _ in new], [fact.id for _, _, fact in new]
    kept: dict[Key, Kept] = {}
    mine_count = 0
    for owner, id, *rest in await connection.fetch(_KEPT, owners, ids):
        there = Kept(*rest)
        if there[1:] == mine[1:]:
            mine_count += 1
        else:
            kept[owner.int, id.int] = there
    if mine_count != count:
        raise NotAvailable("Two chunks met in one microsecond; send again", headers={"Retry-After": "1"})
    return kept


def _outcome(placed: Placed, new: Mapping[Key, Placed], kept: Mapping[Key, Kept], mine: Kept) -> Outcome:
    key, owner, fact = placed
    there = kept.get(key)
    if there is None:
        first = new[key][2]
        if first is fact:
            return Stored("created", fact.id)
        there = mine._replace(content_hash=first.content_hash)
    if there.content_hash == fact.content_hash:
        return Stored("repeated", fact.id)
    return conflict(fact, owner, there.recorded_at, there.recorded_by)
