"""Decides audiences in memory, from the facts of one customer: the same answers as the compiled SQL, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import MISSING

from .buckets import bucket_of
from .catalog import Catalog
from .check import checked
from .distance import DistanceTo, Point, meters_between
from .facts import Facts, NotLoaded, Values
from .household_nodes import HouseholdAll, HouseholdAny
from .memory_tests import Test, compared, shown, test_of
from .memory_touchpoints import over_touchpoints
from .operands import operand
from .print_text import print_text
from .tree import AllOf, AnyOf, Audience, FieldTest, InBucket, InNamedSegment, InSegment, Not


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


class _OfMembers:
    """Asks the members of a household, the customer among them."""

    __slots__ = ("_asked", "_decides", "_node")

    def __init__(self, node: HouseholdAny | HouseholdAll, asked: Judge) -> None:
        self._node, self._asked = node, asked
        self._decides = isinstance(node, HouseholdAny)

    def holds(self, facts: Any) -> bool:
        for member in facts.members:
            if self._asked.holds(member) is self._decides:
                return self._decides
        return not self._decides

    def explain(self, facts: Any) -> Explained:
        met_by = [str(member.customer_id) for member in facts.members if self._asked.holds(member)]
        found = {"members": len(facts.members), "met_by": sorted(met_by)}
        return Explained(print_text(self._node), self.holds(facts), found)


class _Leaf:
    """Looks at one thing: `look` finds it, `met` judges it, `show` writes it as JSON."""

    __slots__ = ("_look", "_met", "_node", "_show")

    def __init__(self, node: Audience, look: Callable[[Any], Any], met: Test, show: Callable[[Any], Any]) -> None:
        self._node, self._look, self._met, self._show = node, look, met, show

    def holds(self, facts: Any) -> bool:
        return self._met(self._look(facts), facts)

    def explain(self, facts: Any) -> Explained:
        found = self._look(facts)
        return Explained(print_text(self._node), self._met(found, facts), self._show(found))


def _ready(node: Audience, catalog: Catalog) -> Judge:
    match node:
        case AllOf(all=branches):
            return _Every(node, [_ready(branch, catalog) for branch in branches])
        case AnyOf(any=branches):
            return _Some(node, [_ready(branch, catalog) for branch in branches])
        case Not(not_=inner):
            return _Opposite(node, _ready(inner, catalog))
        case HouseholdAny() | HouseholdAll():
            return _OfMembers(node, _ready(node.asked, catalog))
        case FieldTest():
            return _field_test(node, catalog)
        case InSegment(segment=segment):
            name = catalog.segment.name if catalog.segment else ""
            return _Leaf(node, lambda facts: segment in _values(facts, name), lambda found, _: bool(found), bool)
        case InBucket(bucket=name, of=buckets):
            met = compared(*node.comparison)
            return _Leaf(node, lambda facts: bucket_of(name, buckets, facts.customer_id), met, int)
        case DistanceTo():
            return _distance(node)
        case InNamedSegment():
            raise AssertionError("check() lets no name of a segment through")
        case _:
            assert catalog.countable is not None  # noqa: S101  # check() saw to it
            return _Leaf(node, *over_touchpoints(node, catalog.countable, lambda *inside: _ready(*inside).holds))


def _values(facts: Any, name: str) -> Values:
    try:
        found: Values = facts.fields[name]
    except KeyError:
        raise NotLoaded(name) from None
    return found


def _distance(node: DistanceTo) -> Judge:
    point, met = node.point, compared(node.comparison[0], node.meters)

    def look(facts: Any) -> float | None:
        (place,) = _values(facts, node.distance)
        return None if place is None else meters_between(point, Point(*place))

    def show(meters: float | None) -> Any:
        return None if meters is None else {"length": int(meters), "unit": "m"}

    return _Leaf(node, look, lambda meters, facts: meters is not None and met(meters, facts), show)


def _field_test(node: FieldTest, catalog: Catalog) -> Judge:
    asked = catalog.get(node.field)
    assert asked is not None  # noqa: S101  # check() saw to it
    operator, raw = node.comparison
    value = operand(asked, operator, raw)
    name = asked.name

    def look(facts: Any) -> Values:
        return _values(facts, name)

    if operator == "known":
        return _Leaf(node, look, lambda found, _: any(each is not None for each in found) is value, shown(asked))
    met = test_of(asked, operator, value, "02-28" if node.leap is MISSING else node.leap)
    return _FieldLeaf(node, name, look, met, shown(asked))


class _FieldLeaf(_Leaf):
    """Looks at a field: any of its values has to meet the test. Most leaves are such, so it makes few calls."""

    __slots__ = ("_name",)

    def __init__(
        self, node: Audience, name: str, look: Callable[[Any], Any], met: Test, show: Callable[[Any], Any]
    ) -> None:
        super().__init__(node, look, met, show)
        self._name = name

    def holds(self, facts: Any) -> bool:
        met = self._met
        for each in _values(facts, self._name):  # noqa: SIM110
            if each is not None and met(each, facts):
                return True
        return False

    def explain(self, facts: Any) -> Explained:
        return Explained(print_text(self._node), self.holds(facts), self._show(self._look(facts)))
