"""Windows: whole local dates of the business's zone, across changing clocks, month ends and leap days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.audience import Bounds, Moment
from crm_api.audience.windows import between, last, months_after, next_days, span_of, upcoming

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = NEW_YORK) -> Moment:
    """Answer the moment of an RFC 3339 time."""
    return Moment(datetime.fromisoformat(text), zone)


@pytest.mark.parametrize(
    ("duration", "now", "start", "end"),
    [
        # The day of 23 hours: clocks go forward on 8 March 2026 in New York.
        ("P1D", "2026-03-08T12:00:00-04:00", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        # The day of 25 hours: clocks go back on 1 November 2026.
        ("P1D", "2026-11-01T12:00:00-05:00", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("P7D", "2026-03-10T00:00:00-04:00", "2026-03-04T05:00:00Z", "2026-03-11T04:00:00Z"),
        ("P1W", "2026-03-10T23:59:59-04:00", "2026-03-04T05:00:00Z", "2026-03-11T04:00:00Z"),
        # Just before midnight in New York it is long tomorrow in UTC.
        ("P1D", "2026-06-01T03:59:59Z", "2026-05-31T04:00:00Z", "2026-06-01T04:00:00Z"),
        ("P1M", "2026-05-15T12:00:00Z", "2026-04-16T04:00:00Z", "2026-05-16T04:00:00Z"),
        ("P1M", "2026-03-30T12:00:00Z", "2026-02-28T05:00:00Z", "2026-03-31T04:00:00Z"),
        ("P1M", "2026-03-31T12:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"),
        ("P12M", "2024-02-28T12:00:00Z", "2023-02-28T05:00:00Z", "2024-02-29T05:00:00Z"),
        ("P12M", "2024-02-29T12:00:00Z", "2023-03-01T05:00:00Z", "2024-03-01T05:00:00Z"),
        # Hours are hours, whatever clocks do; the bounds keep what is exactly now, not what is exactly as old.
        ("PT24H", "2026-03-08T12:00:00Z", "2026-03-07T12:00:00.000001Z", "2026-03-08T12:00:00.000001Z"),
        ("PT90M", "2026-03-08T07:00:00Z", "2026-03-08T05:30:00.000001Z", "2026-03-08T07:00:00.000001Z"),
    ],
)
def test_last(duration: str, now: str, start: str, end: str) -> None:
    assert last(duration, at(now)) == Bounds(datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("duration", "now", "start", "end"),
    [
        ("P1D", "2026-03-08T12:00:00-04:00", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("P2D", "2026-10-31T12:00:00-04:00", "2026-10-31T04:00:00Z", "2026-11-02T05:00:00Z"),
        ("P1W", "2026-03-10T23:59:59-04:00", "2026-03-10T04:00:00Z", "2026-03-17T04:00:00Z"),
        ("P1M", "2026-05-15T12:00:00Z", "2026-05-15T04:00:00Z", "2026-06-15T04:00:00Z"),
        ("P1M", "2026-01-31T12:00:00Z", "2026-01-31T05:00:00Z", "2026-02-28T05:00:00Z"),
        ("P1M", "2024-01-31T12:00:00Z", "2024-01-31T05:00:00Z", "2024-02-29T05:00:00Z"),
        ("P12M", "2024-02-29T12:00:00Z", "2024-02-29T05:00:00Z", "2025-02-28T05:00:00Z"),
    ],
)
def test_next(duration: str, now: str, start: str, end: str) -> None:
    moment = at(now)
    bounds = upcoming(duration, moment)
    assert bounds == Bounds(datetime.fromisoformat(start), datetime.fromisoformat(end))
    days = next_days(duration, moment.today)
    assert days is not None and days.first == moment.today
    assert bounds == Bounds(moment.start_of(days.first), moment.start_of(days.after))


def test_hours_reach_back_only() -> None:
    assert next_days("PT5H", date(2026, 1, 1)) is None
    with pytest.raises(ValueError, match="back only"):
        upcoming("PT5H", at("2026-03-08T12:00:00Z"))


@pytest.mark.parametrize(
    ("operator", "start", "end"),
    [
        ("eq", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("gte", "2026-03-08T05:00:00Z", None),
        ("gt", "2026-03-09T04:00:00Z", None),
        ("lt", None, "2026-03-08T05:00:00Z"),
        ("lte", None, "2026-03-09T04:00:00Z"),
    ],
)
def test_a_date_stands_for_all_of_that_local_date(operator: str, start: str | None, end: str | None) -> None:
    expected = Bounds(*(text and datetime.fromisoformat(text) for text in (start, end)))  # type: ignore[arg-type]
    moment = at("2020-01-01T00:00:00Z")
    assert span_of(operator, date(2026, 3, 8), moment) == expected
    assert span_of("between", [date(2026, 3, 8), date(2026, 3, 8)], moment) == span_of("eq", date(2026, 3, 8), moment)
    assert span_of(operator, datetime(2026, 3, 8, tzinfo=UTC), moment) is None


def test_dates_are_local_and_the_end_is_outside() -> None:
    moment = at("2026-07-01T00:00:00Z", BERLIN)
    assert between(date(2026, 3, 29), date(2026, 3, 30), moment) == Bounds(
        datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    )
    assert between(None, date(2026, 1, 1), moment).start is None
    assert between(date(2026, 1, 1), None, moment).end is None


def test_a_date_that_midnight_skips_begins_when_clocks_do() -> None:
    # In Cairo clocks go forward at midnight; in Havana they go back over it.
    assert at("2026-07-01T00:00:00Z", ZoneInfo("Africa/Cairo")).start_of(date(2026, 4, 24)) == datetime(
        2026, 4, 23, 22, tzinfo=UTC
    )
    assert at("2026-07-01T00:00:00Z", ZoneInfo("America/Havana")).start_of(date(2026, 11, 1)) == datetime(
        2026, 11, 1, 4, tzinfo=UTC
    )


def test_a_moment_is_an_instant() -> None:
    with pytest.raises(ValueError, match="offset"):
        Moment(datetime(2026, 1, 1), NEW_YORK)


moments = st.builds(
    Moment,
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([NEW_YORK, BERLIN, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Africa/Cairo")]),
)


@given(moments, st.integers(1, 400))
def test_the_last_days_are_so_many_dates_and_today_is_one(moment: Moment, number: int) -> None:
    bounds = last(f"P{number}D", moment)
    assert bounds.start is not None and bounds.end is not None
    first = bounds.start.astimezone(moment.zone).date()
    final = (bounds.end - timedelta(microseconds=1)).astimezone(moment.zone).date()
    assert (final, (final - first).days + 1) == (moment.today, number)
    assert bounds.start <= moment.now < bounds.end


@given(moments, st.integers(1, 30))
def test_windows_never_move_back_as_time_passes(moment: Moment, number: int) -> None:
    later = Moment(moment.now + timedelta(hours=23), moment.zone)
    for unit in "DWM":
        earlier_bounds, later_bounds = last(f"P{number}{unit}", moment), last(f"P{number}{unit}", later)
        assert earlier_bounds.start is not None and later_bounds.start is not None
        assert earlier_bounds.start <= later_bounds.start


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(0, 1000))
def test_months_keep_the_day_where_it_exists(day: date, number: int) -> None:
    before = months_after(day, -number)
    assert (day.year * 12 + day.month) - (before.year * 12 + before.month) == number
    assert before.day == day.day or (before + timedelta(days=1)).day == 1


@pytest.mark.parametrize("duration", ["P9999M", "P9999W", "P9999D", "PT99999H", "PT99999M"])
def test_the_longest_windows_can_be_asked_for(duration: str) -> None:
    bounds = last(duration, at("2026-03-08T12:00:00Z"))
    assert bounds.start is not None and bounds.start < datetime(2026, 1, 1, tzinfo=UTC)
