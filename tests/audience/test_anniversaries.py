"""Dates that come round, on each customer's own calendar: leap days, year ends, both sides of the date line."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.audience import Moment
from crm_api.audience.anniversaries import date_in, due_days, is_within_a_year, zones_by_date

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("born", "today", "window", "comes_round", "on_1_march"),
    [
        # The day itself, the last day of the window, the day after it.
        ("1990-06-10", "2026-06-10", "P1D", True, True),
        ("1990-06-10", "2026-06-04", "P7D", True, True),
        ("1990-06-10", "2026-06-03", "P7D", False, False),
        ("1990-06-10", "2026-06-11", "P7D", False, False),
        # Over the end of the year.
        ("1990-01-02", "2026-12-30", "P7D", True, True),
        ("1990-12-31", "2026-12-30", "P7D", True, True),
        ("1990-01-06", "2026-12-30", "P7D", False, False),
        # 29 February, in a leap year and in a common one.
        ("2000-02-29", "2024-02-29", "P1D", True, True),
        ("2000-02-29", "2024-02-28", "P1D", False, False),
        ("2000-02-29", "2024-03-01", "P1D", False, False),
        ("2000-02-29", "2026-02-28", "P1D", True, False),
        ("2000-02-29", "2026-03-01", "P1D", False, True),
        ("2000-02-29", "2100-02-28", "P1D", True, False),
        ("2000-02-29", "2000-02-29", "P1D", False, False),
        ("2000-02-28", "2026-02-28", "P1D", True, True),
        ("2000-03-01", "2026-03-01", "P1D", True, True),
        # Nothing comes round in the year it began in, nor before it began.
        ("2026-06-10", "2026-06-10", "P1D", False, False),
        ("2025-12-31", "2025-12-30", "P7D", False, False),
        ("2026-01-02", "2026-12-30", "P7D", True, True),
        ("2027-01-02", "2026-12-30", "P7D", False, False),
        ("2030-06-10", "2026-06-10", "P1D", False, False),
        # Months end on the day before their day, or before the last one there is.
        ("1990-07-09", "2026-06-10", "P1M", True, True),
        ("1990-07-10", "2026-06-10", "P1M", False, False),
        ("1990-02-27", "2026-01-31", "P1M", True, True),
        ("1990-02-28", "2026-01-31", "P1M", False, False),
        ("1990-02-28", "2024-01-31", "P1M", True, True),
        # A whole year, leap day included.
        ("2000-02-29", "2024-01-01", "P366D", True, True),
        ("1990-06-10", "2026-06-11", "P365D", True, True),
        ("1990-06-10", "2026-06-11", "P364D", False, False),
    ],
)
def test_what_comes_round(born: str, today: str, window: str, comes_round: bool, on_1_march: bool) -> None:
    day, now = date.fromisoformat(born), date.fromisoformat(today)
    assert due_days(window, "02-28", now).has(day) is comes_round
    assert due_days(window, "03-01", now).has(day) is on_1_march


@given(
    st.dates(date(1900, 1, 1), date(2030, 1, 1)),
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(1, 366),
    st.sampled_from([("02-28", 2, 28), ("03-01", 3, 1)]),
)
def test_it_is_what_looking_at_each_day_finds(born: date, today: date, days: int, leap: tuple[str, int, int]) -> None:
    def anniversary(year: int) -> date:
        try:
            return born.replace(year=year)
        except ValueError:
            return date(year, leap[1], leap[2])

    window = [today + timedelta(days=number) for number in range(days)]
    expected = any(day == anniversary(day.year) and day.year > born.year for day in window)
    assert due_days(f"P{days}D", leap[0], today).has(born) is expected


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        # Noon in UTC: it is tomorrow already at one side of the date line, still yesterday nowhere.
        ("Pacific/Kiritimati", "2026-03-01T12:00:00Z", "2026-03-02"),
        ("Pacific/Pago_Pago", "2026-03-01T12:00:00Z", "2026-03-01"),
        # Half past ten in UTC: three dates at once.
        ("Pacific/Kiritimati", "2026-03-01T10:30:00Z", "2026-03-02"),
        ("Europe/Berlin", "2026-03-01T10:30:00Z", "2026-03-01"),
        ("Pacific/Pago_Pago", "2026-03-01T10:30:00Z", "2026-02-28"),
        # The hour that clocks skip, and the one they repeat.
        ("America/New_York", "2026-03-08T04:59:59Z", "2026-03-07"),
        ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-08"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-01"),
        ("America/New_York", "2026-11-02T04:59:59Z", "2026-11-01"),
        # Who has no time zone, or one that is not known, is on the business's calendar.
        (None, "2026-03-01T22:59:59Z", "2026-03-01"),
        (None, "2026-03-01T23:00:00Z", "2026-03-02"),
        ("Mars/Olympus", "2026-03-01T23:00:00Z", "2026-03-02"),
        ("", "2026-03-01T23:00:00Z", "2026-03-02"),
    ],
)
def test_each_customer_has_a_calendar(zone: str | None, now: str, today: str) -> None:
    assert date_in(zone, Moment(datetime.fromisoformat(now), BERLIN)) == date.fromisoformat(today)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_zones_are_told_apart_by_their_date(now: datetime) -> None:
    moment = Moment(now, BERLIN)
    groups = zones_by_date(moment)
    assert len(groups) == 3 and groups[0][0] == moment.today
    for day, zones in groups:
        assert all(date_in(zone, moment) == day for zone in zones)
    assert "Europe/Berlin" in groups[0][1]


def test_windows_of_anniversaries_are_a_year_at_most() -> None:
    assert all(map(is_within_a_year, ("P1D", "P366D", "P52W", "P12M")))
    assert not any(map(is_within_a_year, ("P367D", "P53W", "P13M", "PT5H")))
