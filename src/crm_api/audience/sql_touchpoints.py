"""Nodes over touchpoints, as SQL: EXISTS where it will do, else one aggregate along the index of the timeline."""

from collections.abc import Callable
from typing import Any

from pydantic import MISSING
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Text,
    and_,
    exists,
    func,
    literal,
    not_,
    select,
)

from .catalog import Amount, Catalog, Column, Countable, Items
from .check import Compared, When
from .operands import currency_of, minor_of, operand
from .sql_tests import COMPARE, Tests, compared, instant, unless
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointCount,
    Touchpoints,
    TouchpointShare,
    TouchpointSum,
)
from .tree import Audience
from .values import Operator
from .windows import Bounds, Moment, between, last

Inside = Callable[[Audience, Catalog], ColumnElement[bool]]
"""Compiles a tree that stands inside another: what touchpoints or their lines must be."""


class Timeline:
    """Compiles nodes over the touchpoints of the customer outside."""

    def __init__(self, countable: Countable, moment: Moment, tests: Tests, inside: Inside) -> None:
        self._countable, self._moment, self._tests, self._inside = countable, moment, tests, inside

    def never(self, node: NeverTouched, wanted: bool) -> ColumnElement[bool]:
        """Compile a node that says there is none."""
        return self._exists(node, found=not wanted)

    def count(self, node: TouchpointCount, wanted: bool) -> ColumnElement[bool]:
        """Compile a count."""
        operator, number = node.comparison
        if (some := _asks_for_some(operator, number)) is not None:
            return self._exists(node, found=some is wanted)
        counted = select(func.count()).select_from(table_of(self._countable.customer_id)).where(*self._chosen(node))
        return unless(compared(self._of_customer(counted), operator, number, BigInteger()), wanted)

    def sum(self, node: TouchpointSum) -> ColumnElement[bool]:
        """Compile a sum; the sum of nothing is 0."""
        amount, operator, value, in_currency = self._asked(node, node.sum)
        summed = self._over(node, amount, func.sum(amount.column)).where(*in_currency)
        total: ColumnElement[Any] = self._of_customer(summed)
        kind = Numeric() if amount.currency is None else BigInteger()
        if _holds(operator, 0, value):
            total = func.coalesce(total, literal(0, kind))
        return compared(total, operator, value, kind)

    def average(self, node: TouchpointAverage) -> ColumnElement[bool]:
        """Compile an average: the sum is compared with so many times the value, which is exact."""
        amount, operator, value, in_currency = self._asked(node, node.average)
        met = _times(func.sum(amount.column), operator, value, func.count(amount.column))
        return self._of_customer(self._over(node, amount, met).where(*in_currency))

    def share(self, node: TouchpointShare) -> ColumnElement[bool]:
        """Compile a share: the sum of some lines is compared with so many times the sum of all, which is exact."""
        amount, operator, value, _ = self._asked(node, node.share, share=True)
        items = self._items
        assert node.of.items is not MISSING  # noqa: S101  # check() saw to it
        some = func.sum(amount.column).filter(self._inside(node.of.items, items.catalog))
        everything = func.sum(amount.column)
        conditions = [everything > literal(0, BigInteger())]
        if amount.currency is not None:
            conditions.append(func.min(amount.currency) == func.max(amount.currency))
        met = _times(func.coalesce(some, literal(0, BigInteger())), operator, value, everything)
        return self._of_customer(self._lines(node, and_(*conditions, met)))

    def edge(self, node: FirstTouchpoint | LatestTouchpoint) -> ColumnElement[bool]:
        """Compile when the first or the latest was; EXISTS where any before, or after, will do."""
        operator, raw = node.comparison
        value = operand(When(node.touchpoints.touchpoint), operator, raw)
        at = self._countable.occurred_at
        if operator in ("gt", "gte", "lt", "lte") and isinstance(node, FirstTouchpoint) is operator.startswith("l"):
            test = self._tests.of_instant(operator, value, "")
            return exists().where(*self._chosen(node), test(at)).correlate(self._customer)
        extreme = func.min(at) if isinstance(node, FirstTouchpoint) else func.max(at)
        leap = "02-28" if node.leap is MISSING else node.leap
        met = self._tests.of_instant(operator, value, leap)(extreme)
        return self._of_customer(select(met).where(*self._chosen(node)))

    def _asked(
        self, node: TouchpointSum | TouchpointAverage | TouchpointShare, name: str, *, share: bool = False
    ) -> tuple[Amount, Operator, Any, list[ColumnElement[bool]]]:
        """Answer an amount, what it is compared with, and the condition on its currency."""
        amount = self._countable.amount(name)
        assert amount is not None  # noqa: S101  # check() saw to it
        operator, raw = node.comparison
        value = operand(Compared(amount, is_share=share), operator, raw)
        if share or amount.currency is None:
            return amount, operator, value, []
        return amount, operator, minor_of(value), [amount.currency == literal(currency_of(value), Text())]

    def _exists(self, node: OverTouchpoints, *, found: bool) -> ColumnElement[bool]:
        some = exists().where(*self._chosen(node)).correlate(self._customer)
        return some if found else not_(some)

    def _over(self, node: OverTouchpoints, amount: Amount, aggregate: ColumnElement[Any]) -> Select[Any]:
        """Aggregate over touchpoints, or over those of their lines that are meant."""
        if not amount.of_items:
            return select(aggregate).where(*self._chosen(node))
        chosen = node.touchpoints
        inside = () if chosen.items is MISSING else (self._inside(chosen.items, self._items.catalog),)
        return self._lines(node, aggregate).where(*inside)

    def _lines(self, node: OverTouchpoints, aggregate: ColumnElement[Any]) -> Select[Any]:
        """Aggregate over all lines of the touchpoints that are meant."""
        countable, items = self._countable, self._items
        belong = (items.customer_id == countable.customer_id) & (items.touchpoint_id == countable.id)
        joined = table_of(countable.customer_id).join(table_of(items.customer_id), belong)
        return select(aggregate).select_from(joined).where(*self._chosen(node, by_items=False))

    def _chosen(self, node: OverTouchpoints, *, by_items: bool = True) -> list[ColumnElement[bool]]:
        """Answer the conditions on the touchpoints, in the order of the index on customer and time."""
        countable, touchpoints = self._countable, node.touchpoints
        window = window_of(node, self._moment)
        text = None if node.last is MISSING else node.last
        chosen = [countable.customer_id == countable.outer_customer_id]
        if window.start is not None:
            chosen.append(countable.occurred_at >= instant(window.start, "last", text, "start"))
        if window.end is not None:
            chosen.append(countable.occurred_at < instant(window.end, "last", text, "end"))
        chosen.append(countable.kind == literal(touchpoints.touchpoint, Text()))
        if touchpoints.where is not MISSING:
            chosen.append(self._inside(touchpoints.where, countable.catalog))
        if by_items and touchpoints.items is not MISSING:
            chosen.append(self._has_line(touchpoints))
        return chosen

    def _has_line(self, touchpoints: Touchpoints) -> ColumnElement[bool]:
        countable, items = self._countable, self._items
        assert touchpoints.items is not MISSING  # noqa: S101
        met = self._inside(touchpoints.items, items.catalog)
        belong = (items.customer_id == countable.customer_id, items.touchpoint_id == countable.id)
        return exists().where(*belong, met).correlate(table_of(countable.customer_id))

    def _of_customer(self, aggregated: Select[Any]) -> ColumnElement[Any]:
        return aggregated.correlate(self._customer).scalar_subquery()

    @property
    def _customer(self) -> FromClause:
        return table_of(self._countable.outer_customer_id)

    @property
    def _items(self) -> Items:
        assert self._countable.items is not None  # noqa: S101  # check() saw to it
        return self._countable.items


