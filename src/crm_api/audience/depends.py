"""What an audience depends on: the writes after which its answer may be another."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from pydantic import MISSING

from ..core.changes import PRESENCE
from .catalog import Catalog
from .distance import DistanceTo
from .household_nodes import OverHousehold
from .touchpoint_nodes import FirstTouchpoint, LatestTouchpoint, OverTouchpoints, Touchpoints
from .tree import AllOf, AnyOf, Audience, FieldTest, InSegment, Not
from .windows import Moment

DAY: Final = "day"
"""What a field depends on that is another tomorrow, though nothing is written."""

OF_MEMBER: Final = "household:"
"""Begins the name of what is written of somebody in the household."""


def depends_on(tree: Audience, catalog: Catalog) -> frozenset[str]:
    """Answer the names of what the audience reads: those its fields declare, "touchpoint:<kind>", "segment:<id>", and
    "household:<name>" where it is read of the members of a household.

    A field that the catalog no longer has adds nothing. That time passes is not a write: windows are not named.
    """
    return frozenset(_names(tree, catalog))


def windows_of(tree: Audience) -> frozenset[str]:
    """Answer the windows in a tree that move with time: "P14D" over touchpoints, and those near to today.

    These are named "within_last P14D", "within_next P14D", "anniversary P14D 02-28".
    """
    return frozenset(_windows(tree))


def next_move(tree: Audience, catalog: Catalog, moment: Moment) -> datetime | None:
    """Answer when the mere passing of time can next change the answer for customers who cannot be told one by one.

    That is the business's next day where whole days are counted or a field is an age, the next hour where the days are
    the customers' own, the next quarter of an hour where a field is asked in hours or minutes; None where time means
    nothing. Windows of hours and minutes over touchpoints are not meant: see `rolling_windows`.
    """
    found = []
    for leaf in _leaves(tree):
        for window in _windows(leaf):
            if window.startswith("anniversary"):
                found.append(_next_full(moment, timedelta(hours=1)))
            elif not _rolls(window.split()[-1]):
                found.append(_tomorrow(moment))
            elif not isinstance(leaf, OverTouchpoints):
                found.append(_next_full(moment, timedelta(minutes=15)))
    if DAY in depends_on(tree, catalog):
        found.append(_tomorrow(moment))
    return min(found, default=None)


def _tomorrow(moment: Moment) -> datetime:
    return moment.start_of(moment.today + timedelta(days=1))


def _next_full(moment: Moment, length: timedelta) -> datetime:
    """Answer the next full hour, or quarter of one, by UTC, as all time zones agree on quarters."""
    past = timedelta(seconds=moment.now.timestamp() % length.total_seconds())
    return moment.now - past + length


def rolling_windows(tree: Audience) -> frozenset[tuple[str, str]]:
    """Answer the windows of hours and minutes, each with the kind of touchpoints that it is laid over."""
    return frozenset(_rolling(tree))


def _rolls(duration: str) -> bool:
    return duration.startswith("PT")


def nodes_in(node: Audience) -> Iterator[Audience]:
    """Answer a node and all in it that are decided of a customer: what touchpoints are asked is not looked into."""
    yield node
    match node:
        case AllOf(all=branches) | AnyOf(any=branches):
            for branch in branches:
                yield from nodes_in(branch)
        case Not(not_=inner):
            yield from nodes_in(inner)
        case OverHousehold():
            yield from nodes_in(node.asked)


def _leaves(node: Audience, *, of_members: bool = True) -> Iterator[Audience]:
    """Answer what is asked of a customer; of the members of its household too, or their node as it is."""
    match node:
        case AllOf(all=branches) | AnyOf(any=branches):
            for branch in branches:
                yield from _leaves(branch, of_members=of_members)
        case Not(not_=inner):
            yield from _leaves(inner, of_members=of_members)
        case OverHousehold() if of_members:
            yield from _leaves(node.asked)
        case _:
            yield node


def _rolling(tree: Audience) -> Iterator[tuple[str, str]]:
    for leaf in _leaves(tree):
        if isinstance(leaf, OverTouchpoints):
            for window in _windows(leaf):
                text = window.split()[-1]
                if _rolls(text):
                    yield leaf.touchpoints.touchpoint, text


def _windows(tree: Audience) -> Iterator[str]:
    for leaf in _leaves(tree):
        if isinstance(leaf, FieldTest | FirstTouchpoint | LatestTouchpoint):
            yield from _near_today(leaf)
        if isinstance(leaf, OverTouchpoints) and leaf.last is not MISSING:
            yield leaf.last


def _near_today(leaf: FieldTest | FirstTouchpoint | LatestTouchpoint) -> Iterator[str]:
    operator, text = leaf.comparison
    if operator in ("within_last", "within_next"):
        yield f"{operator} {text}"
    elif operator == "anniversary_within_next":
        yield f"anniversary {text} {'02-28' if leaf.leap is MISSING else leaf.leap}"


def _names(tree: Audience, catalog: Catalog) -> Iterator[str]:
    for leaf in _leaves(tree, of_members=False):
        match leaf:
            case OverHousehold() if catalog.household is not None:
                asked = frozenset(_names(leaf.asked, catalog)) | {PRESENCE}
                yield from asked | catalog.household.depends_on
                yield from (f"{OF_MEMBER}{name}" for name in asked - {DAY})
            case FieldTest(field=name):
                field = catalog.get(name)
                yield from field.depends_on if field else ()
                yield from _zone(leaf, catalog)
            case DistanceTo(distance=name):
                field = catalog.get(name)
                yield from field.depends_on if field else ()
            case FirstTouchpoint() | LatestTouchpoint():
                yield from _zone(leaf, catalog)
            case InSegment(segment=segment):
                yield f"segment:{segment}"
        if isinstance(leaf, OverTouchpoints):
            yield from _names_of_touchpoints(leaf.touchpoints, catalog)


def _zone(node: FieldTest | FirstTouchpoint | LatestTouchpoint, catalog: Catalog) -> Iterator[str]:
    """Name what the customer's calendar depends on, where it is asked."""
    if node.comparison[0] == "anniversary_within_next" and catalog.zone is not None:
        yield from catalog.zone.depends_on


def _names_of_touchpoints(chosen: Touchpoints, catalog: Catalog) -> Iterator[str]:
    yield f"touchpoint:{chosen.touchpoint}"
    if catalog.countable is None:
        return
    if chosen.where is not MISSING:
        yield from _names(chosen.where, catalog.countable.catalog)
    if chosen.items is not MISSING and catalog.countable.items is not None:
        yield from _names(chosen.items, catalog.countable.items.catalog)
