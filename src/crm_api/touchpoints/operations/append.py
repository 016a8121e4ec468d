"""Append: what the service itself did or was told becomes touchpoints, inside the transaction that stores it."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.changes import mark_many
from ...core.clock import now
from ...core.db import driver
from ..rules import fact_of, topic_of
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
    at = now()  # inside the transaction, as core.watermark wants it
    facts = [(_owner_of(wish), fact_of(wish, at)) for wish in wishes]
    # In order of the primary key, so that two writers cannot wait for each other in a circle.
    facts.sort(key=lambda each: (each[0].int, each[1].id.int))
    if facts:
        rows = [row_of(fact, customer_id, at, by) for customer_id, fact in facts]
        await connection.execute(_APPEND, *map(list, zip(*rows, strict=True)))
        topics = {topic_of(fact.wish.kind) for _, fact in facts}
        changed = {topic: [owner for owner, fact in facts if topic_of(fact.wish.kind) == topic] for topic in topics}
        await mark_many(session, changed)


def _owner_of(wish: TouchpointCreate) -> UUID:
    if wish.customer_id is None:
        raise ValueError("a touchpoint of the service's own names its customer by id")
    return wish.customer_id
