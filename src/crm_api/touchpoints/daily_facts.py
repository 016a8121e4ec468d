"""Daily facts: what each customer bought on each local date of the business, recomputed from the timeline.

Orders are touchpoints of kind `order.placed` with an amount; their items give lines, list price and discount. Refunds
are touchpoints of kind `order.refunded`: they lower the net amount of their own date, whatever the sign they came with,
and are no orders. An order without items is at list price. Amounts of different currencies never mix.

Whoever changes the timeline marks `(customer, date)` in the same transaction (`mark_days`). A job takes marks and
recomputes those days; a mark that is being renewed by a running transaction is left for the next time, so the
recomputation always sees what was marked.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Date, DateTime, Text, Uuid, bindparam, delete, exists, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Moment
from ..core.clock import now
from ..core.db import driver
from ..jobs.kinds import Due, JobKind, Step
from ..jobs.models import Job
from .models import CustomerDayDirty

ORDER: Final = "order.placed"
REFUND: Final = "order.refunded"
FACT_KINDS: Final = (ORDER, REFUND)
"""The kinds of touchpoints that daily facts are made of."""
_DAYS_IN_A_STEP: Final = 10_000
_NAME: Final = "daily-facts"

# Renewing a mark locks it until this transaction ends; DO NOTHING would let the job take it too early.
_MARK: Final = """
INSERT INTO customer_day_dirty (customer_id, business_date) SELECT * FROM unnest($1::uuid[], $2::date[])
ON CONFLICT (customer_id, business_date) DO UPDATE SET business_date = EXCLUDED.business_date
"""
Pair = tuple[UUID, date]


def business_date(at: datetime, zone: ZoneInfo) -> date:
    """Say on which local date of the business an instant lies."""
    return at.astimezone(zone).date()


async def mark_days(session: AsyncSession, pairs: Iterable[Pair]) -> None:
    """Mark days whose facts are to be recomputed, in the transaction that changes their touchpoints."""
    ordered = sorted(set(pairs))  # always in one order, so that two writers cannot wait for each other in a circle
    if ordered:
        customers, days = zip(*ordered, strict=True)
        await (await driver(session)).execute(_MARK, customers, days)


def daily_facts(zone: ZoneInfo) -> JobKind:
    """Make the kind of job that recomputes marked days."""
    return JobKind(_NAME, "set", step=partial(_recompute, zone), due=_due, kept=timedelta(hours=1))


async def _due(session: AsyncSession) -> Sequence[Due]:
    marked = await session.scalar(select(exists(select(CustomerDayDirty.customer_id))))
    return [Due(singleton_key=_NAME)] if marked else []


async def _recompute(zone: ZoneInfo, session: AsyncSession, _job: Job) -> Step:
    """Recompute some marked days; done when fewer were marked than one step takes."""
    key = tuple_(CustomerDayDirty.customer_id, CustomerDayDirty.business_date)
    some = (
        select(CustomerDayDirty.customer_id, CustomerDayDirty.business_date)
        .order_by(CustomerDayDirty.customer_id, CustomerDayDirty.business_date)
        .limit(_DAYS_IN_A_STEP)
        .with_for_update(skip_locked=True)
    )
    took = (
        delete(CustomerDayDirty)
        .where(key.in_(some))
        .returning(CustomerDayDirty.customer_id, CustomerDayDirty.business_date)
    )
    pairs: list[Pair] = [(row.customer_id, row.business_date) for row in await session.execute(took)]
    if pairs:
        # A statement of its own: it sees all that was committed before the marks were taken.
        await _write_facts(session, pairs, zone)
    return Step(done=len(pairs) < _DAYS_IN_A_STEP, counts={"days": len(pairs)})


async def _write_facts(session: AsyncSession, pairs: Sequence[Pair], zone: ZoneInfo) -> None:
    days = [day for _, day in pairs]
    starts, ends = bounds_of(days, Moment(now(), zone))
    given = {"customers": [customer_id for customer_id, _ in pairs], "days": days, "starts": starts, "ends": ends}
    await session.execute(_DROP, given)
    await session.execute(_INSERT, given)


def bounds_of(days: Sequence[date], moment: Moment) -> tuple[list[datetime], list[datetime]]:
    """Answer the first instants of local dates, and those of the dates that follow them."""
    bounds = {day: (moment.start_of(day), moment.start_of(day + timedelta(days=1))) for day in set(days)}
    return [bounds[day][0] for day in days], [bounds[day][1] for day in days]


_ARRAYS = (
    bindparam("customers", type_=ARRAY(Uuid)),
    bindparam("days", type_=ARRAY(Date)),
    bindparam("starts", type_=ARRAY(DateTime(timezone=True))),
    bindparam("ends", type_=ARRAY(DateTime(timezone=True))),
)
_KINDS = (bindparam("order", ORDER, type_=Text), bindparam("refund", REFUND, type_=Text))
_DROP = text(
    """
    DELETE FROM customer_day d USING unnest(CAST(:customers AS uuid[]), CAST(:days AS date[])) AS p (customer_id, day)
    WHERE d.customer_id = p.customer_id AND d.business_date = p.day
    """
).bindparams(*_ARRAYS[:2])
_FACTS = """
    SELECT p.customer_id, p.day AS business_date, t.currency,
      count(*) FILTER (WHERE t.kind = :order) AS order_count,
      coalesce(sum(i.line_count) FILTER (WHERE t.kind = :order), 0) AS line_count,
      sum(CASE WHEN t.kind = :order THEN t.amount_minor ELSE -abs(t.amount_minor) END) AS net_minor,
      coalesce(sum(coalesce(i.list_minor, t.amount_minor)) FILTER (WHERE t.kind = :order), 0) AS list_minor,
      coalesce(sum(coalesce(i.list_minor - i.paid_minor, 0)) FILTER (WHERE t.kind = :order), 0) AS discount_minor
    FROM unnest(
      CAST(:customers AS uuid[]), CAST(:days AS date[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])
    ) AS p (customer_id, day, starts, ends)
    JOIN touchpoint t ON t.customer_id = p.customer_id AND t.occurred_at >= p.starts AND t.occurred_at < p.ends
      AND t.kind IN (:order, :refund) AND t.currency IS NOT NULL
    LEFT JOIN LATERAL (
      SELECT count(*) AS line_count, sum(o.list_minor) AS list_minor, sum(o.paid_minor) AS paid_minor
      FROM order_item o WHERE o.customer_id = t.customer_id AND o.touchpoint_id = t.id
    ) i ON true
    GROUP BY p.customer_id, p.day, t.currency
"""
FACTS_OF_DAYS: Final = text(_FACTS).bindparams(*_ARRAYS, *_KINDS)
"""Facts of some days as the timeline has them; binds `customers` and `days`, pair by pair, and their `bounds_of`."""
_INSERT = text(
    "INSERT INTO customer_day (customer_id, business_date, currency, order_count, line_count, net_minor, list_minor, "
    f"discount_minor) {_FACTS}"
).bindparams(*_ARRAYS, *_KINDS)
