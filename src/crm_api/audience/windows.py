"""What "the last 14 days" means: windows as bounds in UTC, made in the application."""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

DURATION_PATTERN: Final = "^P([1-9][0-9]{0,3}[DWM]|T[1-9][0-9]{0,4}[HM])$"
_DURATION: Final = re.compile(r"P(?P<rolling>T?)(?P<number>[1-9][0-9]{0,4})(?P<unit>[DWMH])")
_LEAST: Final = timedelta(microseconds=1)  # what PostgreSQL and Python tell apart


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant an audience is asked at, and the business's time zone."""

    now: datetime
    zone: ZoneInfo
    today: date = field(init=False, compare=False)
    """The local date of the business."""

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("a moment is an instant: the time needs its offset")
        object.__setattr__(self, "today", self.now.astimezone(self.zone).date())

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


class Days(NamedTuple):
    """Local dates: `first` is one of them, `after` is the first one after them."""

    first: date
    after: date


def duration(text: str) -> str:
    """Let the duration of a window through. Source: ISO 8601-1, section 5.5.2; one unit, no years, no seconds."""
    if not re.fullmatch(DURATION_PATTERN[1:-1], text):
        raise PydanticCustomError(
            "duration", "Write a duration as PnD, PnW, PnM (days, weeks, months) or PTnH, PTnM (hours, minutes): P14D"
        )
    return text


@lru_cache(maxsize=1024)  # many audiences, and many customers, ask for the same windows at one moment
def last(text: str, moment: Moment) -> Bounds:
    """Answer the bounds of the last days, weeks, months, hours or minutes.

    Hours and minutes end now and reach back exactly. Days, weeks and months are whole local dates and end with today.
    """
    number, unit, rolling = _parts(text)
    if rolling:
        # Half open at the other end: what happens this very microsecond is in, what is as old as the window is out.
        length = timedelta(hours=number) if unit == "H" else timedelta(minutes=number)
        return Bounds(moment.now.astimezone(UTC) - length + _LEAST, moment.now.astimezone(UTC) + _LEAST)
    return _of_days(last_days(text, moment.today), moment)


def upcoming(text: str, moment: Moment) -> Bounds:
    """Answer the bounds of the next days, weeks or months: whole local dates that begin with today."""
    return _of_days(next_days(text, moment.today), moment)


def last_days(text: str, today: date) -> Days | None:
    """Answer the local dates of the last days, weeks or months, the last of which is today.

    P1D is today; P1M, asked on the 15th, begins on the 16th of the month before; where that date does not exist, with
    the last one before it. Nothing for hours and minutes.
    """
    number, unit, rolling = _parts(text)
    tomorrow = today + timedelta(days=1)
    if rolling:
        return None
    return Days(_moved(tomorrow, -number, unit), tomorrow)


def next_days(text: str, today: date) -> Days | None:
    """Answer the local dates of the next days, weeks or months, the first of which is today.

    P1M, asked on the 15th, ends on the day before the 15th of the month after; where that date does not exist, on the
    day before the last one before it. Nothing for hours and minutes.
    """
    number, unit, rolling = _parts(text)
    return None if rolling else Days(today, _moved(today, number, unit))


def _parts(text: str) -> tuple[int, str, bool]:
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text} is no duration of a window")
    return int(parts["number"]), parts["unit"], bool(parts["rolling"])


def _of_days(days: Days | None, moment: Moment) -> Bounds:
    if days is None:
        raise ValueError("hours and minutes reach back only")
    return Bounds(moment.start_of(days.first), moment.start_of(days.after))


def _moved(day: date, number: int, unit: str) -> date:
    if unit == "M":
        return months_after(day, number)
    return day + timedelta(days=number * (7 if unit == "W" else 1))


def span_of(operator: str, value: Any, moment: Moment) -> Bounds | None:
    """Answer the bounds that a comparison with local dates means for a time; nothing if it is with times."""
    low, high = (value[0], value[1]) if isinstance(value, list) else (value, value)
    if isinstance(low, datetime):
        return None
    start, end = moment.start_of(low), moment.start_of(high + timedelta(days=1))
    return {
        "eq": Bounds(start, end),
        "between": Bounds(start, end),
        "gte": Bounds(start, None),
        "gt": Bounds(end, None),
        "lt": Bounds(None, start),
        "lte": Bounds(None, end),
    }[operator]


def between(first: date | None, until: date | None, moment: Moment) -> Bounds:
    """Answer the bounds of local dates from `first` up to, and without, `until`."""
    return Bounds(
        None if first is None else moment.start_of(first),
        None if until is None else moment.start_of(until),
    )


def months_after(day: date, number: int) -> date:
    """Go on whole months, back if negative; a date that does not exist there becomes the last of its month."""
    months = day.year * 12 + day.month - 1 + number
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