def window_of(node: OverTouchpoints, moment: Moment) -> Bounds:
    """Answer the bounds of a node's window."""
    if node.last is not MISSING:
        return last(node.last, moment)
    return between(None if node.from_ is MISSING else node.from_, None if node.until is MISSING else node.until, moment)


def table_of(column: Column) -> FromClause:
    """Answer the table of a column."""
    table: FromClause = column.expression.table
    return table


def _times(
    total: ColumnElement[Any], operator: Operator, value: Any, number: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Compare a total with so many times a value."""
    if operator == "between":
        low, high = (literal(each, Numeric()) * number for each in value)
        return total.between(low, high)
    found: ColumnElement[bool] = COMPARE[operator](total, literal(value, Numeric()) * number)
    return found


def _asks_for_some(operator: Operator, number: Any) -> bool | None:
    """Say whether a comparison of a count means "at least one" (True), "none" (False), or more than that (None)."""
    if (operator, number) in (("gte", 1), ("gt", 0), ("ne", 0)):
        return True
    if (operator, number) in (("eq", 0), ("lt", 1), ("lte", 0)):
        return False
    return None


def _holds(operator: Operator, number: int, value: Any) -> bool:
    """Compare in Python."""
    return bool(value[0] <= number <= value[1] if operator == "between" else COMPARE[operator](number, value))
