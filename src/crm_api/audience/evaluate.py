"""Decides audiences in memory, from the facts of one customer: the same answers as the compiled SQL, and why."""

import operator as python
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from pydantic import MISSING

from ..core.money import Money
from .catalog import Catalog, Field
from .check import Summed, checked
from .facts import Facts, History, NotLoaded, Values
from .operands import Pattern, operand
from .print_text import print_text
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import AllOf, AnyOf, Audience, FieldTest, InNamedSegment, InSegment, Not
from .values import Operator
from .windows import Bounds, between

Test = Callable[[Any], bool]
"""A test of one value that is not missing."""

_COMPARE: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    "eq": python.eq,
    "ne": python.ne,
    "gt": python.gt,
    "gte": python.ge,
    "lt": python.lt,
    "lte": python.le,
}


@dataclass(frozen=True, slots=True)
class Explained:
    """A node with what was found: its canonical text, the value it looked at, and whether it holds."""

    text: str
    holds: bool
    value: Any = None
    branches: list["Explained"] = field(default_factory=list)


class Judge(Protocol):
    """A node that is ready to be decided, over and over. Errors: NotLoaded."""

    def holds(self, facts: Any) -> bool:
        """Say whether the facts meet it."""

    def explain(self, facts: Any) -> Explained:
        """Say why, node by node."""


def judge(tree: Audience, catalog: Catalog) -> Judge:
    """Make an audience ready to be decided from facts, at whatever moment they are of. Errors: AudienceRefused."""
    return _ready(checked(tree, catalog), catalog)


def explain(tree: Audience, catalog: Catalog, facts: Facts) -> Explained:
    """Answer the tree with the value and the verdict of each node. Errors: AudienceRefused, NotLoaded."""
    return judge(tree, catalog).explain(facts)


class _Every:
    __slots__ = ("_branches", "_node")

    def __init__(self, node: Audience, branches: Sequence[Judge]) -> None:
        self._node, self._branches = node, tuple(branches)

    def holds(self, facts: Any) -> bool:
        for branch in self._branches:  # noqa: SIM110  # a generator would cost more than most branches
            if not branch.holds(facts):
                return False
        return True

    def explain(self, facts: Any) -> Explained:
        branches = [branch.explain(facts) for branch in self._branches]
        return Explained(print_text(self._node), self._verdict(branches), None, branches)

    def _verdict(self, branches: Sequence[Explained]) -> bool:
        return all(branch.holds for branch in branches)


class _Some(_Every):
    __slots__ = ()

    def holds(self, facts: Any) -> bool:
        for branch in self._branches:  # noqa: SIM110
            if branch.holds(facts):
                return True
        return False

    def _verdict(self, branches: Sequence[Explained]) -> bool:
        return any(branch.holds for branch in branches)


class _Opposite:
    __slots__ = ("_inner", "_node")

    def __init__(self, node: Audience, inner: Judge) -> None:
        self._node, self._inner = node, inner

    def holds(self, facts: Any) -> bool:
        return not self._inner.holds(facts)

    def explain(self, facts: Any) -> Explained:
        inner = self._inner.explain(facts)
        return Explained(print_text(self._node), not inner.holds, None, [inner])


class _Leaf:
    """Looks at one thing: `look` finds it, `met` judges it, `show` writes it as JSON."""

    __slots__ = ("_look", "_met", "_node", "_show")

    def __init__(self, node: Audience, look: Callable[[Any], Any], met: Test, show: Callable[[Any], Any]) -> None:
        self._node, self._look, self._met, self._show = node, look, met, show

    def holds(self, facts: Any) -> bool:
        return self._met(self._look(facts))

    def explain(self, facts: Any) -> Explained:
        found = self._look(facts)
        return Explained(print_text(self._node), self._met(found), self._show(found))


def _ready(node: Audience, catalog: Catalog) -> Judge:
    match node:
        case AllOf(all=branches):
            return _Every(node, [_ready(branch, catalog) for branch in branches])
        case AnyOf(any=branches):
            return _Some(node, [_ready(branch, catalog) for branch in branches])
        case Not(not_=inner):
            return _Opposite(node, _ready(inner, catalog))
        case FieldTest():
            return _field_test(node, catalog)
        case InSegment(segment=segment):
            name = catalog.segment.name if catalog.segment else ""
            return _Leaf(node, lambda facts: segment in _values(facts, name), bool, bool)
        case InNamedSegment():
            raise AssertionError("check() lets no name of a segment through")
        case TouchpointCount():
            return _count(node, catalog)
        case TouchpointSum():
            return _sum(node, catalog)


