"""Seasons: planted Christmas shoppers, no seasons where there are none, and the laws that hold for any days."""

from datetime import date, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, false_discovery_control

from crm_api.analytics.methods import season
from crm_api.analytics.methods.season import Parameters

NEW_YEAR = Parameters(as_of=date(2018, 1, 1))
Fact = tuple[str, int]


def days_of(facts: list[Fact]) -> pl.DataFrame:
    """Days after the first of 2017."""
    rows = [(who, date(2017, 1, 1) + timedelta(days=day)) for who, day in facts]
    frame = pl.DataFrame(rows, schema={"customer_id": pl.String, "on": pl.Date}, orient="row")
    return season.condense(frame, NEW_YEAR.as_of)


def ordinary(people: int, seed: int, start: int = 0) -> list[Fact]:
    source = np.random.default_rng(seed)
    return [
        (f"p{seed}-{i:04}", int(day))
        for i in range(people)
        for day in source.choice(np.arange(start, 365), int(source.integers(8, 80)), replace=False)
    ]


def judged(facts: list[Fact], parameters: Parameters = NEW_YEAR) -> pl.DataFrame:
    days = days_of(facts)
    return season.score(days, season.base_of(days), parameters)


def rows_of(scores: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in scores.to_dicts()}


def test_a_christmas_shopper_is_found_among_ordinary_ones() -> None:
    christmas = [("xmas", day) for day in [5, 180, *range(320, 360, 2)]]
    summer = [("summer", day) for day in [3, 300, *range(155, 240, 2)]]
    rows = rows_of(judged(ordinary(300, 1) + christmas + summer))
    assert (rows["xmas"]["shopper_class"], rows["xmas"]["peak_month"]) == ("seasonal", 12)
    assert rows["xmas"]["busy_months"] == [12]
    assert rows["xmas"]["peak_index"] > 400
    assert rows["summer"]["shopper_class"] == "seasonal"
    assert set(rows["summer"]["busy_months"]) <= {6, 7, 8}


def test_of_ordinary_customers_hardly_any_is_called_seasonal() -> None:
    """No season is there: in at most a twentieth of the samples (and some luck) may anybody be found."""
    samples = [judged(ordinary(120, seed)) for seed in range(2, 42)]
    wrong = sum((scores["shopper_class"] == "seasonal").any() for scores in samples)
    assert wrong <= 5


def test_of_those_called_seasonal_few_are_wrong() -> None:
    source = np.random.default_rng(7)
    planted = [
        (f"s{i:03}", int(day))
        for i in range(60)
        for day in [*source.choice(300, 6, replace=False), *source.choice(np.arange(334, 365), 12, replace=False)]
    ]
    found = judged(ordinary(1000, 50) + planted).filter(pl.col("shopper_class") == "seasonal")
    right = found["customer_id"].str.starts_with("s").sum()
    assert right >= 50
    assert found.height - right <= 0.1 * found.height


def test_a_season_that_everybody_has_is_nobodys() -> None:
    everybody = [(f"c{i:03}", day) for i in range(200) for day in [i % 60, 100 + i % 50, *range(335, 365, 3)]]
    scores = judged(everybody)
    assert "seasonal" not in scores["shopper_class"].to_list()


def test_occasional_shoppers_come_less_than_once_a_month_for_certain() -> None:
    often = [("often", day) for day in range(0, 365, 7)]
    rare = [("rare", day) for day in (2, 150, 300)]
    border = [("border", day) for day in range(0, 365, 33)]
    rows = rows_of(judged(ordinary(200, 3) + often + rare + border))
    assert [rows[who]["shopper_class"] for who in ("often", "rare", "border")] == ["regular", "occasional", "regular"]
    assert rows["rare"]["days_in_30"] == pytest.approx(3 * 30 / 363, abs=1e-5)


def test_who_came_lately_has_no_season() -> None:
    """Everything a newcomer bought lies in the last months; that is when they came, not their season."""
    row = rows_of(judged(ordinary(200, 4) + [("new", day) for day in range(300, 360, 3)]))["new"]
    assert (row["shopper_class"], row["status"]) == (None, "insufficient_data")
    assert "other months" in str(row["reason"])


def test_the_base_begins_with_the_customer() -> None:
    """Who came in March and then bought evenly is not seasonal for having bought nothing in January."""
    rows = rows_of(judged(ordinary(200, 5) + ordinary(1, 6, start=70)))
    assert rows["p6-0000"]["shopper_class"] == "regular"
    days = days_of(ordinary(200, 5) + ordinary(1, 6, start=70))
    months = season.profile(days, season.base_of(days), NEW_YEAR).filter(pl.col("customer_id") == "p6-0000")
    assert months["month"].to_list() == list(range(3, 13))
    assert months["expected_count"].sum() == pytest.approx(months["day_count"].sum(), abs=1e-4)


