"""Nodes over touchpoints, decided in memory; what they mean in SQL stands in sql_touchpoints.py."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import MISSING

from .catalog import Amount, Catalog, Countable
from .check import Compared, When
from .facts import Facts, History, Line, NotLoaded, Quantity, Touched
from .memory_tests import COMPARE, Test, compared, instant_test, written
from .operands import currency_of, minor_of, operand
from .print_text import print_text
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointCount,
    Touchpoints,
    TouchpointShare,
    TouchpointSum,
)
from .tree import Audience
from .values import Operator
from .windows import Bounds, between

Inside = Callable[[Audience, Catalog], Callable[[Any], bool]]
"""Makes a tree ready that stands inside another: what touchpoints or their lines must be."""
Leaf = tuple[Callable[[Any], Any], Test, Callable[[Any], Any]]
"""How to look, what must be met, how to show what was found."""


def over_touchpoints(node: Audience, countable: Countable, inside: Inside) -> Leaf:
    """Make a node over touchpoints ready."""
    made = _Maker(countable, inside)
    match node:
        case TouchpointCount():
            return made.count(node), compared(*node.comparison), int
        case NeverTouched():
            return made.count(node), lambda found, _: not found, int
        case TouchpointSum():
            return made.sum(node)
        case TouchpointAverage():
            return made.average(node)
        case TouchpointShare():
            return made.share(node)
        case FirstTouchpoint() | LatestTouchpoint():
            return made.edge(node)
    raise AssertionError(f"{type(node).__name__} is not over touchpoints")


class _Maker:
    """Makes nodes ready that look at the touchpoints of one catalog."""

    def __init__(self, countable: Countable, inside: Inside) -> None:
        self._countable, self._inside = countable, inside

    def count(self, node: OverTouchpoints) -> Callable[[Facts], int]:
        """Answer what counts the touchpoints of a node."""
        chosen, bounds = self._chosen(node.touchpoints), _bounds(node)

        def look(facts: Facts) -> int:
            first, end = chosen(facts).span(bounds(facts))
            return end - first

        return look

    def sum(self, node: TouchpointSum) -> Leaf:
        """Make a sum ready."""
        amount, operator, value, currency = self._asked(node, node.sum)
        chosen, bounds = self._chosen(node.of, by_items=not amount.of_items), _bounds(node)
        name, found_in = self._quantities(amount, node.of, currency)

        def total_of(touched: Touched) -> Any:
            return sum(found_in(touched))

        def look(facts: Facts) -> Any:
            history = chosen(facts)
            return history.total(name, total_of, history.span(bounds(facts)))

        return look, compared(operator, value), _shown(currency)

    def average(self, node: TouchpointAverage) -> Leaf:
        """Make an average ready: what is found are the sum and how many there are."""
        amount, operator, value, currency = self._asked(node, node.average)
        chosen, bounds = self._chosen(node.of, by_items=not amount.of_items), _bounds(node)
        name, found_in = self._quantities(amount, node.of, currency)

        def look(facts: Facts) -> tuple[Any, int]:
            history = chosen(facts)
            span = history.span(bounds(facts))
            total = history.total(name, lambda touched: sum(found_in(touched)), span)
            return total, history.total(f"number of {name}", lambda touched: len(found_in(touched)), span)

        show, met = _shown(currency), _times(operator, value)
        return (
            look,
            lambda found, _: found[1] > 0 and met(*found),
            lambda found: show(round(Fraction(found[0]) / found[1])) if found[1] else None,
        )

    def share(self, node: TouchpointShare) -> Leaf:
        """Make a share ready: what is found are the sum of some lines, that of all, and whether they have a ratio."""
        amount, operator, value, _ = self._asked(node, node.share, is_share=True)
        chosen, bounds = self._chosen(node.of, by_items=False), _bounds(node)
        fits, name = self._fits_line(node.of), amount.name

        def look(facts: Facts) -> tuple[Any, Any, bool]:
            history = chosen(facts)
            first, end = history.span(bounds(facts))
            some: Any = 0
            everything: Any = 0
            currencies: set[str | None] = set()
            for line in (line for touched in history.touched[first:end] for line in _lines(touched)):
                found = line.amounts[name]
                if found is not None:
                    currencies.add(found[1])
                    everything += found[0]
                    some += found[0] if fits(line) else 0
            return some, everything, len(currencies) == 1 and everything > 0

        met = _times(operator, value)
        return (
            look,
            lambda found, _: found[2] and met(found[0], found[1]),
            lambda found: round(float(Fraction(found[0]) / Fraction(found[1])), 6) if found[2] else None,
        )

    def edge(self, node: FirstTouchpoint | LatestTouchpoint) -> Leaf:
        """Make the time of the first or the latest touchpoint ready."""
        operator, raw = node.comparison
        value = operand(When(node.touchpoints.touchpoint), operator, raw)
        chosen, bounds = self._chosen(node.touchpoints), _bounds(node)
        is_first = isinstance(node, FirstTouchpoint)
        met = instant_test(operator, value, "02-28" if node.leap is MISSING else node.leap)

        def look(facts: Facts) -> datetime | None:
            history = chosen(facts)
            first, end = history.span(bounds(facts))
            if first == end:
                return None
            return history.touched[first if is_first else end - 1].occurred_at

        return look, lambda found, facts: found is not None and met(found, facts), written

    def _asked(
        self, node: TouchpointSum | TouchpointAverage | TouchpointShare, name: str, *, is_share: bool = False
    ) -> tuple[Amount, Operator, Any, str | None]:
        """Answer an amount, and what it is compared with in which currency."""
        amount = self._countable.amount(name)
        assert amount is not None  # noqa: S101  # check() saw to it
        operator, raw = node.comparison
        value = operand(Compared(amount, is_share=is_share), operator, raw)
        if is_share or amount.currency is None:
            return amount, operator, value, None
        return amount, operator, minor_of(value), currency_of(value)

    def _chosen(self, touchpoints: Touchpoints, *, by_items: bool = True) -> Callable[[Facts], History]:
        """Answer what finds the touchpoints that a node is about, whatever its window."""
        kind = touchpoints.touchpoint
        tests: list[tuple[str, Callable[[Touched], bool]]] = []
        if touchpoints.where is not MISSING:
            where = touchpoints.where
            tests.append((print_text(where), self._inside(where, self._countable.catalog)))
        if by_items and touchpoints.items is not MISSING:
            fits = self._fits_line(touchpoints)
            name = f"items {print_text(touchpoints.items)}"
            tests.append((name, lambda touched: any(map(fits, _lines(touched)))))

        def find(facts: Facts) -> History:
            history = facts.history(kind)
            for name, fits in tests:
                history = history.narrowed(name, fits)
            return history

        return find

    def _quantities(
        self, amount: Amount, touchpoints: Touchpoints, currency: str | None
    ) -> tuple[str, Callable[[Touched], list[Any]]]:
        """Answer a name for, and what finds, the numbers of a touchpoint that are added up."""
        name = amount.name
        if not amount.of_items:
            return f"{name} {currency}", lambda touched: _in_currency([touched.amounts[name]], currency)
        fits = self._fits_line(touchpoints)
        items = "" if touchpoints.items is MISSING else print_text(touchpoints.items)
        return f"{name} {currency} {items}", lambda touched: _in_currency(
            [line.amounts[name] for line in _lines(touched) if fits(line)], currency
        )

    def _fits_line(self, touchpoints: Touchpoints) -> Callable[[Line], bool]:
        if touchpoints.items is MISSING:
            return lambda _line: True
        assert self._countable.items is not None  # noqa: S101  # check() saw to it
        return self._inside(touchpoints.items, self._countable.items.catalog)


def _lines(touched: Touched) -> Sequence[Line]:
    if touched.lines is None:
        raise NotLoaded("lines")
    return touched.lines


def _in_currency(found: list[Quantity | None], currency: str | None) -> list[Any]:
    return [each[0] for each in found if each is not None and each[1] == currency]


def _bounds(node: OverTouchpoints) -> Callable[[Facts], Bounds]:
    if node.last is not MISSING:
        text = node.last
        return lambda facts: facts.last(text)
    first = None if node.from_ is MISSING else node.from_
    until = None if node.until is MISSING else node.until
    return lambda facts: between(first, until, facts.moment)


def _times(operator: Operator, value: Any) -> Callable[[Any, Any], bool]:
    """Answer the comparison of a total with so many times a value."""
    if operator == "between":
        low, high = value
        return lambda total, number: bool(low * number <= total <= high * number)
    compare = COMPARE[operator]
    return lambda total, number: compare(total, value * number)


def _shown(currency: str | None) -> Callable[[Any], Any]:
    if currency is None:
        return lambda found: written(Decimal(found))
    return lambda found: written((found, currency), money=True)
