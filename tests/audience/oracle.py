"""What an audience means, said a second time and as plainly as can be: one person, Python values, no SQL."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from crm_api.audience import Moment
from crm_api.core.money import minor_units
from crm_api.core.text import normalized

from .trees import Json
from .world import Person, Touched

_OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "like", "has", "known")


def holds(node: Json, person: Person, moment: Moment) -> bool:
    """Say whether a person belongs to an audience."""
    if "all" in node:
        return all(holds(branch, person, moment) for branch in node["all"])
    if "any" in node:
        return any(holds(branch, person, moment) for branch in node["any"])
    if "not" in node:
        return not holds(node["not"], person, moment)
    if "segment" in node:
        return node["segment"] in map(str, person.segments)
    operator = next(name for name in _OPERATORS if name in node)
    if "count" in node:
        return _compare(len(_chosen(node, node["count"], person, moment)), operator, node[operator])
    if "sum" in node:
        return _sum_holds(node, operator, person, moment)
    return _field_holds(node["field"], operator, node[operator], person)


def _sum_holds(node: Json, operator: str, person: Person, moment: Moment) -> bool:
    operand = node[operator]
    currency = (operand[0] if operator == "between" else operand)["currency"]
    chosen = _chosen(node, node["of"], person, moment)
    total = sum(each.amount or 0 for each in chosen if each.currency == currency)
    return _compare(total, operator, _minor(operand))


def _minor(operand: Any) -> Any:
    if isinstance(operand, list):
        return [_minor(each) for each in operand]
    return minor_units(operand["amount"], operand["currency"])


def _chosen(node: Json, wanted: Json, person: Person, moment: Moment) -> list[Touched]:
    return [
        each
        for each in person.touchpoints
        if each.kind == wanted["touchpoint"]
        and _in_window(each.occurred_at, node, moment)
        and ("where" not in wanted or _where_holds(wanted["where"], each))
    ]


def _where_holds(node: Json, touched: Touched) -> bool:
    if "all" in node:
        return all(_where_holds(branch, touched) for branch in node["all"])
    if "any" in node:
        return any(_where_holds(branch, touched) for branch in node["any"])
    if "not" in node:
        return not _where_holds(node["not"], touched)
    operator = next(name for name in _OPERATORS if name in node)
    if node["field"] == "channel":
        return _test(touched.channel, operator, node[operator], str)
    return _test(touched.subject, operator, node[operator], normalized)


def _in_window(instant: datetime, node: Json, moment: Moment) -> bool:
    """Decide by the local date of the touchpoint, or by its age: never by bounds, as the compiler does."""
    day = instant.astimezone(moment.zone).date()
    first, until = node.get("from"), node.get("until")
    if "last" not in node:
        return (first is None or day >= date.fromisoformat(first)) and (
            until is None or day < date.fromisoformat(until)
        )
    number, unit = int(re.findall(r"\d+", node["last"])[0]), node["last"][-1]
    if "T" in node["last"]:
        age = moment.now - instant
        return timedelta(0) <= age < timedelta(hours=number if unit == "H" else 0, minutes=number if unit == "M" else 0)
    if unit == "M":
        return _months_before(moment.today + timedelta(days=1), number) <= day <= moment.today
    return timedelta(0) <= moment.today - day < timedelta(days=number * {"D": 1, "W": 7}[unit])


def _months_before(day: date, number: int) -> date:
    """Step back month by month to the first of the month, then as far forward as the month has days."""
    first = day.replace(day=1)
    for _ in range(number):
        first = (first - timedelta(days=1)).replace(day=1)
    for later in range(day.day - 1, -1, -1):
        if (first + timedelta(days=later)).month == first.month:
            return first + timedelta(days=later)
    return first


def _field_holds(name: str, operator: str, operand: Any, person: Person) -> bool:
    if name == "tags":
        return normalized(operand) in (person.tags or [])
    if name == "labels":
        return normalized(operand) in person.labels
    if name.startswith("score."):
        values = [recency if name == "score.recency" else spent for recency, spent in person.scores]
        if operator == "known":
            return any(value is not None for value in values) is operand
        return any(_test(value, operator, _minor(operand) if name == "score.spent" else operand) for value in values)
    if name == "balance" and operator != "known":
        currency = (operand[0] if operator == "between" else operand)["currency"]
        return person.balance_currency == currency and _test(person.balance, operator, _minor(operand))
    read = {"name": normalized, "born_on": date.fromisoformat, "seen_at": _instant, "weight": _exact}.get(name)
    return _test(getattr(person, name), operator, operand, read)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _test(value: Any, operator: str, operand: Any, read: Any = None) -> bool:
    """Test one value, which may be missing."""
    if operator == "known":
        return (value is not None) is operand
    if value is None:
        return False
    if operator == "like":
        parts = (normalized(part) if read is normalized else part for part in operand.split("*"))
        return re.fullmatch(".*".join(re.escape(part) for part in parts), value, re.DOTALL) is not None
    if read is not None:
        operand = [read(each) for each in operand] if isinstance(operand, list) else read(operand)
    return _compare(value, operator, operand)


def _compare(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "eq":
            found = value == operand
        case "ne":
            found = value != operand
        case "in":
            found = value in operand
        case "gt":
            found = value > operand
        case "gte":
            found = value >= operand
        case "lt":
            found = value < operand
        case "lte":
            found = value <= operand
        case _:
            found = operand[0] <= value <= operand[1]
    return bool(found)