def test_the_figures_are_those_of_the_binomial_test_and_of_benjamini_and_hochberg() -> None:
    days = days_of(ordinary(60, 8))
    base = season.base_of(days)
    months = season.profile(days, base, NEW_YEAR)
    row = months.to_dicts()[17]
    who = days.filter(pl.col("customer_id") == row["customer_id"])
    at = base["year"] * 12 + base["month"]
    first = who["on"].min()
    assert isinstance(first, date)
    seen = base.filter(at >= first.year * 12 + first.month)
    share = seen.filter(pl.col("month") == row["month"])["base_count"].sum() / seen["base_count"].sum()
    expected = binomtest(row["day_count"], who.height, share, alternative="greater").pvalue
    assert row["p_value"] == pytest.approx(expected, rel=1e-4)
    assert months["q_value"].to_numpy() == pytest.approx(
        false_discovery_control(months["p_value"].to_numpy()), rel=1e-4
    )


def test_a_real_year_has_few_seasonal_households(journey_lines: pl.DataFrame) -> None:
    days = season.condense(journey_lines, NEW_YEAR.as_of)
    scores = season.score(days, season.base_of(days), NEW_YEAR)
    counts = dict(scores["shopper_class"].drop_nulls().value_counts().iter_rows())
    assert counts["regular"] > 2000
    assert 0 < counts["seasonal"] < 30
    assert 30 < counts["occasional"] < 200
    assert scores["observation_count"].sum() == days.height


def test_the_backtest_shows_whether_peaks_come_again() -> None:
    """Two years: in the second, the planted shoppers are there again at Christmas."""
    planted = [(f"s{i:02}", day) for i in range(40) for day in [5 + i % 20, 100 + i, *range(335, 365, 2)]]
    first = ordinary(400, 10) + planted
    before = days_of(first)
    later = ordinary(400, 11) + planted
    after = days_of(later).with_columns(
        pl.col("on").dt.offset_by("1y"), pl.col("customer_id").str.replace("p11-", "p10-")
    )
    test = season.backtest(before, after, date(2018, 1, 1), Parameters(as_of=date(2019, 1, 1)))
    assert test.status == "ok"
    assert test.figures["seasonal_count"] >= 40
    assert test.figures["peak_index_after"] > 300
    assert test.figures["mean_absolute_error"] < test.figures["mean_absolute_error_of_base"]
    assert season.backtest(before, after.clear(), date(2018, 1, 1), NEW_YEAR).status == "insufficient_data"


def test_hard_data() -> None:
    assert judged([]).columns == list(season.OUTPUT_COLUMNS)
    [one] = judged([("only", day) for day in range(0, 365, 5)]).to_dicts()
    assert (one["shopper_class"], one["status"]) == ("regular", "ok")
    alike = judged([(f"c{i}", day) for i in range(50) for day in range(0, 365, 10)])
    assert alike["shopper_class"].unique().to_list() == ["regular"]
    few = judged([("a", day) for day in (0, 1, 300, 301)], Parameters(NEW_YEAR.as_of, occasional_below=0.1))
    assert few["status"].to_list() == ["insufficient_data"]


def test_refunds_are_no_visits_and_a_hundred_thousand_lines_of_one_day_are_one() -> None:
    on = [date(2017, 3, 1)] * 100_000 + [date(2017, 4, 1), date(2017, 5, 1)]
    amounts = [0] * 100_000 + [-5, None]
    days = season.condense(pl.DataFrame({"customer_id": "a", "on": on, "amount_minor": amounts}), NEW_YEAR.as_of)
    assert days["on"].to_list() == [date(2017, 3, 1), date(2017, 5, 1)]


fact = st.tuples(st.sampled_from("abcd"), st.integers(0, 380))


@settings(max_examples=60, deadline=None)
@given(facts=st.lists(fact, min_size=1, max_size=60), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_neither_order_nor_cuts_change_a_byte(facts: list[Fact], seed: int, cut: int) -> None:
    shuffled = Random(seed).sample(facts, len(facts))
    days = season.combine(days_of(shuffled[at : at + cut]) for at in range(0, len(facts), cut))
    loose = Parameters(NEW_YEAR.as_of, min_days=1, min_known_days=1, false_rate=0.5)
    scores = season.score(days, season.base_of(days), loose)
    assert (
        scores.with_columns(pl.col("busy_months").cast(pl.List(pl.String)).list.join(",")).write_csv()
        == judged(facts, loose).with_columns(pl.col("busy_months").cast(pl.List(pl.String)).list.join(",")).write_csv()
    )


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_scipy(values: list[float]) -> None:
    assert season.adjusted(np.array(values)) == pytest.approx(false_discovery_control(values))
