"""Typing of a tree against a catalog: everything wrong with an audience, each with the place where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from pydantic import MISSING

from .catalog import Amount, Catalog, Countable, FieldType
from .depends import nodes_in, rolling_windows
from .distance import DistanceTo
from .household_nodes import OverHousehold
from .names import nearest
from .operands import WrongOperand, operand
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointCount,
    Touchpoints,
    TouchpointShare,
    TouchpointSum,
)
from .tree import AllOf, AnyOf, Audience, FieldTest, InBucket, InNamedSegment, InSegment, Not
from .values import Operator
from .written import Place

_MOST_FINDINGS: Final = 20
_NO_CONTEXT: Final = "no-context-here"
_INSTEAD: Final[dict[FieldType, str]] = {"place": "no comparison; ask how far it is, as in distance(…) <= 25 km"}
_WHOSE: Final = ("count", "of", "never", "first", "latest")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong: a pointer into the tree (RFC 6901), a stable code, a sentence, the nearest valid name; in a tree
    that was read from text, its place there.
    """

    pointer: str
    code: str
    detail: str
    nearest: str | None = None
    place: Place | None = None


class AudienceRefused(Exception):
    """The audience does not fit the catalog."""

    def __init__(self, findings: list[Finding], tree: Audience) -> None:
        super().__init__("; ".join(f"{finding.pointer}: {finding.detail}" for finding in findings))
        text = tree.written
        if text is not None:
            findings = [replace(each, place=text.find(each.pointer.split("/"))) for each in findings]
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Compared:
    """What a sum, an average or a share is compared with: a number, or money in the currency that it names."""

    amount: Amount
    is_share: bool = False
    choices: None = None
    rolls: bool = False

    @property
    def name(self) -> str:
        """Name of the amount."""
        return f"the share of {self.amount.name}" if self.is_share else self.amount.name

    @property
    def type(self) -> FieldType:
        """Whether it is money."""
        return "number" if self.is_share or self.amount.currency is None else "money"

    @property
    def unit(self) -> str | None:
        """What a number counts."""
        return None if self.is_share else self.amount.unit

    @property
    def currency(self) -> None:
        """No currency of its own: each touchpoint has one."""
        return None


@dataclass(frozen=True, slots=True)
class When:
    """What the time of a first or latest touchpoint is compared with."""

    kind: str
    type: FieldType = "datetime"
    unit: None = None
    choices: None = None
    currency: None = None
    rolls: bool = True

    @property
    def name(self) -> str:
        """What is compared, for people."""
        return f"the time of {self.kind}"


def check(tree: Audience, catalog: Catalog, *, live: bool = False) -> list[Finding]:
    """Answer what is wrong with a tree, at most the first 20 findings; nothing when it can be compiled.

    live: it is decided while somebody waits, and so may ask for the context that is told then.
    """
    found = (each for each in _in_node(tree, catalog, "") if not (live and each.code == _NO_CONTEXT))
    return list(islice(found, _MOST_FINDINGS))


def checked(tree: Audience, catalog: Catalog, *, live: bool = False) -> Audience:
    """Answer the tree itself. Errors: AudienceRefused with all findings."""
    if findings := check(tree, catalog, live=live):
        raise AudienceRefused(findings, tree)
    return tree


