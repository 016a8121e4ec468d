"""Typing of a tree against a catalog: everything wrong with an audience, each with the place where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from pydantic import MISSING

from .catalog import Amount, Catalog, FieldType
from .names import nearest
from .operands import WrongOperand, operand
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import AllOf, AnyOf, Audience, FieldTest, InNamedSegment, InSegment, Not
from .values import Operator
from .written import Place

_MOST_FINDINGS: Final = 20


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
class Summed:
    """What a sum is compared with: money, in the currency that the comparison names."""

    amount: Amount
    type: FieldType = "money"
    unit: None = None
    choices: None = None

    @property
    def name(self) -> str:
        """Name of the amount."""
        return self.amount.name

    @property
    def currency(self) -> None:
        """No currency of its own: each touchpoint has one."""
        return None


def check(tree: Audience, catalog: Catalog) -> list[Finding]:
    """Answer what is wrong with a tree, at most the first 20 findings; nothing when it can be compiled."""
    return list(islice(_in_node(tree, catalog, ""), _MOST_FINDINGS))


def checked(tree: Audience, catalog: Catalog) -> Audience:
    """Answer the tree itself. Errors: AudienceRefused with all findings."""
    if findings := check(tree, catalog):
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
        case FieldTest():
            yield from _in_field_test(node, catalog, pointer)
        case InSegment():
            if catalog.segment is None:
                yield _not_here(f"{pointer}/segment", "Membership in a segment")
        case InNamedSegment():
            # Whoever takes an audience from a request puts ids in place of names first (segment_names.py).
            yield _not_here(f"{pointer}/segment_name", "A segment by its name")
        case TouchpointCount():
            yield from _in_count(node, catalog, pointer)
        case TouchpointSum():
            yield from _in_sum(node, catalog, pointer)


def _in_field_test(node: FieldTest, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    operator, raw = node.comparison
    field = catalog.get(node.field)
    if field is None:
        near = catalog.nearest(node.field)
        yield Finding(f"{pointer}/field", "unknown-field", f"No field is called {node.field}{_hint(near)}", near)
    elif operator not in field.offered:
        offered = ", ".join(field.offered) or "none here"
        detail = f"{field.name} ({field.type}) offers {offered}"
        yield Finding(f"{pointer}/{operator}", "operator-not-offered", detail, nearest(operator, field.offered))
    else:
        yield from _in_operand(field, operator, raw, pointer)


def _in_count(node: TouchpointCount, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    if catalog.countable is None:
        yield _not_here(f"{pointer}/count", "Counting touchpoints")
        return
    yield from _in_touchpoints(node.count, catalog.countable.catalog, f"{pointer}/count")
    operator, number = node.comparison
    if operator == "between" and number[0] > number[1]:
        yield Finding(f"{pointer}/between", "empty-range", "nothing is between them: counts are given as [low, high]")


def _in_sum(node: TouchpointSum, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    if catalog.countable is None:
        yield _not_here(f"{pointer}/sum", "Summing touchpoints")
        return
    yield from _in_touchpoints(node.of, catalog.countable.catalog, f"{pointer}/of")
    amount = catalog.countable.amount(node.sum)
    if amount is None:
        near = nearest(node.sum, [each.name for each in catalog.countable.amounts])
        detail = f"No amount of touchpoints is called {node.sum}{_hint(near)}"
        yield Finding(f"{pointer}/sum", "unknown-amount", detail, near)
    else:
        operator, raw = node.comparison
        yield from _in_operand(Summed(amount), operator, raw, pointer)


def _in_touchpoints(chosen: Touchpoints, catalog: Catalog, pointer: str) -> Iterator[Finding]:
    if "\x00" in chosen.touchpoint:
        yield Finding(f"{pointer}/touchpoint", "unstorable-text", "the character NUL cannot be stored")
    if chosen.where is not MISSING:
        yield from _in_node(chosen.where, catalog, f"{pointer}/where")


def _in_operand(target: Any, operator: Operator, raw: Any, pointer: str) -> Iterator[Finding]:
    try:
        operand(target, operator, raw)
    except WrongOperand as wrong:
        detail = f"{wrong}{_hint(wrong.nearest)}"
        yield Finding(f"{pointer}/{operator}{wrong.step}", wrong.code, detail, wrong.nearest)


def _not_here(pointer: str, what: str) -> Finding:
    return Finding(
        pointer, "not-offered-here", f"{what} is not offered here; inside where, only the touchpoint's fields are"
    )


def _hint(near: str | None) -> str:
    return f"; did you mean {near}?" if near else ""
