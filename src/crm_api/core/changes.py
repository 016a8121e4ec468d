"""Which customers changed, for those who keep something that follows from it: a thin queue of marks.

Whoever writes marks what it wrote in the same transaction: `mark(session, "touchpoint:page.viewed", [customer_id])`.
A mark is kept only when its topic is watched, so that what nobody waits for costs a look at a small table. Whoever
begins to watch a topic must let the writes that are under way end (core.watermark) before it looks at what there is:
those that begin later see the watch.

Topics: "customer" (the profile), "presence" (registered, archived, restored), "household" (joined, left), "consent",
"touchpoint:<kind>", "product", "score:<model>", "segment:<id>".
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from .clock import now
from .closing import Part
from .db import Base, driver, leave
from .ids import new_id

PRESENCE: Final = "presence"
CUSTOMER: Final = "customer"
HOUSEHOLD: Final = "household"
# A join, not a WHERE: core.closing adds one.
_MARK: Final = """
INSERT INTO change_mark (id, topic, customer_id, marked_at)
SELECT m.id, m.topic, m.customer_id, $4::timestamptz
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS m (id, topic, customer_id)
JOIN watched_topic w ON w.topic = m.topic
"""
_WATCHED: Final = "SELECT topic FROM watched_topic WHERE topic = ANY($1::text[])"
_Marks = dict[tuple[str, UUID | None], None]


class WatchedTopic(Base):
    """A topic that somebody waits for."""

    __tablename__ = "watched_topic"

    topic: Mapped[str] = mapped_column(primary_key=True)


class ChangeMark(Base):
    """A customer changed in one respect; without a customer: anybody may have."""

    __tablename__ = "change_mark"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    customer_id: Mapped[UUID | None]
    marked_at: Mapped[datetime]


def mark(session: AsyncSession, topic: str, customer_ids: Iterable[UUID]) -> None:
    """Say that customers changed; written with the last statement of the change."""
    _pending(session).update(((topic, customer_id), None) for customer_id in customer_ids)


async def mark_many(session: AsyncSession, changed: Mapping[str, Collection[UUID]]) -> None:
    """Say that many customers changed, by topics; of topics that nobody watches not even the ids are looked at.

    To be called inside the transaction that changes them: a watch that is not seen yet waits for its end.
    """
    connection = await driver(session)
    for row in await connection.fetch(_WATCHED, [topic for topic, customer_ids in changed.items() if customer_ids]):
        mark(session, row["topic"], changed[row["topic"]])


def mark_everybody(session: AsyncSession, topic: str) -> None:
    """Say that anybody may have changed: scores were published, a product is another's kind."""
    _pending(session)[topic, None] = None


def _pending(session: AsyncSession) -> _Marks:
    pending: _Marks | None = session.info.get("marks")
    if pending is None:
        pending = session.info["marks"] = {}
        leave(session, partial(_parts, session, pending))
    return pending


def _parts(session: AsyncSession, pending: _Marks) -> Iterator[Part]:
    session.info.pop("marks", None)
    if pending:
        topics, customers = zip(*pending, strict=True)
        yield Part(_MARK, [[new_id() for _ in pending], topics, customers, now()])
