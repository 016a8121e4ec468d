"""Statements that read the feed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, Integer, Select, Text, any_, bindparam, exists, func, literal, select

from ..core.read import Prepared, Reader, raw_json
from ..core.trail import OutboxEvent
from .models import FEED_ID, EventFeed

Document = dict[str, Any]

_one: Final = select(literal(1).label("one")).subquery()
_LOOK: Final[Select[*tuple[Any, ...]]] = select(
    func.coalesce(EventFeed.last_position, 0).label("last_position"),
    func.coalesce(EventFeed.dropped_until, 0).label("dropped_until"),
    EventFeed.placed_at,
    exists().where(OutboxEvent.position.is_(None)).label("is_behind"),
).select_from(_one.outerjoin(EventFeed, EventFeed.id == FEED_ID))
_STATE: Final = Prepared(_LOOK)
_COLUMNS: Final = (
    OutboxEvent.id,
    OutboxEvent.position,
    OutboxEvent.type,
    OutboxEvent.customer_id,
    OutboxEvent.occurred_at,
    OutboxEvent.data,
)


class State(NamedTuple):
    """How far the feed is: events with a position from `dropped_until + 1` to `last_position` can be read."""

    last_position: int
    dropped_until: int
    is_behind: bool
    """Whether committed events wait for their position."""
    placed_at: datetime | None
    """When somebody last looked for events to place."""


async def read_state(reader: Reader) -> State:
    """Look how far the feed is."""
    row = await reader.row(_STATE)
    assert row is not None  # noqa: S101  # an outer join with one row answers one
    return State(row["last_position"], row["dropped_until"], row["is_behind"], row["placed_at"])


def _between(*, of_types: bool) -> Select[Any]:
    after, until = bindparam("after", type_=BigInteger), bindparam("until", type_=BigInteger)
    chosen = select(*_COLUMNS).where(OutboxEvent.position > after, OutboxEvent.position <= until)
    if of_types:
        chosen = chosen.where(OutboxEvent.type == any_(bindparam("types", type_=ARRAY(Text))))
    return chosen.order_by(OutboxEvent.position).limit(bindparam("limit", type_=Integer))


_ALL: Final = Prepared(_between(of_types=False))
_SOME: Final = Prepared(_between(of_types=True))


async def read_events(
    reader: Reader, after: int, until: int, types: Sequence[str] | None, limit: int
) -> list[Document]:
    """Answer events with positions behind `after`, up to `until`, in their order."""
    if types is None:
        rows = await reader.rows(_ALL, after=after, until=until, limit=limit)
    else:
        rows = await reader.rows(_SOME, after=after, until=until, types=types, limit=limit)
    return [{**row, "data": raw_json(row["data"])} for row in rows]
