"""Segments by behavior, ready to adopt: what is known to be worth knowing of customers, said in the audience language.

An entry is a text of the language with places for its parameters. Values come from a checked query and are numbers,
codes and dates, so that the text stays what it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from ..audience.tree import Audience, Tree

_TREE: Final[TypeAdapter[Audience]] = TypeAdapter(Tree)
Season = Literal["spring", "summer", "autumn", "winter"]
_BEGINS: Final[dict[Season, int]] = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}
"""The month in which a meteorological season of the northern hemisphere begins; it has three."""

Values = Mapping[str, Any]
MEANINGS: Final[dict[str, str]] = {
    "currency": "Currency of the amount, ISO 4217; amounts in others do not count",
    "amount": "Amount of money",
    "days": "Local dates of the business that are looked back at, today included",
    "ahead": "Local dates that are to come, today included",
    "share": "Share of what is spent, 0 to 1",
    "field": "Field of the catalog that holds the date",
    "orders": "Number of orders",
    "season": "Three months: spring begins in March, summer in June, autumn in September, winter in December",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment to adopt. `text` has its parameters in braces; `dates` adds what follows from them and from today."""

    key: str
    name: str
    description: str
    text: str
    defaults: Values
    dates: Callable[[Values, date], Values] = lambda _values, _today: {}

    def values(self, given: Values) -> dict[str, Any]:
        """Answer the parameters: what is given, else the defaults."""
        return {name: given.get(name, value) for name, value in self.defaults.items()}

    def definition(self, values: Values, today: date) -> Audience:
        """Say it with these parameters."""
        return _TREE.validate_python(self.text.format(**values, **self.dates(values, today)))


def season_of(day: date) -> Season:
    """Say which season it is."""
    return next(name for name, month in _BEGINS.items() if (day.month - month) % 12 < 3)


def last_seasons(season: Season, today: date) -> Iterator[tuple[date, date]]:
    """Answer when a season began and ended, the last one that is over first."""
    month = _BEGINS[season]
    year = today.year
    while True:
        begins, ends = date(year, month, 1), date(year + (month + 3 > 12), (month + 2) % 12 + 1, 1)
        if ends <= today:
            yield begins, ends
        year -= 1


def _two_seasons(values: Values, today: date) -> Values:
    seasons = last_seasons(values["season"] or season_of(today), today)
    (last_from, last_until), (former_from, former_until) = next(seasons), next(seasons)
    return {
        "last_from": last_from,
        "last_until": last_until,
        "former_from": former_from,
        "former_until": former_until,
    }


LIBRARY: Final = (
    Entry(
        "high-spenders",
        "High spenders",
        "They spent much of late: the few who bring in most.",
        "sum(amount of order.placed, last {days} days) >= {amount} {currency}",
        {"amount": "500", "currency": "EUR", "days": 365},
    ),
    Entry(
        "occasional",
        "Occasional buyers",
        "They bought of late, but only now and then.",
        "count(order.placed, last {days} days) between 1 and {orders}",
        {"orders": 2, "days": 365},
    ),
    Entry(
        "seasonal",
        "Seasonal shoppers",
        "They bought in this season the last two times, and hardly in between. The dates are those of the last two such"
        " seasons that are over, so take it anew each year.",
        "count(order.placed, from {last_from} until {last_until}) >= 1"
        " and count(order.placed, from {former_from} until {former_until}) >= 1"
        " and count(order.placed, from {former_until} until {last_from}) <= {orders}",
        {"season": None, "orders": 1},
        _two_seasons,
    ),
    Entry(
        "lapsed",
        "Lapsed",
        "They were customers, and have not bought for long.",
        "count(order.placed) >= {orders} and never(order.placed, last {days} days)",
        {"orders": 2, "days": 180},
    ),
    Entry(
        "light-with-potential",
        "Light, with potential",
        "They seldom buy, but then for much: with a few orders more they would be among the best.",
        "count(order.placed, last {days} days) between 1 and {orders}"
        " and average(amount of order.placed, last {days} days) >= {amount} {currency}",
        {"amount": "100", "currency": "EUR", "orders": 3, "days": 365},
    ),
    Entry(
        "full-price",
        "Full-price buyers",
        "Nearly all they spend goes for goods without a discount, so that to give them one costs margin.",
        "count(order.placed, last {days} days) >= {orders}"
        " and share(items.paid of order.placed with items (discount <= 0 {currency}), last {days} days) >= {share}",
        {"share": 0.9, "currency": "EUR", "orders": 2, "days": 365},
    ),
    Entry(
        "birthday-soon",
        "Birthday soon",
        "Their birthday comes, by the calendar of their own time zone.",
        "birthday within next {ahead} days",
        {"ahead": 14},
    ),
    Entry(
        "renewal-due",
        "Renewal due",
        "A date of theirs comes, or comes round: the end of a contract, the day a policy renews.",
        "`{field}` within next {ahead} days or `{field}` anniversary within next {ahead} days",
        {"field": "custom.renewal_on", "ahead": 30},
    ),
)
