"""What is known of a customer, in memory: enough to decide some audiences, and loaded in one query per table."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from .windows import Bounds, Moment, last

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""No touchpoint is older."""

Values = tuple[Any, ...]
"""Of one field: one value on the own row, which may be None; of other rows one for each row. Money is minor units and
currency.
"""


class NotLoaded(LookupError):
    """An audience was asked for whom the facts were not loaded: a mistake of the program, never a missing value."""


@dataclass(slots=True)
class Touched:
    """A touchpoint, as far as it was asked for."""

    occurred_at: datetime
    fields: Mapping[str, Values]
    amounts: Mapping[str, tuple[int, str] | None]


class History:
    """Touchpoints of one kind since some instant, in the order of their time.

    What many audiences ask the same way is found out once: which touchpoints a `where` leaves, what amounts add up to.
    """

    def __init__(self, since: datetime, touched: Sequence[Touched]) -> None:
        self.since, self.touched = since, touched
        self._instants = [each.occurred_at for each in touched]
        self._narrowed: dict[str, History] = {}
        self._totals: dict[tuple[str, str], list[int]] = {}

    def span(self, bounds: Bounds) -> tuple[int, int]:
        """Answer the places of the touchpoints between two instants. Errors: NotLoaded."""
        if (bounds.start or EVER) < self.since:
            raise NotLoaded(f"touchpoints are known since {self.since} only")
        first = 0 if bounds.start is None else bisect_left(self._instants, bounds.start)
        return first, len(self.touched) if bounds.end is None else bisect_left(self._instants, bounds.end)

    def narrowed(self, name: str, fits: Callable[[Touched], bool]) -> "History":
        """Answer those touchpoints that fit; one name always stands for the same test."""
        found = self._narrowed.get(name)
        if found is None:
            found = self._narrowed[name] = History(self.since, [each for each in self.touched if fits(each)])
        return found

    def total(self, amount: str, currency: str, span: tuple[int, int]) -> int:
        """Add up an amount over a span, in one currency."""
        totals = self._totals.get((amount, currency))
        if totals is None:
            totals = self._totals[amount, currency] = list(accumulate(self._amounts(amount, currency), initial=0))
        return totals[span[1]] - totals[min(span)]

    def _amounts(self, amount: str, currency: str) -> Iterator[int]:
        for each in self.touched:
            found = each.amounts[amount]
            yield found[0] if found is not None and found[1] == currency else 0


@dataclass
class Facts:
    """A customer at a moment."""

    customer_id: UUID
    moment: Moment
    fields: Mapping[str, Values]
    histories: Mapping[str, History]
    _bounds: dict[str, Bounds] = field(default_factory=dict)

    def history(self, kind: str) -> History:
        """Answer the touchpoints of a kind. Errors: NotLoaded."""
        try:
            return self.histories[kind]
        except KeyError:
            raise NotLoaded(kind) from None

    def last(self, text: str) -> Bounds:
        """Answer the bounds of a window that ends now."""
        found = self._bounds.get(text)
        if found is None:
            found = self._bounds[text] = last(text, self.moment)
        return found
