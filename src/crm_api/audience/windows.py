"""What "the last 14 days" means: windows as bounds in UTC, made in the application."""

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

DURATION_PATTERN: Final = "^P([1-9][0-9]{0,3}[DWM]|T[1-9][0-9]{0,4}[HM])$"
_DURATION: Final = re.compile(r"P(?P<rolling>T?)(?P<number>[1-9][0-9]{0,4})(?P<unit>[DWMH])")
TODAY: Final = "today"
"""Name of the parameter that the business's local date is bound as."""
_LEAST: Final = timedelta(microseconds=1)  # what PostgreSQL and Python tell apart


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant an audience is asked at, and the business's time zone."""

    now: datetime
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("a moment is an instant: the time needs its offset")

    @property
    def today(self) -> date:
        """The local date of the business."""
        return self.now.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        """Answer the first instant of a local date, in UTC.

        Where clocks go back over midnight, the first of the two midnights is meant; where they skip it, that instant.
        """
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Instants in UTC: `start` is inside, `end` is not; None is open."""

    start: datetime | None = None
    end: datetime | None = None


def duration(text: str) -> str:
    """Let the duration of a window through. Source: ISO 8601-1, section 5.5.2; one unit, no years, no seconds."""
    if not re.fullmatch(DURATION_PATTERN[1:-1], text):
        raise PydanticCustomError(
            "duration", "Write a duration as PnD, PnW, PnM (days, weeks, months) or PTnH, PTnM (hours, minutes): P14D"
        )
    return text


def bound_name(text: str, end: Literal["start", "end"]) -> str:
    """Name the parameter that a bound of the last days, hours or minutes is bound as, so that it can be bound anew."""
    return f"last_{text}_{end}"


def moving_bounds(texts: Iterable[str], moment: Moment) -> dict[str, date | datetime]:
    """Answer what conditions are bound with at a moment, by the names of the parameters: today, and windows' bounds."""
    found: dict[str, date | datetime] = {TODAY: moment.today}
    for text in texts:
        bounds = last(text, moment)
        if bounds.start is not None and bounds.end is not None:
            found |= {bound_name(text, "start"): bounds.start, bound_name(text, "end"): bounds.end}
    return found


def last(text: str, moment: Moment) -> Bounds:
    """Answer the bounds of the last days, weeks, months, hours or minutes.

    Hours and minutes end now and reach back exactly. Days, weeks and months are whole local dates and end with today:
    P1D is today; P1M, asked on the 15th, begins on the 16th of the month before; where that date does not exist, with
    the last one before it.
    """
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text} is no duration of a window")
    number, unit = int(parts["number"]), parts["unit"]
    if parts["rolling"]:
        # Half open at the other end: what happens this very microsecond is in, what is as old as the window is out.
        length = timedelta(hours=number) if unit == "H" else timedelta(minutes=number)
        return Bounds(moment.now.astimezone(UTC) - length + _LEAST, moment.now.astimezone(UTC) + _LEAST)
    tomorrow = moment.today + timedelta(days=1)
    if unit == "M":
        first = months_before(tomorrow, number)
    else:
        first = tomorrow - timedelta(days=number * (7 if unit == "W" else 1))
    return Bounds(moment.start_of(first), moment.start_of(tomorrow))


def between(first: date | None, until: date | None, moment: Moment) -> Bounds:
    """Answer the bounds of local dates from `first` up to, and without, `until`."""
    return Bounds(
        None if first is None else moment.start_of(first),
        None if until is None else moment.start_of(until),
    )


def months_before(day: date, number: int) -> date:
    """Go back whole months; a date that does not exist there becomes the last of its month."""
    months = day.year * 12 + day.month - 1 - number
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
