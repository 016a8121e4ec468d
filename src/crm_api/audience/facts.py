"""What is known of a customer, in memory: enough to decide some audiences, and loaded in one query per table."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from .anniversaries import date_in
from .windows import Bounds, Days, Moment, last, last_days, next_days, span_of, upcoming

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""No touchpoint is older."""

Values = tuple[Any, ...]
"""Of one field: one value on the own row, which may be None; of other rows one for each row. Money is minor units and
currency, a place latitude and longitude.
"""
Quantity = tuple[Any, str | None]
"""Something that is added up: minor units and their currency, or a number and None."""


class NotLoaded(LookupError):
    """An audience was asked for whom the facts were not loaded: a mistake of the program, never a missing value."""


@dataclass(slots=True)
class Line:
    """A line of a touchpoint, as far as it was asked for."""

    fields: Mapping[str, Values]
    amounts: Mapping[str, Quantity | None]


@dataclass(slots=True)
class Touched:
    """A touchpoint, as far as it was asked for; `lines` is None where they were not."""

    occurred_at: datetime
    fields: Mapping[str, Values]
    amounts: Mapping[str, Quantity | None]
    lines: Sequence[Line] | None = None


class History:
    """Touchpoints of one kind since some instant, in the order of their time.

    What many audiences ask the same way is found out once: which touchpoints a `where` leaves, what amounts add up to.
    """

    def __init__(self, since: datetime, touched: Sequence[Touched]) -> None:
        self.since, self.touched = since, touched
        self._instants = [each.occurred_at for each in touched]
        self._narrowed: dict[str, History] = {}
        self._totals: dict[str, list[Any]] = {}

    def span(self, bounds: Bounds) -> tuple[int, int]:
        """Answer the places of the touchpoints between two instants. Errors: NotLoaded."""
        if (bounds.start or EVER) < self.since:
            raise NotLoaded(f"touchpoints are known since {self.since} only")
        first = 0 if bounds.start is None else bisect_left(self._instants, bounds.start)
        end = len(self.touched) if bounds.end is None else bisect_left(self._instants, bounds.end)
        return first, max(first, end)

    def narrowed(self, name: str, fits: Callable[[Touched], bool]) -> "History":
        """Answer those touchpoints that fit; one name always stands for the same test."""
        found = self._narrowed.get(name)
        if found is None:
            found = self._narrowed[name] = History(self.since, [each for each in self.touched if fits(each)])
        return found

    def total(self, name: str, of: Callable[[Touched], Any], span: tuple[int, int]) -> Any:
        """Add up numbers over a span; one name always stands for the same ones."""
        totals = self._totals.get(name)
        if totals is None:
            totals = self._totals[name] = list(accumulate(map(of, self.touched), initial=0))
        return totals[span[1]] - totals[span[0]]


@dataclass
class Facts:
    """A customer at a moment."""

    customer_id: UUID
    moment: Moment
    fields: Mapping[str, Values]
    histories: Mapping[str, History]
    zone: str | None = None
    """The customer's time zone, where a calendar is asked for."""
    household: "Sequence[Facts] | None" = field(default=None, repr=False)
    """Those who live together, the customer among them, where they are asked."""
    _bounds: dict[tuple[str, str], Any] = field(default_factory=dict)

    def history(self, kind: str) -> History:
        """Answer the touchpoints of a kind. Errors: NotLoaded."""
        try:
            return self.histories[kind]
        except KeyError:
            raise NotLoaded(kind) from None

    @property
    def members(self) -> "Sequence[Facts]":
        """Those who live together, the customer among them. Errors: NotLoaded."""
        if self.household is None:
            raise NotLoaded("household")
        return self.household

    @cached_property
    def today(self) -> date:
        """The date on the customer's own calendar."""
        return date_in(self.zone, self.moment)

    def last(self, text: str) -> Bounds:
        """Answer the bounds of a window that ends now."""
        found: Bounds = self._once("last", text, lambda: last(text, self.moment))
        return found

    def upcoming(self, text: str) -> Bounds:
        """Answer the bounds of a window that begins today."""
        found: Bounds = self._once("upcoming", text, lambda: upcoming(text, self.moment))
        return found

    def last_days(self, text: str) -> Days:
        """Answer the business's dates of a window that ends today."""
        found: Days = self._once("last_days", text, lambda: last_days(text, self.moment.today))
        return found

    def next_days(self, text: str) -> Days:
        """Answer the business's dates of a window that begins today."""
        found: Days = self._once("next_days", text, lambda: next_days(text, self.moment.today))
        return found

    def span(self, operator: str, value: Any) -> Bounds:
        """Answer the bounds that a comparison with the business's dates means."""
        found: Bounds = self._once(operator, str(value), lambda: span_of(operator, value, self.moment))
        return found

    def _once(self, what: str, text: str, make: Callable[[], Any]) -> Any:
        found = self._bounds.get((what, text))
        if found is None:
            found = self._bounds[what, text] = make()
        return found
