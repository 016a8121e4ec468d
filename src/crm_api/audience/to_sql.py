"""Compiles an audience to the condition an expert would write: bound values, bare leaves, EXISTS where it will do."""

import operator as python
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import MISSING
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Exists,
    FromClause,
    Numeric,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

from ..core.money import Money
from .catalog import Catalog, Column, Countable, Field, FieldType, Test
from .check import Summed, checked
from .operands import operand
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import AllOf, AnyOf, Audience, FieldTest, InNamedSegment, InSegment, Not
from .values import Operator
from .windows import Bounds, Moment, between, bound_name, last

# Types that compare with an index on the column whatever its width is: bigint with int, text with varchar.
_BOUND_AS: Final[Mapping[FieldType, TypeEngine[Any]]] = {
    "text": Text(),
    "choice": Text(),
    "integer": BigInteger(),
    "number": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
    "datetime": DateTime(timezone=True),
    "money": BigInteger(),
    "set": Text(),
}
_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    "eq": python.eq,
    "ne": python.ne,
    "gt": python.gt,
    "gte": python.ge,
    "lt": python.lt,
    "lte": python.le,
}


def condition(tree: Audience, catalog: Catalog, moment: Moment) -> ColumnElement[bool]:
    """Answer the condition on a customer, for a statement that has the customer table in its FROM.

    A customer for whom a value is missing is no match. The answer may be NULL instead of false; do not negate it, ask
    for `{"not": tree}`. Bounds of windows that move are bound by name (`windows.moving_bounds`): conditions in one
    statement are of one moment. Errors: AudienceRefused when the tree does not fit the catalog.
    """
    return _Compiler(catalog, moment).node(checked(tree, catalog), wanted=True)


class _Compiler:
    """Compiles nodes at one moment.

    A negation is carried down to the leaves (`wanted` is false there), so that each becomes the plainest form of its
    opposite: a count's EXISTS a NOT EXISTS, which the planner turns into an anti-join, a comparison `(…) IS NOT
    TRUE`.
    """

    def __init__(self, catalog: Catalog, moment: Moment) -> None:
        self._catalog, self._moment = catalog, moment

    def node(self, node: Audience, wanted: bool) -> ColumnElement[bool]:
        match node:
            case AllOf(all=branches):
                return (and_ if wanted else or_)(*(self.node(branch, wanted) for branch in branches))
            case AnyOf(any=branches):
                return (or_ if wanted else and_)(*(self.node(branch, wanted) for branch in branches))
            case Not(not_=inner):
                return self.node(inner, not wanted)
            case FieldTest():
                return self._field_test(node, wanted)
            case InSegment(segment=segment):
                field = self._catalog.segment
                assert field is not None  # noqa: S101  # check() saw to it
                return _unless(field.matches(lambda column: column == literal(segment, Uuid()), self._moment), wanted)
            case InNamedSegment():
                raise AssertionError("check() lets no name of a segment through")
            case TouchpointCount():
                return self._count(node, wanted)
            case TouchpointSum():
                return self._sum(node, wanted)

    def _field_test(self, node: FieldTest, wanted: bool) -> ColumnElement[bool]:
        field = self._catalog.get(node.field)
        assert field is not None  # noqa: S101  # check() saw to it
        name, raw = node.comparison
        value = operand(field, name, raw)
        if name == "known":
            known = field.matches(lambda column: column.is_not(None), self._moment)
            return known if value is wanted else not_(known)
        return _unless(field.matches(_test(field, name, value), self._moment), wanted)

    def _count(self, node: TouchpointCount, wanted: bool) -> ColumnElement[bool]:
        countable = self._countable
        chosen = self._chosen(countable, node, node.count)
        name, number = node.comparison
        if (some := _asks_for_some(name, number)) is not None:
            found = exists().where(*chosen).correlate(_table(countable.outer_customer_id))
            return found if some is wanted else not_(found)
        counted = select(func.count()).select_from(_table(countable.customer_id)).where(*chosen)
        total = counted.correlate(_table(countable.outer_customer_id)).scalar_subquery()
        return _unless(_compared(total, name, number, BigInteger()), wanted)

    def _sum(self, node: TouchpointSum, wanted: bool) -> ColumnElement[bool]:
        countable = self._countable
        amount = countable.amount(node.sum)
        assert amount is not None  # noqa: S101  # check() saw to it
        name, raw = node.comparison
        value = operand(Summed(amount), name, raw)
        minor = _minor(value)
        in_currency = amount.currency == literal(_currency(value), Text())
        summed = select(func.sum(amount.column)).where(*self._chosen(countable, node, node.of), in_currency)
        total: ColumnElement[Any] = summed.correlate(_table(countable.outer_customer_id)).scalar_subquery()
        if _holds(name, 0, minor):
            total = func.coalesce(total, literal(0, BigInteger()))
        return _unless(_compared(total, name, minor, BigInteger()), wanted)

    @property
    def _countable(self) -> Countable:
        assert self._catalog.countable is not None  # noqa: S101  # check() saw to it
        return self._catalog.countable

    def _chosen(
        self, countable: Countable, node: TouchpointCount | TouchpointSum, touchpoints: Touchpoints
    ) -> list[ColumnElement[bool]]:
        """Answer the conditions on the touchpoints, in the order of the index on customer and time."""
        window = _window(node, self._moment)
        chosen = [countable.customer_id == countable.outer_customer_id]
        if window.start is not None:
            chosen.append(countable.occurred_at >= _bound(node, "start", window.start))
        if window.end is not None:
            chosen.append(countable.occurred_at < _bound(node, "end", window.end))
        chosen.append(countable.kind == literal(touchpoints.touchpoint, Text()))
        if touchpoints.where is not MISSING:
            chosen.append(_Compiler(countable.catalog, self._moment).node(touchpoints.where, wanted=True))
        return chosen