def _in_node(node: Audience, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    match node:
        case AllOf(all=branches):
            for position, branch in enumerate(branches):
                yield from _in_node(branch, catalog, f"{pointer}/all/{position}")
        case AnyOf(any=branches):
            for position, branch in enumerate(branches):
                yield from _in_node(branch, catalog, f"{pointer}/any/{position}")
        case Not(not_=inner):
            yield from _in_node(inner, catalog, f"{pointer}/not")
        case OverHousehold():
            yield from _in_household(node, catalog, pointer)
        case FieldTest():
            yield from _in_field_test(node, catalog, pointer)
        case InSegment():
            if catalog.segment is None:
                yield _not_here(f"{pointer}/segment", "Membership in a segment")
        case InNamedSegment():
            # Whoever takes an audience from a request puts ids in place of names first (segment_names.py).
            yield _not_here(f"{pointer}/segment_name", "A segment by its name")
        case InBucket():
            yield from _in_bucket(node, catalog, pointer)
        case DistanceTo():
            yield from _in_distance(node, catalog, pointer)
        case _:
            yield from _over_touchpoints(node, catalog, pointer)


def _in_household(node: OverHousehold, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    (name,) = node.model_fields_set
    pointer = f"{pointer}/{name}"
    if catalog.household is None:
        yield _not_here(pointer, "A household")
        return
    if any(isinstance(each, OverHousehold) for each in nodes_in(node.asked)):
        yield Finding(pointer, "household-in-household", "The members of a household are in no other")
    elif rolling_windows(node.asked):
        detail = "Members of a household are asked in days, weeks or months, not in hours or minutes"
        yield Finding(pointer, "wrong-unit", detail, "P1D")
    else:
        yield from _in_node(node.asked, catalog, pointer)


def _in_field_test(node: FieldTest, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    operator, raw = node.comparison
    field = catalog.get(node.field)
    if field is None:
        near = catalog.nearest(node.field)
        yield Finding(f"{pointer}/field", "unknown-field", f"No field is called {node.field}{_hint(near)}", near)
    elif operator not in field.offered:
        offered = ", ".join(field.offered) or _INSTEAD.get(field.type, "none here")
        detail = f"{field.name} ({field.type}) offers {offered}"
        yield Finding(f"{pointer}/{operator}", "operator-not-offered", detail, nearest(operator, field.offered))
    else:
        if field.is_context:
            detail = f"{field.name} is told with a decision only: it can be asked where an offer says who may get it"
            yield Finding(f"{pointer}/field", _NO_CONTEXT, detail)
        yield from _in_operand(field, operator, raw, pointer)


def _in_distance(node: DistanceTo, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    places = [each.name for each in catalog if each.type == "place"]
    if not places:
        yield _not_here(f"{pointer}/distance", "A distance")
    elif node.distance not in places:
        near = nearest(node.distance, places) or places[0]
        yield Finding(f"{pointer}/distance", "no-place", f"{node.distance} is no place{_hint(near)}", near)
    meters = node.meters
    if isinstance(meters, list) and meters[0] > meters[1]:
        yield Finding(f"{pointer}/between", "empty-range", "nothing is between them: lengths are given as [near, far]")


def _in_bucket(node: InBucket, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    if catalog.countable is None:
        yield _not_here(f"{pointer}/bucket", "A bucket of customers")
    if "\x00" in node.bucket:
        yield Finding(f"{pointer}/bucket", "unstorable-text", "the character NUL cannot be stored")
    yield from _in_range(node.comparison, pointer)


def _over_touchpoints(node: OverTouchpoints, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    name = next(name for name in _WHOSE if name in node.model_fields_set)
    if catalog.countable is None:
        told = next((name for name in ("sum", "average", "share") if name in node.model_fields_set), name)
        yield _not_here(f"{pointer}/{told}", "Asking for touchpoints")
        return
    yield from _in_touchpoints(node.touchpoints, catalog.countable, f"{pointer}/{name}")
    match node:
        case TouchpointCount():
            yield from _in_range(node.comparison, pointer)
        case TouchpointSum(sum=amount):
            yield from _in_amount(node, "sum", amount, catalog.countable, pointer)
        case TouchpointAverage(average=amount):
            yield from _in_amount(node, "average", amount, catalog.countable, pointer)
        case TouchpointShare(share=amount):
            yield from _in_amount(node, "share", amount, catalog.countable, pointer)
        case FirstTouchpoint() | LatestTouchpoint():
            operator, raw = node.comparison
            yield from _in_operand(When(node.touchpoints.touchpoint), operator, raw, pointer)


def _in_range(comparison: tuple[Operator, Any], pointer: str) -> Iterator[Finding]:
    operator, number = comparison
    if operator == "between" and number[0] > number[1]:
        yield Finding(f"{pointer}/between", "empty-range", "nothing is between them: counts are given as [low, high]")


def _in_amount(
    node: TouchpointSum | TouchpointAverage | TouchpointShare,
    aggregate: str,
    name: str,
    countable: Countable,
    pointer: str,
) -> Iterator[Finding]:
    is_share = aggregate == "share"
    offered = [each for each in countable.amounts if each.of_items or not is_share]
    amount = next((each for each in offered if each.name == name), None)
    if amount is None:
        near = nearest(name, [each.name for each in offered])
        what = "amount of lines" if is_share else "amount of touchpoints"
        yield Finding(f"{pointer}/{aggregate}", "unknown-amount", f"No {what} is called {name}{_hint(near)}", near)
        return
    if is_share and node.of.items is MISSING:
        detail = "A share is that of some lines in all: say which with items"
        yield Finding(f"{pointer}/of", "items-missing", detail)
    operator, raw = node.comparison
    yield from _in_operand(Compared(amount, is_share=is_share), operator, raw, pointer)


def _in_touchpoints(chosen: Touchpoints, countable: Countable, pointer: str) -> Iterator[Finding]:
    if "\x00" in chosen.touchpoint:
        yield Finding(f"{pointer}/touchpoint", "unstorable-text", "the character NUL cannot be stored")
    if chosen.where is not MISSING:
        yield from _in_node(chosen.where, countable.catalog, f"{pointer}/where")
    if chosen.items is not MISSING:
        if countable.items is None:
            yield Finding(f"{pointer}/items", "not-offered-here", "Touchpoints have no lines here")
        else:
            yield from _in_node(chosen.items, countable.items.catalog, f"{pointer}/items")


def _in_operand(target: Any, operator: Operator, raw: Any, pointer: str) -> Iterator[Finding]:
    try:
        operand(target, operator, raw)
    except WrongOperand as wrong:
        detail = f"{wrong}{_hint(wrong.nearest)}"
        yield Finding(f"{pointer}/{operator}{wrong.step}", wrong.code, detail, wrong.nearest)


def _not_here(pointer: str, what: str) -> Finding:
    return Finding(
        pointer, "not-offered-here", f"{what} is not offered here; inside where and items, only their own fields are"
    )


def _hint(near: str | None) -> str:
    return f"; did you mean {near}?" if near else ""
