"""Tests of one column, as SQL: bare comparisons with bound values, so that indexes serve them."""

import operator as python
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Exists,
    Integer,
    Numeric,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.types import TypeEngine

from .catalog import Column, Field, FieldType, Test
from .moving import anniversary_bounds, anniversary_name, bound_name
from .operands import Pattern, currency_of, minor_of
from .values import Operator
from .windows import Bounds, Days, Moment, last, last_days, next_days, span_of, upcoming

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
_JSON_KINDS: Final[tuple[tuple[type, str, TypeEngine[Any]], ...]] = (
    (str, "string", Text()),
    (bool, "boolean", Boolean()),
    (Decimal, "number", Numeric()),
)
COMPARE: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    "eq": python.eq,
    "ne": python.ne,
    "gt": python.gt,
    "gte": python.ge,
    "lt": python.lt,
    "lte": python.le,
}


class Tests:
    """Makes tests at one moment. `zone`: the column with the customer's time zone, if there is one."""

    def __init__(self, moment: Moment, zone: Column | None) -> None:
        self._moment, self._zone = moment, zone

    def of_field(self, field: Field, operator: Operator, value: Any, leap: str) -> Test:
        """Answer the test of a field's column."""
        match field.type:
            case "set":
                return lambda column: _has(column, value)
            case "json":
                return lambda column: _compared_json(column, operator, value)
            case "money":
                return _money_test(field.currency, operator, value)
            case "date":
                return lambda column: self._of_date(column, operator, value, leap)
            case "datetime":
                return self.of_instant(operator, value, leap)
        return lambda column: compared(column, operator, value, _BOUND_AS[field.type])

    def of_instant(self, operator: Operator, value: Any, leap: str) -> Test:
        """Answer the test of a time: compared with times, with local dates of the business, or with today."""
        if operator == "within_last":
            return lambda column: _between_instants(column, last(value, self._moment), "last", value)
        if operator == "within_next":
            return lambda column: _between_instants(column, upcoming(value, self._moment), "next", value)
        if operator == "anniversary_within_next":
            zone = literal(str(self._moment.zone), Text())
            return lambda column: self._comes_round(cast(func.timezone(zone, column), Date), value, leap)
        span = span_of(operator, value, self._moment)
        if span is None:
            return lambda column: compared(column, operator, value, DateTime(timezone=True))
        return lambda column: _between_instants(column, span)

    def _of_date(self, column: Column, operator: Operator, value: Any, leap: str) -> ColumnElement[bool]:
        match operator:
            case "within_last":
                return _between_dates(column, last_days(value, self._moment.today), "last", value)
            case "within_next":
                return _between_dates(column, next_days(value, self._moment.today), "next", value)
            case "anniversary_within_next":
                return self._comes_round(column, value, leap)
        return compared(column, operator, value, Date())

    def _comes_round(self, column: Column, text: str, leap: str) -> ColumnElement[bool]:
        """Test whether month and day of a date come round, on the calendar of the customer's time zone.

        The dates that come round differ little between time zones, so they are looked at before the zone is.
        """
        bounds = anniversary_bounds(text, leap, self._moment)

        def bound(part: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
            name = anniversary_name(text, leap, part)
            return bindparam(name, bounds[name], kind)

        def due(group: int) -> ColumnElement[bool]:
            number = cast(func.date_part("month", column) * 100 + func.date_part("day", column), Integer)
            return or_(
                *(
                    and_(
                        number == any_(bound(f"{which}days_{group}", ARRAY(Integer))),
                        column < bound(f"{which}before_{group}", Date()),
                    )
                    for which in ("", "next_")
                )
            )

        if self._zone is None:
            return due(0)
        elsewhere = [self._zone == any_(bound(f"zones_{group}", ARRAY(Text))) for group in (1, 2)]
        here = not_(func.coalesce(or_(*elsewhere), literal(False, Boolean())))
        return or_(
            *(and_(due(group), where) for group, where in enumerate((here, *elsewhere))),
        )


def compared(column: Column, operator: Operator, value: Any, kind: TypeEngine[Any]) -> ColumnElement[bool]:
    """Compare a column with bound values of a type."""
    if operator == "in":
        return column == any_(literal(value, ARRAY(kind)))
    if operator == "between":
        return column.between(literal(value[0], kind), literal(value[1], kind))
    if isinstance(value, Pattern):
        return column.like(literal(value.like, kind))
    found: ColumnElement[bool] = COMPARE[operator](column, literal(value, kind))
    return found


def unless(met: ColumnElement[bool], wanted: bool) -> ColumnElement[bool]:
    """Answer a condition, or that it does not hold, be it that it is false or that a value is missing."""
    if wanted:
        return met
    # EXISTS is never NULL, and NOT EXISTS is what planners know; everything else may be NULL.
    return not_(met) if isinstance(met, Exists) else met.is_not(true())


def is_known(field: Field) -> Test:
    """Answer the test whether a field has a value; never NULL itself."""
    if field.type == "json":
        null = literal("null", Text())
        return lambda column: func.nullif(func.jsonb_typeof(column), null).is_not(None)
    return lambda column: column.is_not(None)


def _has(column: Column, element: str) -> ColumnElement[bool]:
    """Test a set: an array has the element, one row of many is the element."""
    if isinstance(column.type, ARRAY):
        return column.bool_op("@>")(literal([element], ARRAY(Text())))
    return column == literal(element, Text())


def _money_test(currency: Column | str | None, operator: Operator, value: Any) -> Test:
    minor = minor_of(value)
    if currency is None or isinstance(currency, str):
        return lambda column: compared(column, operator, minor, BigInteger())
    in_currency = currency == literal(currency_of(value), Text())
    return lambda column: and_(in_currency, compared(column, operator, minor, BigInteger()))


def _compared_json(element: Any, operator: Operator, value: Any) -> ColumnElement[bool]:
    """Compare an element of a jsonb object, if it is of the value's own kind."""
    example = value[0] if isinstance(value, list) else value
    if isinstance(example, Pattern):
        example = ""
    name, kind = next((name, kind) for python_type, name, kind in _JSON_KINDS if isinstance(example, python_type))
    text = element.astext
    typed = case((func.jsonb_typeof(element) == literal(name, Text()), text if name == "string" else cast(text, kind)))
    return compared(typed, operator, value, kind)


def _between_instants(
    column: Column, bounds: Bounds, which: Literal["last", "next"] = "last", text: str | None = None
) -> ColumnElement[bool]:
    """Test whether a time lies within bounds; those that follow the moment are bound by name."""
    conditions: list[ColumnElement[bool]] = []
    if bounds.start is not None:
        conditions.append(column >= instant(bounds.start, which, text, "start"))
    if bounds.end is not None:
        conditions.append(column < instant(bounds.end, which, text, "end"))
    return and_(true(), *conditions)


def instant(
    at: datetime, which: Literal["last", "next"], text: str | None, end: Literal["start", "end"]
) -> ColumnElement[datetime]:
    """Bind a bound; that of a window that moves has a name, so that the compiled statement is good at any moment."""
    kind = DateTime(timezone=True)
    return literal(at, kind) if text is None else bindparam(bound_name(which, text, end), at, kind)


def _between_dates(column: Column, days: Days | None, which: Literal["last", "next"], text: str) -> ColumnElement[bool]:
    assert days is not None  # noqa: S101  # check() lets no hours through

    def bound(end: Literal["first", "after"], day: date) -> ColumnElement[date]:
        return bindparam(bound_name(which, text, end), day, Date())

    return and_(column >= bound("first", days.first), column < bound("after", days.after))
