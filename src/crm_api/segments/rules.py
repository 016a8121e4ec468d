"""What is true of definitions, without a database."""

from collections.abc import Iterator, Mapping
from math import ceil, floor, sqrt
from typing import Final, NamedTuple
from uuid import UUID

from ..audience import AllOf, AnyOf, Audience, Catalog, HouseholdAll, HouseholdAny, InSegment, Not, depends_on
from ..core.changes import PRESENCE

STEP_SECONDS: Final = 5
"""Well below what a step may take, and long enough that the work between steps is small beside it."""

Reference = tuple[str, UUID]
"""Where in a tree a segment is referred to (RFC 6901 pointer), and which."""


def references(tree: Audience, pointer: str = "") -> Iterator[Reference]:
    """Answer the segments that a tree refers to, in the order of reading."""
    match tree:
        case InSegment(segment=segment):
            yield f"{pointer}/segment", segment
        case Not(not_=inner):
            yield from references(inner, f"{pointer}/not")
        case HouseholdAny(household_any=inner):
            yield from references(inner, f"{pointer}/household_any")
        case HouseholdAll(household_all=inner):
            yield from references(inner, f"{pointer}/household_all")
        case AllOf(all=branches):
            for position, branch in enumerate(branches):
                yield from references(branch, f"{pointer}/all/{position}")
        case AnyOf(any=branches):
            for position, branch in enumerate(branches):
                yield from references(branch, f"{pointer}/any/{position}")
        case _:
            pass  # what a touchpoint is asked knows no segments


def topics_of(tree: Audience, catalog: Catalog) -> frozenset[str]:
    """Answer what has to be watched for a segment: what its audience depends on, and who there is at all."""
    return depends_on(tree, catalog) | {PRESENCE}


def next_size(size: int, seconds: float, most: int) -> int:
    """Answer the customers of a step that shall take about STEP_SECONDS, after one of `size` that took `seconds`."""
    share = min(max(STEP_SECONDS / max(seconds, 0.001), 0.25), 4.0)
    return min(max(int(size * share), 1), most)


class Estimate(NamedTuple):
    """How many there are, as far as can be told: between `low` and `high` in nineteen cases of twenty."""

    customers: int
    low: int
    high: int


_NINETEEN_OF_TWENTY: Final = 1.96


def estimate(hits: int, looked_at: int, population: int) -> Estimate:
    """Say how many of a population there are when of some that were picked at random so many are.

    The interval is Wilson's (Wilson 1927, JASA 22, p. 209): it holds for few hits, and for none.
    """
    if not looked_at:
        return Estimate(0, 0, population)
    share, z = hits / looked_at, _NINETEEN_OF_TWENTY**2 / looked_at
    middle = (share + z / 2) / (1 + z)
    half = sqrt(share * (1 - share) * z + z * z / 4) / (1 + z)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Estimate(round(share * population), floor(low * population), ceil(high * population))


def cycle(start: UUID, referred: Mapping[UUID, frozenset[UUID]]) -> list[UUID] | None:
    """Answer the shortest way from a segment over its references back to itself, both ends included, if any."""
    came_from: dict[UUID, UUID] = {}
    waiting = [start]
    for segment in waiting:
        for other in sorted(referred.get(segment, ())):
            if other == start:
                return _way_back(segment, start, came_from)
            if other not in came_from:
                came_from[other] = segment
                waiting.append(other)
    return None


def _way_back(last: UUID, start: UUID, came_from: Mapping[UUID, UUID]) -> list[UUID]:
    way = [start, last] if last != start else [start]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    if len(way) == 1:
        way.append(start)
    return way[::-1]
