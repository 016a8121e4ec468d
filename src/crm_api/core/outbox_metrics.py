"""What operations wants to know about the outbox."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, func, literal, select

from .clock import now
from .metrics import Gauge, Reading, Sample
from .read import Prepared, Reader
from .trail import OutboxEvent

MOST_COUNTED: Final = 10_000
"""Counting further would cost more with every event that waits, and say no more than that there are too many."""
BACKLOG: Final = Gauge(
    "crm_outbox_backlog", f"Events that were not given their place in the feed yet, counted up to {MOST_COUNTED:,}."
)
OLDEST: Final = Gauge(
    "crm_outbox_oldest_seconds", "For how long the oldest event has waited for its place; 0 when none waits."
)

_waits: Final = OutboxEvent.position.is_(None)
_first: Final = (OutboxEvent.sequence_number, OutboxEvent.id)
_oldest: Final = select(OutboxEvent.occurred_at).where(_waits).order_by(*_first).limit(1).scalar_subquery()
_backlog: Final = select(literal(1)).select_from(OutboxEvent).where(_waits).limit(MOST_COUNTED).subquery()
_COUNT: Final[Select[*tuple[Any, ...]]] = select(func.count().label("count"), _oldest.label("since")).select_from(
    _backlog
)
_STATE: Final = Prepared(_COUNT)


async def _read(reader: Reader) -> Sequence[Sample]:
    row = await reader.row(_STATE)
    assert row is not None  # noqa: S101  # an aggregate without groups always answers a row
    seconds = 0.0 if row["since"] is None else max(0.0, (now() - row["since"]).total_seconds())
    return [Sample(BACKLOG, row["count"]), Sample(OLDEST, seconds)]


OUTBOX_METRICS: Final = Reading((BACKLOG, OLDEST), _read)
