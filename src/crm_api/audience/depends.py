"""What an audience depends on: the writes after which its answer may be another."""

from collections.abc import Iterator
from typing import Final

from pydantic import MISSING

from .catalog import Catalog
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import AllOf, AnyOf, Audience, FieldTest, InSegment, Not

DAY: Final = "day"
"""What a field depends on that is another tomorrow, though nothing is written."""


def depends_on(tree: Audience, catalog: Catalog) -> frozenset[str]:
    """Answer the names of what the audience reads: those its fields declare, "touchpoint:<kind>", "segment:<id>".

    A field that the catalog no longer has adds nothing. That time passes is not a write: windows are not named.
    """
    return frozenset(_names(tree, catalog))


def windows_of(tree: Audience) -> frozenset[str]:
    """Answer the windows in a tree that move with time, as written: "P14D"."""
    return frozenset(_windows(tree))


def moves_daily(tree: Audience, catalog: Catalog) -> bool:
    """Say whether the mere beginning of a day can change the answer: whole days are counted, or a field is an age."""
    return any(not _rolls(text) for text in windows_of(tree)) or DAY in depends_on(tree, catalog)


def rolling_windows(tree: Audience) -> frozenset[tuple[str, str]]:
    """Answer the windows of hours and minutes, each with the kind of touchpoints that it is laid over."""
    return frozenset(each for each in _windowed(tree) if _rolls(each[1]))


def _rolls(duration: str) -> bool:
    return duration.startswith("PT")


def _windowed(node: Audience) -> Iterator[tuple[str, str]]:
    match node:
        case AllOf(all=branches) | AnyOf(any=branches):
            for branch in branches:
                yield from _windowed(branch)
        case Not(not_=inner):
            yield from _windowed(inner)
        case TouchpointCount(count=chosen, last=text) | TouchpointSum(of=chosen, last=text) if text is not MISSING:
            yield chosen.touchpoint, text


def _windows(node: Audience) -> Iterator[str]:
    for _, text in _windowed(node):
        yield text


def _names(node: Audience, catalog: Catalog) -> Iterator[str]:
    match node:
        case AllOf(all=branches) | AnyOf(any=branches):
            for branch in branches:
                yield from _names(branch, catalog)
        case Not(not_=inner):
            yield from _names(inner, catalog)
        case FieldTest(field=name):
            field = catalog.get(name)
            yield from field.depends_on if field else ()
        case InSegment(segment=segment):
            yield f"segment:{segment}"
        case TouchpointCount(count=touchpoints) | TouchpointSum(of=touchpoints):
            yield from _names_of_touchpoints(touchpoints, catalog)


def _names_of_touchpoints(chosen: Touchpoints, catalog: Catalog) -> Iterator[str]:
    yield f"touchpoint:{chosen.touchpoint}"
    if catalog.countable is not None and chosen.where is not MISSING:
        yield from _names(chosen.where, catalog.countable.catalog)
