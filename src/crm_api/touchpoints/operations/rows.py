"""Facts as rows of their tables, in the order of the columns."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.dialects import postgresql

from ..daily_facts import FACT_KINDS, business_date
from ..models import OrderItem, Touchpoint
from ..problems import TouchpointConflict
from ..rules import Fact

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped
COLUMNS: Final = [column.name for column in Touchpoint.__table__.columns]
COLUMN_TYPES: Final = {column.name: column.type.compile(dialect=_DIALECT) for column in Touchpoint.__table__.columns}
ITEM_COLUMNS: Final = [column.name for column in OrderItem.__table__.columns]
_OF_RECORDING: Final = ("recorded_at", "recorded_by")
STAGED_COLUMNS: Final = [name for name in COLUMNS if name not in _OF_RECORDING]
"""Columns that differ from row to row of a chunk."""


def row_of(fact: Fact, customer_id: UUID, at: datetime, client_id: str) -> tuple[Any, ...]:
    """Answer the row of a touchpoint, in the order of COLUMNS."""
    staged = staged_row_of(fact, customer_id)
    return (*staged[:7], at, *staged[7:9], client_id, *staged[9:])


def staged_row_of(fact: Fact, customer_id: UUID) -> tuple[Any, ...]:
    """Answer the row of a touchpoint but for its recording, in the order of STAGED_COLUMNS."""
    wish = fact.wish
    return (
        customer_id,
        fact.id,
        wish.kind,
        wish.channel,
        wish.direction,
        wish.department,
        fact.occurred_at,
        wish.source,
        wish.source_id,
        fact.amount_minor,
        fact.currency,
        fact.cost_minor,
        fact.cost_currency,
        wish.campaign,
        wish.subject,
        fact.properties,
        fact.content_hash,
    )


def item_rows(facts: Iterable[tuple[UUID, Fact]]) -> Iterator[tuple[Any, ...]]:
    """Answer the rows of the lines of orders, given with their customers."""
    for customer_id, fact in facts:
        for item in fact.items:
            yield (customer_id, fact.id, *item)


def touched_days(facts: Iterable[tuple[UUID, Fact]], zone: ZoneInfo) -> set[tuple[UUID, date]]:
    """Answer the days whose daily facts change with these touchpoints."""
    return {
        (customer_id, business_date(fact.occurred_at, zone))
        for customer_id, fact in facts
        if fact.amount_minor is not None and fact.wish.kind in FACT_KINDS
    }


def conflict(fact: Fact, customer_id: UUID, recorded_at: datetime, recorded_by: str) -> TouchpointConflict:
    """Say that a source id stands for something else already, naming both."""
    wish = fact.wish
    return TouchpointConflict(
        f"{wish.source} told something else as {wish.source_id} before",
        stored={
            "id": str(fact.id),
            "customer_id": str(customer_id),
            "recorded_at": recorded_at,
            "recorded_by": recorded_by,
            "href": f"/v1/customers/{customer_id}/timeline/{fact.id}",
        },
        sent={"source": wish.source, "source_id": wish.source_id, "kind": wish.kind, "occurred_at": fact.occurred_at},
    )
