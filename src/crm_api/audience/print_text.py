"""The one canonical text of an audience, for people to read.

    country in ("DE", "AT") and age >= 30 and not in_segment("0198…") and bucket("spring test", 100) < 10
      and sum(amount of order.placed, last 365 days) >= 500.00 EUR
      and count(page.viewed where properties.path like "/bikes/*", from 2026-01-01 until 2026-07-01) >= 3
      and share(items.paid of order.placed with items (department = "GROCERY"), last 12 months) >= 0.3
      and latest(order.placed) within last 30 days and never(order.returned)
      and birth_date anniversary within next 7 days and distance(address, 52.52, 13.4) <= 25 km

`not` binds closest, then `and`, then `or`. Parentheses stand wherever a branch is a branch of its own, and `all(x)`,
`any(x)` for branches of one, so that two different trees never have one text. Text is quoted as in JSON, a name that
is no plain word in backquotes.
"""

import json
import re
from typing import Any, Final

from pydantic import MISSING

from ..core.money import Money
from .distance import DistanceTo, Length
from .household_nodes import HouseholdAll, HouseholdAny
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointCount,
    TouchpointShare,
    TouchpointSum,
)
from .tree import AllOf, AnyOf, Audience, FieldTest, InBucket, InNamedSegment, InSegment, Not
from .values import Operator

_WORDS: Final = (
    "all and anniversary any average avg between birthday bucket consents count distance false first from has "
    "household in in_segment is items known last latest leap like never next not of or share sum true unknown until "
    "where with within"
)
RESERVED: Final = frozenset(_WORDS.split())
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z0-9_]+)*")
_SIGNS: Final[dict[Operator, str]] = {"eq": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_NEAR_TODAY: Final[dict[Operator, str]] = {
    "within_last": "within last",
    "within_next": "within next",
    "anniversary_within_next": "anniversary within next",
}
_UNITS: Final = {"D": "day", "W": "week", "M": "month", "TH": "hour", "TM": "minute"}
_OR, _AND, _NOT = range(3)


def print_text(tree: Audience) -> str:
    """Print an audience on one line."""
    return _node(tree, _OR)


def _node(node: Audience, within: int) -> str:
    """Print a node that stands within an operator which binds so closely."""
    match node:
        case AllOf(all=[only]):
            return f"all({_node(only, _OR)})"
        case AnyOf(any=[only]):
            return f"any({_node(only, _OR)})"
        case AllOf(all=branches):
            return _enclosed(" and ".join(_node(branch, _NOT) for branch in branches), within > _AND)
        case AnyOf(any=branches):
            return _enclosed(" or ".join(_node(branch, _AND) for branch in branches), within > _OR)
        case Not(not_=inner):
            return f"not {_node(inner, _NOT)}"
        case HouseholdAny(household_any=inner):
            return f"household any ({_node(inner, _OR)})"
        case HouseholdAll(household_all=inner):
            return f"household all ({_node(inner, _OR)})"
        case InSegment(segment=segment):
            return f'in_segment("{segment}")'
        case InNamedSegment(segment_name=name):
            return f"in_segment({_value(name)})"
        case FieldTest(field=name):
            return _compared(_name(name), *node.comparison) + _leap(node)
        case InBucket(bucket=name, of=buckets):
            return _compared(f"bucket({_value(name)}, {buckets})", *node.comparison)
        case DistanceTo(distance=name, latitude=latitude, longitude=longitude):
            return _compared(f"distance({_name(name)}, {_number(latitude)}, {_number(longitude)})", *node.comparison)
        case NeverTouched():
            return f"never({_over(node)})"
        case FirstTouchpoint() | LatestTouchpoint():
            word = "first" if isinstance(node, FirstTouchpoint) else "latest"
            return _compared(f"{word}({_over(node)})", *node.comparison) + _leap(node)
        case TouchpointCount():
            return _compared(f"count({_over(node)})", *node.comparison)
        case TouchpointSum(sum=amount):
            return _compared(f"sum({_name(amount)} of {_over(node)})", *node.comparison)
        case TouchpointAverage(average=amount):
            return _compared(f"average({_name(amount)} of {_over(node)})", *node.comparison)
        case TouchpointShare(share=amount):
            return _compared(f"share({_name(amount)} of {_over(node)})", *node.comparison)


def _enclosed(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _compared(left: str, operator: Operator, right: Any) -> str:
    if operator == "known":
        return f"{left} is {'known' if right else 'unknown'}"
    if operator == "in":
        return f"{left} in ({', '.join(map(_value, right))})"
    if operator == "between":
        return f"{left} between {_value(right[0])} and {_value(right[1])}"
    if operator in _NEAR_TODAY:
        return f"{left} {_NEAR_TODAY[operator]} {_duration(right)}"
    return f"{left} {_SIGNS.get(operator, operator)} {_value(right)}"


def _leap(node: FieldTest | FirstTouchpoint | LatestTouchpoint) -> str:
    return "" if node.leap is MISSING else f" leap {_value(node.leap)}"


def _over(node: OverTouchpoints) -> str:
    chosen = node.touchpoints
    where = "" if chosen.where is MISSING else f" where {_node(chosen.where, _OR)}"
    items = "" if chosen.items is MISSING else f" with items ({_node(chosen.items, _OR)})"
    return _name(chosen.touchpoint) + where + items + _window(node)


def _window(node: OverTouchpoints) -> str:
    if node.last is not MISSING:
        return f", last {_duration(node.last)}"
    first = "" if node.from_ is MISSING else f" from {node.from_}"
    until = "" if node.until is MISSING else f" until {node.until}"
    return f",{first}{until}" if first or until else ""


def _duration(text: str) -> str:
    number, unit = re.sub("[^0-9]", "", text), re.sub("[P0-9]", "", text)
    return f"{number} {_UNITS[unit]}{'' if number == '1' else 's'}"


def _name(name: str) -> str:
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return "`" + json.dumps(name, ensure_ascii=False)[1:-1].replace("`", "\\u0060") + "`"


def _value(value: Any) -> str:
    if isinstance(value, Money):
        return f"{value.amount} {value.currency}"
    if isinstance(value, Length):
        return f"{_number(value.length)} {value.unit}"
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    return repr(int(value) if value == int(value) else value)