def _unless(met: ColumnElement[bool], wanted: bool) -> ColumnElement[bool]:
    if wanted:
        return met
    # EXISTS is never NULL, and NOT EXISTS is what planners know; everything else may be NULL.
    return not_(met) if isinstance(met, Exists) else met.is_not(true())


def _test(field: Field, name: Operator, value: Any) -> Test:
    """Answer the test of one column."""
    kind = _BOUND_AS[field.type]
    if field.type == "set":
        return lambda column: _has(column, value)
    if field.type != "money":
        return lambda column: _compared(column, name, value, kind)
    if isinstance(field.currency, str):
        return lambda column: _compared(column, name, _minor(value), kind)
    beside: Column = field.currency  # type: ignore[assignment]  # money has one or the other
    in_currency = beside == literal(_currency(value), Text())
    return lambda column: and_(in_currency, _compared(column, name, _minor(value), kind))


def _compared(column: Column, name: Operator, value: Any, kind: TypeEngine[Any]) -> ColumnElement[bool]:
    if name == "in":
        return column == any_(literal(value, ARRAY(kind)))
    if name == "between":
        return column.between(literal(value[0], kind), literal(value[1], kind))
    if name == "like":
        return column.like(literal(value.like, kind))
    compared: ColumnElement[bool] = _COMPARE[name](column, literal(value, kind))
    return compared


def _has(column: Column, element: str) -> ColumnElement[bool]:
    """Test a set: an array has the element, one row of many is the element."""
    if isinstance(column.type, ARRAY):
        return column.bool_op("@>")(literal([element], ARRAY(Text())))
    return column == literal(element, Text())


def _asks_for_some(name: Operator, number: Any) -> bool | None:
    """Say whether a comparison of a count means "at least one" (True), "none" (False), or more than that (None)."""
    if (name, number) in (("gte", 1), ("gt", 0), ("ne", 0)):
        return True
    if (name, number) in (("eq", 0), ("lt", 1), ("lte", 0)):
        return False
    return None


def _holds(name: Operator, number: int, value: Any) -> bool:
    """Compare in Python."""
    return bool(value[0] <= number <= value[1] if name == "between" else _COMPARE[name](number, value))


def _minor(value: Money | list[Money]) -> Any:
    return [each.minor for each in value] if isinstance(value, list) else value.minor


def _currency(value: Money | list[Money]) -> str:
    return value[0].currency if isinstance(value, list) else value.currency


def _bound(
    node: TouchpointCount | TouchpointSum, end: Literal["start", "end"], instant: datetime
) -> ColumnElement[datetime]:
    """Bind a bound; that of a window that moves has a name, so that the compiled statement is good at any moment."""
    kind = DateTime(timezone=True)
    return literal(instant, kind) if node.last is MISSING else bindparam(bound_name(node.last, end), instant, kind)


def _window(node: TouchpointCount | TouchpointSum, moment: Moment) -> Bounds:
    if node.last is not MISSING:
        return last(node.last, moment)
    return between(None if node.from_ is MISSING else node.from_, None if node.until is MISSING else node.until, moment)


def _table(column: Column) -> FromClause:
    table: FromClause = column.expression.table
    return table
