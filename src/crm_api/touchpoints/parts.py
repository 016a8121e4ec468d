"""What other domains show in a customer's timeline without recording touchpoints; `app.py` gathers it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select


@dataclass(frozen=True, slots=True)
class TimelinePart:
    """Things of some kinds, which callers with a scope see among the touchpoints of a customer.

    `rows` answers those of a customer: columns named as those of touchpoints are, among them `id`, `customer_id`,
    `kind`, `occurred_at`, `recorded_at` and `recorded_by`; `properties` as text. The rest is null.
    """

    name: str
    kinds: tuple[str, ...]
    scope: str
    rows: Callable[[ColumnElement[Any]], Select[Any]]


class Shares(NamedTuple):
    """Which parts of a timeline are shown, and which are not although they were asked for."""

    shown: tuple[TimelinePart, ...]
    withheld: tuple[TimelinePart, ...]


def shares_of(parts: Sequence[TimelinePart], kinds: Collection[str] | None, scopes: Collection[str]) -> Shares:
    """Sort the parts that have one of the kinds, or of all kinds, by whether the scopes cover them."""
    wanted = [part for part in parts if kinds is None or not set(kinds).isdisjoint(part.kinds)]
    shown = tuple(part for part in wanted if part.scope in scopes)
    return Shares(shown, tuple(part for part in wanted if part not in shown))
