"""Daily facts equal what the timeline says, whatever came late, twice or in another order."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, text

from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.customers.models import Customer
from crm_api.jobs.models import Job
from crm_api.touchpoints.daily_facts import FACT_KINDS, business_date, daily_facts, mark_days
from crm_api.touchpoints.models import CustomerDay, CustomerDayDirty, OrderItem, Touchpoint

ZONE = ZoneInfo("America/New_York")
FACTS = daily_facts(ZONE)


async def recompute(database: Database) -> int:
    """Do what a worker does: step until done."""
    assert FACTS.step is not None
    days = 0
    while True:
        async with database.session() as session:
            step = await FACTS.step(session, Job())
        days += step.counts["days"]
        if step.done:
            return days


async def plant_customer(database: Database) -> UUID:
    customer_id, at = new_id(), datetime.now(UTC)
    async with database.session() as session:
        await session.execute(
            insert(Customer).values(
                customer_id=customer_id, kind="person", display_name="x", display_name_normalized="x", tags=[],
                tags_normalized=[], custom_fields={}, custom_normalized={}, version=1, created_at=at, updated_at=at,
            )
        )  # fmt: skip
    return customer_id


async def plant(database: Database, customer_id: UUID, **facts: Any) -> None:
    """Record a touchpoint as the timeline does: with its items, and its day marked."""
    at: datetime = facts["occurred_at"]
    items = facts.pop("items", [])
    row = {
        "id": new_id(),
        "recorded_at": datetime.now(UTC),
        "recorded_by": "tests",
        "properties": {},
        "content_hash": b"x",
    }
    async with database.session() as session:
        await session.execute(insert(Touchpoint).values({**row, "customer_id": customer_id, **facts}))
        for number, (paid, listed) in enumerate(items, 1):
            await session.execute(
                insert(OrderItem).values(
                    customer_id=customer_id, touchpoint_id=row["id"], line_number=number, sku="s", quantity=1,
                    paid_minor=paid, list_minor=listed,
                )
            )  # fmt: skip
        if facts["kind"] in FACT_KINDS:
            await mark_days(session, [(customer_id, business_date(at, ZONE))])


async def facts_of(database: Database) -> dict[tuple[UUID, date, str], tuple[int, ...]]:
    async with database.session() as session:
        rows = (await session.scalars(select(CustomerDay))).all()
    return {
        (row.customer_id, row.business_date, row.currency): (
            row.order_count, row.line_count, row.net_minor, row.list_minor, row.discount_minor,
        )
        for row in rows
    }  # fmt: skip


@dataclass
class Ledger:
    """What the facts should be, added up in Python."""

    days: dict[tuple[UUID, date, str], list[int]]

    def add(
        self, customer_id: UUID, kind: str, at: datetime, amount: int, currency: str, items: list[tuple[int, int]]
    ) -> None:
        if kind not in FACT_KINDS:
            return
        day = self.days[customer_id, at.astimezone(ZONE).date(), currency]
        if kind == "order.refunded":
            day[2] -= abs(amount)
            return
        listed = sum(price for _, price in items) if items else amount
        paid = sum(price for price, _ in items) if items else amount
        for place, value in enumerate((1, len(items), amount, listed, listed - paid)):
            day[place] += value


@pytest.mark.parametrize("seed", range(3))
async def test_random_workloads_have_no_drift(clean: None, database: Database, seed: int) -> None:
    random = Random(seed)
    customers = [await plant_customer(database) for _ in range(4)]
    ledger = Ledger(defaultdict(lambda: [0, 0, 0, 0, 0]))
    start = datetime(2025, 3, 8, 12, tzinfo=UTC)  # the clocks of New York change in this week
    for _ in range(60):
        at = start + timedelta(minutes=random.randrange(5 * 24 * 60))
        kind = random.choice(["order.placed", "order.placed", "order.refunded", "page.viewed"])
        items = [(random.randrange(500), random.randrange(500, 900)) for _ in range(random.randrange(4))]
        customer_id, amount, currency = (
            random.choice(customers),
            random.randrange(1, 2000),
            random.choice(["USD", "EUR"]),
        )
        await plant(
            database, customer_id, kind=kind, occurred_at=at, amount_minor=amount, currency=currency,
            items=items if kind == "order.placed" else [],
        )  # fmt: skip
        ledger.add(customer_id, kind, at, amount, currency, items)
        if random.random() < 0.2:
            await recompute(database)  # what comes after this is late
    await recompute(database)
    assert await facts_of(database) == {key: tuple(day) for key, day in ledger.days.items()}
    async with database.session() as session:
        assert (await session.scalars(select(CustomerDayDirty))).all() == []


async def test_the_day_is_the_business_s(clean: None, database: Database) -> None:
    customer_id = await plant_customer(database)
    for hour in (3, 5):  # 22:00 and midnight in New York
        at = datetime(2026, 1, 2, hour, tzinfo=UTC)
        await plant(database, customer_id, kind="order.placed", occurred_at=at, amount_minor=100, currency="USD")
    await recompute(database)
    assert {day for _, day, _ in await facts_of(database)} == {date(2026, 1, 1), date(2026, 1, 2)}


async def test_a_mark_in_a_running_transaction_is_not_taken(clean: None, database: Database) -> None:
    """The writer renews a mark that is there already; the job must not take it before the writer commits."""
    customer_id = await plant_customer(database)
    at = datetime(2026, 1, 2, 15, tzinfo=UTC)
    await plant(database, customer_id, kind="order.placed", occurred_at=at, amount_minor=100, currency="USD")
    async with database.session() as writer:
        row = {"id": new_id(), "recorded_at": at, "recorded_by": "tests", "properties": {}, "content_hash": b"x"}
        order = {"kind": "order.placed", "occurred_at": at, "amount_minor": 50, "currency": "USD"}
        await writer.execute(insert(Touchpoint).values({**row, "customer_id": customer_id, **order}))
        await mark_days(writer, [(customer_id, date(2026, 1, 2))])
        assert await asyncio.wait_for(recompute(database), 5) == 0
    assert await recompute(database) == 1
    assert [day[2] for day in (await facts_of(database)).values()] == [150]


async def test_a_corrected_timeline_leaves_no_old_facts(clean: None, database: Database) -> None:
    customer_id = await plant_customer(database)
    at = datetime(2026, 1, 2, 15, tzinfo=UTC)
    await plant(database, customer_id, kind="order.placed", occurred_at=at, amount_minor=100, currency="USD")
    await recompute(database)
    async with database.session() as session:
        await session.execute(text("DELETE FROM touchpoint"))
        await mark_days(session, [(customer_id, date(2026, 1, 2))])
    await recompute(database)
    assert await facts_of(database) == {}


async def test_no_marks_no_job(clean: None, database: Database) -> None:
    assert FACTS.due is not None
    async with database.session() as session:
        assert list(await FACTS.due(session)) == []
        await mark_days(session, [(await plant_customer(database), date(2026, 1, 2))])
        assert [due.singleton_key for due in await FACTS.due(session)] == ["daily-facts"]
