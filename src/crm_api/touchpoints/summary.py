"""One customer's timeline in short: the last touches, and what was bought in all.

Totals are exact at the moment they are read: days whose facts wait for their recomputation are taken from the timeline
itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Uuid, bindparam, cast, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from ..audience import Moment
from ..core.read import Prepared, Reader
from .daily_facts import FACTS_OF_DAYS, bounds_of
from .models import CustomerDay, CustomerDayDirty, Touchpoint
from .rules import money_document

Document = dict[str, Any]
MOST_LOOKED_AT: Final = 1_000
"""Touchpoints that are looked through for the last ones; a timeline may hold any number."""
_CUSTOMER: Final = bindparam("customer_id", type_=Uuid())

_recent: Final = (
    select(
        Touchpoint.id,
        Touchpoint.kind,
        Touchpoint.channel,
        Touchpoint.direction,
        Touchpoint.subject,
        Touchpoint.occurred_at,
    )
    .where(Touchpoint.customer_id == _CUSTOMER)
    .order_by(Touchpoint.occurred_at.desc(), Touchpoint.id)
    .limit(MOST_LOOKED_AT)
    .subquery("recent")
)
LAST_TOUCHES: Final = (
    select(_recent, func.count().over().label("looked_at"))
    .ext(distinct_on(_recent.c.channel, _recent.c.kind))
    .order_by(_recent.c.channel, _recent.c.kind, _recent.c.occurred_at.desc(), _recent.c.id)
)
"""The last touchpoint of each channel and kind; binds `customer_id`."""

_is_pending: Final = exists().where(
    CustomerDayDirty.customer_id == CustomerDay.customer_id,
    CustomerDayDirty.business_date == CustomerDay.business_date,
)
_SUMS: Final = ("order_count", "line_count", "net_minor", "list_minor", "discount_minor")
_has_order: Final = CustomerDay.order_count > 0
TOTALS: Final[Select[*tuple[Any, ...]]] = (
    select(
        CustomerDay.currency,
        *(cast(func.sum(getattr(CustomerDay, name)), BigInteger).label(name) for name in _SUMS),
        func.min(CustomerDay.business_date).filter(_has_order).label("first_order_on"),
        func.max(CustomerDay.business_date).filter(_has_order).label("last_order_on"),
    )
    .where(CustomerDay.customer_id == _CUSTOMER, ~_is_pending)
    .group_by(CustomerDay.currency)
)
"""Sums of the days whose facts are right, by currency; binds `customer_id`."""
PENDING_DAYS: Final[Select[*tuple[Any, ...]]] = select(CustomerDayDirty.business_date).where(
    CustomerDayDirty.customer_id == _CUSTOMER
)
"""The days that are still to be recomputed; binds `customer_id`."""
_FACTS: Final = Prepared(FACTS_OF_DAYS)


def last_touches(rows: Sequence[Mapping[str, Any]]) -> Document:
    """Answer rows of LAST_TOUCHES as the object callers see."""
    newest = sorted(rows, key=lambda row: row["occurred_at"], reverse=True)
    touches = [{name: value for name, value in row.items() if name != "looked_at"} for row in newest]
    return {
        "by_channel": _first_of_each("channel", touches),
        "by_kind": _first_of_each("kind", touches),
        "is_complete": not rows or rows[0]["looked_at"] < MOST_LOOKED_AT,
    }


def _first_of_each(name: str, touches: Iterable[Document]) -> list[Document]:
    found: dict[Any, Document] = {}
    for touch in touches:
        if touch[name] is not None:
            found.setdefault(touch[name], touch)
    return list(found.values())


async def totals(
    reader: Reader,
    customer_id: str,
    rows: Iterable[Mapping[str, Any]],
    pending: Iterable[Mapping[str, Any]],
    moment: Moment,
) -> list[Document]:
    """Answer rows of TOTALS, completed by the days that PENDING_DAYS names, as callers see them."""
    found = {row["currency"]: dict(row) for row in rows}
    days = [row["business_date"] for row in pending]
    if days:
        starts, ends = bounds_of(days, moment)
        ids = [customer_id] * len(days)
        for fact in await reader.rows(_FACTS, customers=ids, days=days, starts=starts, ends=ends):
            _add(found, fact)
    return [_total(found[currency]) for currency in sorted(found)]


def _add(found: dict[str, Document], fact: Mapping[str, Any]) -> None:
    empty = {**dict.fromkeys(_SUMS, 0), "first_order_on": None, "last_order_on": None}
    total = found.setdefault(fact["currency"], {"currency": fact["currency"], **empty})
    for name in _SUMS:
        total[name] += int(fact[name])
    if fact["order_count"]:
        day: date = fact["business_date"]
        total["first_order_on"] = min(total["first_order_on"] or day, day)
        total["last_order_on"] = max(total["last_order_on"] or day, day)


def _total(row: Document) -> Document:
    return {name: row[name] for name in _PLAIN} | {
        name: money_document(row[f"{name}_minor"], row["currency"]) for name in _MONEYS
    }


_MONEYS: Final = ("net", "list", "discount")
_PLAIN: Final = ("currency", "order_count", "line_count", "first_order_on", "last_order_on")
