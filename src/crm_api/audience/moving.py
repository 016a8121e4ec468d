"""What conditions are bound with that follow the moment: compiled once, an audience can be asked at any other."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from .anniversaries import due_days, zones_by_date
from .windows import Bounds, Days, Moment, last, last_days, next_days, upcoming

TODAY: Final = "today"
"""Name of the parameter that the business's local date is bound as."""


def bound_name(which: Literal["last", "next"], text: str, end: Literal["start", "end", "first", "after"]) -> str:
    """Name the parameter that a bound of a window from or up to now is bound as, so that it can be bound anew."""
    return f"{which}_{text}_{end}"


def moving_bounds(windows: Iterable[str], moment: Moment) -> dict[str, Any]:
    """Answer what conditions are bound with at a moment, by the names of the parameters: today, and windows' bounds.

    Windows are named as `depends.windows_of` does: "P14D", "within_last P14D", "within_next P14D",
    "anniversary P14D 02-28".
    """
    found: dict[str, Any] = {TODAY: moment.today}
    for window in windows:
        match window.split():
            case [text]:
                found |= _instants("last", last(text, moment), text)
            case ["within_last", text]:
                found |= _instants("last", last(text, moment), text)
                found |= _dates("last", last_days(text, moment.today), text)
            case ["within_next", text]:
                found |= _instants("next", upcoming(text, moment), text)
                found |= _dates("next", next_days(text, moment.today), text)
            case ["anniversary", text, leap]:
                found |= anniversary_bounds(text, leap, moment)
    return found


def _instants(which: Literal["last", "next"], bounds: Bounds, text: str) -> dict[str, Any]:
    return {bound_name(which, text, "start"): bounds.start, bound_name(which, text, "end"): bounds.end}


def _dates(which: Literal["last", "next"], days: Days | None, text: str) -> dict[str, Any]:
    if days is None:
        return {}
    return {bound_name(which, text, "first"): days.first, bound_name(which, text, "after"): days.after}


def anniversary_name(text: str, leap: str, part: str) -> str:
    """Name a parameter of an anniversary: `before_0` and `days_0` for the first group of zones, and so on."""
    return f"anniversary_{text}_{leap.replace('-', '')}_{part}"


def anniversary_bounds(text: str, leap: str, moment: Moment) -> dict[str, Any]:
    """Answer what the condition on an anniversary is bound with.

    Group 0 are customers on the business's date; groups 1 and 2 those in time zones where it is another one.
    """
    found: dict[str, Any] = {}
    groups = zones_by_date(moment)
    for number, (today, zones) in enumerate(groups):
        due = due_days(text, leap, today)
        parts = {"before": due.before, "days": due.days, "next_before": due.next_before, "next_days": due.next_days}
        found |= {anniversary_name(text, leap, f"{part}_{number}"): value for part, value in parts.items()}
        found[anniversary_name(text, leap, f"zones_{number}")] = zones
    return found
