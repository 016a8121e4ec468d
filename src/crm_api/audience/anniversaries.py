"""Dates that come round: birthdays and the like, on the calendar of each customer's own time zone."""

from datetime import date, timedelta
from functools import cache, lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from .windows import Moment, next_days

LONGEST_DAYS: Final = 366
"""A longer window would mean everybody who has a date."""
_LEAP_DAY: Final = 229
_FALLS_ON: Final = {"02-28": 228, "03-01": 301}


class Due(NamedTuple):
    """Which dates have their anniversary in a window: by month and day (29 February is 229), and by year.

    A date comes round if its month and day are among `days` and it lies before `before`, or among `next_days` and
    before `next_before`: the window may reach into the next year, and nothing comes round in the year it began in.
    """

    days: list[int]
    before: date
    next_days: list[int]
    next_before: date

    def has(self, day: date) -> bool:
        """Say whether the anniversary of a date is in the window."""
        number = month_day(day)
        return (day < self.before and number in self.days) or (day < self.next_before and number in self.next_days)


def month_day(day: date) -> int:
    """Write month and day as one number."""
    return day.month * 100 + day.day


def is_within_a_year(text: str) -> bool:
    """Say whether a duration is no longer than a year."""
    days = next_days(text, date(2024, 1, 1))  # of a leap year
    return days is not None and (days.after - days.first).days <= LONGEST_DAYS


@lru_cache(maxsize=1024)
def due_days(text: str, leap: str, today: date) -> Due:
    """Answer what comes round in the days from today on. `leap`: where 29 February falls in common years."""
    found: tuple[list[int], list[int]] = ([], [])
    window = next_days(text, today)
    assert window is not None  # noqa: S101  # check() lets no hours through
    day = window.first
    while day < window.after:
        days = found[day.year - today.year]
        days.append(month_day(day))
        if month_day(day) == _FALLS_ON[leap] and not _is_leap(day.year):
            days.append(_LEAP_DAY)
        day += timedelta(days=1)
    return Due(found[0], date(today.year, 1, 1), found[1], date(today.year + 1, 1, 1))


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@lru_cache(maxsize=16)
def zones_by_date(moment: Moment) -> list[tuple[date, list[str]]]:
    """Answer the local dates there are at a moment with the time zones that have them, the business's date first.

    Always three; a date that no zone has stands there without zones. Never are there more, since clocks differ by less
    than two days.
    """
    zones: dict[date, list[str]] = {moment.today: []}
    for zone in _zones():
        zones.setdefault(moment.now.astimezone(zone).date(), []).append(str(zone))
    groups = list(zones.items())
    return [*groups, *[(moment.today, [])] * (3 - len(groups))]


@cache
def _zones() -> list[ZoneInfo]:
    return [ZoneInfo(name) for name in sorted(available_timezones() - {"localtime", "Factory"})]


def date_in(zone: str | None, moment: Moment) -> date:
    """Answer the local date of a customer: that of the business if the time zone is not known."""
    known = _known(zone) if zone else None
    return moment.today if known is None else moment.now.astimezone(known).date()


@lru_cache(maxsize=1024)
def _known(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    return frozenset(map(str, _zones()))
