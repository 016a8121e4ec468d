"""What operations wants to know about daily facts."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, literal, select

from ..core.metrics import Gauge, Reading, Sample
from ..core.read import Prepared, Reader
from .models import CustomerDayDirty

MOST_COUNTED: Final = 100_000
DIRTY_DAYS: Final = Gauge(
    "crm_daily_facts_backlog", f"Days of customers whose facts are to be recomputed, counted up to {MOST_COUNTED:,}."
)
_COUNT: Final = Prepared(
    select(func.count().label("count")).select_from(
        select(literal(1)).select_from(CustomerDayDirty).limit(MOST_COUNTED).subquery()
    )
)


async def _read(reader: Reader) -> Sequence[Sample]:
    row = await reader.row(_COUNT)
    assert row is not None  # noqa: S101  # an aggregate without groups always answers a row
    return [Sample(DIRTY_DAYS, row["count"])]


DAILY_FACTS_METRICS: Final = Reading((DIRTY_DAYS,), _read)
