"""Tests of one value in memory, that mean what those of one column do in SQL (sql_tests.py)."""

import operator as python
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from ..core.money import Money
from .anniversaries import due_days
from .catalog import Field
from .facts import Values
from .operands import Pattern, currency_of, minor_of
from .values import Operator

Test = Callable[[Any, Any], bool]
"""A test of one value that is not missing, beside the facts that it is one of."""

COMPARE: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    "eq": python.eq,
    "ne": python.ne,
    "gt": python.gt,
    "gte": python.ge,
    "lt": python.lt,
    "lte": python.le,
}


def test_of(asked: Field, operator: Operator, value: Any, leap: str) -> Test:
    """Answer the test of a field's value."""
    match asked.type:
        case "set":
            return lambda found, _: value in found if isinstance(found, list) else bool(found == value)
        case "json":
            return _json_test(operator, value)
        case "money":
            currency, met = currency_of(value), compared(operator, minor_of(value))
            return lambda found, facts: found[1] == currency and met(found[0], facts)
        case "date":
            return _date_test(operator, value, leap)
        case "datetime":
            return instant_test(operator, value, leap)
    return compared(operator, value)


def compared(operator: Operator, value: Any) -> Test:
    """Answer a comparison with a value of the same type."""
    if operator == "in":
        among = frozenset(value)
        return lambda found, _: found in among
    if operator == "between":
        low, high = value
        return lambda found, _: bool(low <= found <= high)
    if isinstance(value, Pattern):
        return _like(value)
    compare = COMPARE[operator]
    return lambda found, _: compare(found, value)


def _like(pattern: Pattern) -> Test:
    if len(pattern.parts) != 2:
        return lambda found, _: pattern.fits(found)
    first, last = pattern.parts
    least = len(first) + len(last)
    return lambda found, _: len(found) >= least and found.startswith(first) and found.endswith(last)


def _json_test(operator: Operator, value: Any) -> Test:
    example = value[0] if isinstance(value, list) else value
    kind = str if isinstance(example, Pattern) else type(example)
    met = compared(operator, value)
    return lambda found, facts: isinstance(found, kind) and met(found, facts)


def _date_test(operator: Operator, value: Any, leap: str) -> Test:
    match operator:
        case "within_last":
            return lambda found, facts: _is_among(found, facts.last_days(value))
        case "within_next":
            return lambda found, facts: _is_among(found, facts.next_days(value))
        case "anniversary_within_next":
            return lambda found, facts: due_days(value, leap, facts.today).has(found)
    return compared(operator, value)


def instant_test(operator: Operator, value: Any, leap: str) -> Test:
    """Answer the test of a time: compared with times, with local dates of the business, or with today."""
    match operator:
        case "within_last":
            return lambda found, facts: _is_within(found, facts.last(value))
        case "within_next":
            return lambda found, facts: _is_within(found, facts.upcoming(value))
        case "anniversary_within_next":
            return lambda found, facts: due_days(value, leap, facts.today).has(
                found.astimezone(facts.moment.zone).date()
            )
    if isinstance(value[0] if isinstance(value, list) else value, datetime):
        return compared(operator, value)
    return lambda found, facts: _is_within(found, facts.span(operator, value))


def _is_among(day: date, days: Any) -> bool:
    return bool(days.first <= day < days.after)


def _is_within(instant: datetime, bounds: Any) -> bool:
    return (bounds.start is None or bounds.start <= instant) and (bounds.end is None or instant < bounds.end)


def shown(asked: Field) -> Callable[[Values], Any]:
    """Answer what writes the values of a field as JSON: one as it is, several as a list, none as null."""

    def show(found: Values) -> Any:
        there = [written(each, money=asked.type == "money") for each in found if each is not None]
        if asked.type == "set":
            return there[0] if there and isinstance(there[0], list) else there
        return there if len(there) > 1 else there[0] if there else None

    return show


def written(value: Any, *, money: bool = False) -> Any:
    """Write a value as JSON."""
    if money:
        return Money.from_minor(*value).model_dump()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
