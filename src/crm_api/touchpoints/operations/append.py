"""Append: what the service itself did or was told becomes touchpoints, inside the transaction that stores it."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.changes import mark, mark_many
from ...core.clock import now
from ...core.closing import Part
from ...core.db import driver, leave
from ..rules import Fact, fact_of, topic_of
from ..schemas import TouchpointCreate
from .rows import COLUMN_TYPES, COLUMNS, row_of

_ARRAYS: Final = ", ".join(
    f"${number}::{COLUMN_TYPES[name].partition(' COLLATE ')[0]}[]" for number, name in enumerate(COLUMNS, 1)
)
_APPEND: Final = f"""
INSERT INTO touchpoint ({", ".join(COLUMNS)}) SELECT * FROM unnest({_ARRAYS}) ON CONFLICT DO NOTHING
"""  # noqa: S608  # the names are those of our columns


async def append_touchpoints(session: AsyncSession, wishes: Iterable[TouchpointCreate], *, by: str) -> None:
    """Append touchpoints to the timelines of customers, with one statement. No event is told: the caller tells its own.

    They name their customer by id, and carry neither items nor amounts, so that no daily facts change. What is there
    under the same source id stays. Errors: InvalidRequest.
    """
    connection = await driver(session)
    facts, columns = _written(wishes, by)
    if facts:
        await connection.execute(_APPEND, *columns)
        await mark_many(session, _changed(facts))


async def leave_touchpoints(session: AsyncSession, wishes: Iterable[TouchpointCreate], *, by: str) -> None:
    """Append a few touchpoints as `append_touchpoints` does, but with the last statement of the change.

    Neither for what may be undone by itself, in a savepoint, nor beside `write_last`. Errors: InvalidRequest.
    """
    await driver(session)
    facts, columns = _written(wishes, by)
    if facts:
        leave(session, lambda: [Part(_APPEND, columns)])
        for topic, owners in _changed(facts).items():
            mark(session, topic, owners)


def _written(wishes: Iterable[TouchpointCreate], by: str) -> tuple[list[tuple[UUID, Fact]], list[list[Any]]]:
    """Answer the facts and their columns; to be called inside the transaction, as core.watermark wants it."""
    at = now()
    facts = [(_owner_of(wish), fact_of(wish, at)) for wish in wishes]
    # In order of the primary key, so that two writers cannot wait for each other in a circle.
    facts.sort(key=lambda each: (each[0].int, each[1].id.int))
    rows = [row_of(fact, customer_id, at, by) for customer_id, fact in facts]
    return facts, [list(column) for column in zip(*rows, strict=True)]


def _changed(facts: Iterable[tuple[UUID, Fact]]) -> dict[str, list[UUID]]:
    """Answer whose timelines changed, by topic."""
    changed: dict[str, list[UUID]] = {}
    for owner, fact in facts:
        changed.setdefault(topic_of(fact.wish.kind), []).append(owner)
    return changed


def _owner_of(wish: TouchpointCreate) -> UUID:
    if wish.customer_id is None:
        raise ValueError("a touchpoint of the service's own names its customer by id")
    return wish.customer_id
