"""Counting whom a definition means within a time: exactly, or by looking at some customers picked at random.

The customers are those of blocks of the table that chance picks (TABLESAMPLE SYSTEM), more of them each time until
enough are meant or the time is over.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ARRAY, REAL, ColumnElement, Select, Uuid, any_, bindparam, func, select, tablesample

from ..core.read import Prepared, Reader
from ..customers.models import Customer
from .queries import matching
from .rules import Estimate, estimate

_FIRST_SIZE: Final = 500
_MOST_ROUNDS: Final = 7
_ENOUGH: Final = 400
"""Of so many hits the interval is a tenth to either side."""
_LEAST_SECONDS: Final = 1.0

_everybody: Final[Select[*tuple[Any, ...]]] = select(Customer.customer_id)
_EVERYBODY: Final = Prepared(_everybody)
_COUNT_OF_ALL: Final = Prepared(select(func.count()).select_from(Customer))
_picked: Final = tablesample(Customer.__table__, func.system(bindparam("percent", type_=REAL)), seed=bindparam("seed"))
_SOME: Final = Prepared(select(_picked.c.customer_id))
AMONG: Final = Customer.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))


class Clock:
    """What is left of a time."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, a thousandth at least."""
        return max(self._until - time.monotonic(), 0.001)

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self._until


@dataclass(slots=True)
class Sampled:
    """Customers picked at random, and those of them who are meant."""

    looked_at: int = 0
    found: list[str] = field(default_factory=list)
    population: int = 0

    def estimated(self, hits: int) -> Estimate:
        """Say how many of all there are, by how many of the picked ones."""
        return estimate(hits, self.looked_at, self.population)


async def counted(reader: Reader, meant: ColumnElement[bool], clock: Clock) -> int | None:
    """Count exactly; nothing when the time is not enough."""
    statement = Prepared(select(func.count()).select_from(matching(meant).subquery()))
    try:
        [row] = await reader.rows_within(clock.left, statement)
    except TimeoutError:
        return None
    return int(row[0])


async def sampled(reader: Reader, meant: ColumnElement[bool], seconds: float) -> Sampled:
    """Look at some customers; at none if even the fewest take too long."""
    among = Prepared(matching(meant).where(AMONG))
    clock = Clock(max(seconds, _LEAST_SECONDS))
    seen = Sampled(population=max(await _population(reader, clock.left / 2), 1))
    size = _FIRST_SIZE
    for seed in range(_MOST_ROUNDS):
        percent = min(100.0 * size / seen.population, 100.0)
        try:
            picked = await reader.rows_within(clock.left, _SOME, percent=percent, seed=seed)
            ids = [row["customer_id"] for row in picked]
            found = await reader.rows_within(clock.left, among, customer_ids=ids)
        except TimeoutError:
            break
        seen.looked_at += len(ids)
        seen.found += [row["customer_id"] for row in found]
        if percent == 100.0 or len(seen.found) >= _ENOUGH or clock.is_over:
            break
        size *= 2
    return seen


async def _population(reader: Reader, seconds: float) -> int:
    """Answer how many customers there are, archived ones too, since they are picked as well."""
    try:
        [row] = await reader.rows_within(seconds, _COUNT_OF_ALL)
    except TimeoutError:
        return await reader.planned_rows(_EVERYBODY)
    return int(row[0])


def some_of(ids: Sequence[str], most: int) -> dict[str, Any]:
    """Bind the first of some ids."""
    return {"customer_ids": sorted(ids)[:most]}