def _values(facts: Any, name: str) -> Values:
    try:
        found: Values = facts.fields[name]
    except KeyError:
        raise NotLoaded(name) from None
    return found


def _field_test(node: FieldTest, catalog: Catalog) -> Judge:
    asked = catalog.get(node.field)
    assert asked is not None  # noqa: S101  # check() saw to it
    operator, raw = node.comparison
    value = operand(asked, operator, raw)
    name = asked.name

    def look(facts: Any) -> Values:
        return _values(facts, name)

    if operator == "known":
        return _Leaf(node, look, lambda found: any(each is not None for each in found) is value, _shown(asked))
    met = _test(asked, operator, value)

    def any_meets(found: Values) -> bool:
        for each in found:  # noqa: SIM110
            if each is not None and met(each):
                return True
        return False

    return _Leaf(node, look, any_meets, _shown(asked))


def _test(asked: Field, operator: Operator, value: Any) -> Test:
    if asked.type == "set":
        return lambda found: value in found if isinstance(found, list) else bool(found == value)
    if asked.type != "money":
        return _compared(operator, value)
    currency = _currency(value)
    met = _compared(operator, _minor(value))
    return lambda found: found[1] == currency and met(found[0])


def _compared(operator: Operator, value: Any) -> Test:
    if operator == "in":
        among = frozenset(value)
        return lambda found: found in among
    if operator == "between":
        low, high = value
        return lambda found: bool(low <= found <= high)
    if isinstance(value, Pattern):
        return value.fits
    compare = _COMPARE[operator]
    return lambda found: compare(found, value)


def _chosen(touchpoints: Touchpoints, catalog: Catalog) -> Callable[[Facts], History]:
    """Answer what finds the touchpoints that a node is about, whatever its window."""
    assert catalog.countable is not None  # noqa: S101  # check() saw to it
    kind = touchpoints.touchpoint
    if touchpoints.where is MISSING:
        return lambda facts: facts.history(kind)
    name, fits = print_text(touchpoints.where), _ready(touchpoints.where, catalog.countable.catalog).holds
    return lambda facts: facts.history(kind).narrowed(name, fits)


def _bounds(node: TouchpointCount | TouchpointSum) -> Callable[[Facts], Bounds]:
    if node.last is not MISSING:
        text = node.last
        return lambda facts: facts.last(text)
    first = None if node.from_ is MISSING else node.from_
    until = None if node.until is MISSING else node.until
    return lambda facts: between(first, until, facts.moment)


def _count(node: TouchpointCount, catalog: Catalog) -> Judge:
    operator, number = node.comparison
    chosen, bounds = _chosen(node.count, catalog), _bounds(node)

    def look(facts: Facts) -> int:
        first, end = chosen(facts).span(bounds(facts))
        return max(end - first, 0)

    return _Leaf(node, look, _compared(operator, number), int)


def _sum(node: TouchpointSum, catalog: Catalog) -> Judge:
    assert catalog.countable is not None  # noqa: S101  # check() saw to it
    amount = catalog.countable.amount(node.sum)
    assert amount is not None  # noqa: S101  # check() saw to it
    operator, raw = node.comparison
    value = operand(Summed(amount), operator, raw)
    name, currency = amount.name, _currency(value)
    chosen, bounds = _chosen(node.of, catalog), _bounds(node)

    def look(facts: Facts) -> int:
        history = chosen(facts)
        return history.total(name, currency, history.span(bounds(facts)))

    return _Leaf(node, look, _compared(operator, _minor(value)), lambda minor: _money((minor, currency)))


def _minor(value: Money | list[Money]) -> Any:
    return [each.minor for each in value] if isinstance(value, list) else value.minor


def _currency(value: Money | list[Money]) -> str:
    return value[0].currency if isinstance(value, list) else value.currency


def _shown(asked: Field) -> Callable[[Values], Any]:
    """Answer what writes the values of a field as JSON: one as it is, several as a list, none as null."""

    def show(found: Values) -> Any:
        there = [_written(each, asked) for each in found if each is not None]
        if asked.type == "set":
            return there[0] if there and isinstance(there[0], list) else there
        return there if len(there) > 1 else there[0] if there else None

    return show


def _written(value: Any, asked: Field) -> Any:
    if asked.type == "money":
        return _money(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _money(value: tuple[int, str]) -> dict[str, Any]:
    return Money.from_minor(*value).model_dump()
