"""Price sensitivity: the discounts of a real grocer's year, planted buyers, and the laws that hold for any lines."""

from datetime import date, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import price_sensitivity
from crm_api.analytics.methods.price_sensitivity import Parameters

NEW_YEAR = Parameters(as_of=date(2018, 1, 1))
SCHEMA = {
    "customer_id": pl.String,
    "on": pl.Date,
    "list_minor": pl.Int64,
    "discount_minor": pl.Int64,
    "quantity": pl.Int64,
}
Line = tuple[str, int, int, int, int]


def days_of(lines: list[Line]) -> pl.DataFrame:
    rows = [(who, date(2017, 1, 1) + timedelta(days=day), *rest) for who, day, *rest in lines]
    return price_sensitivity.condense(pl.DataFrame(rows, schema=SCHEMA, orient="row"), NEW_YEAR.as_of)


@pytest.fixture(scope="module")
def days(journey_lines: pl.DataFrame, journey_products: pl.DataFrame) -> pl.DataFrame:
    """Complete Journey without fuel, vouchers and what is booked under no department."""
    kept = journey_products.filter(~pl.col("department").is_in(["FUEL", "COUPON", "MISCELLANEOUS"]))
    listed = pl.col("sales_value") + pl.col("retail_disc") + pl.col("coupon_match_disc")
    given_away = pl.col("retail_disc") + pl.col("coupon_disc") + pl.col("coupon_match_disc")
    lines = journey_lines.join(kept.select("product_id"), on="product_id")
    return price_sensitivity.condense(
        lines.with_columns(list_minor=listed, discount_minor=given_away), date(2018, 1, 1)
    )


def test_the_discount_share_of_a_real_year(days: pl.DataFrame) -> None:
    assert price_sensitivity.discount_share(days) == pytest.approx(0.16165, abs=0.000005)


def test_classes_of_one_half_year_hold_in_the_next(days: pl.DataFrame) -> None:
    test = price_sensitivity.backtest(days, date(2017, 7, 1), NEW_YEAR)
    figures = test.figures
    assert figures["customer_count"] > 1800
    assert figures["mean_absolute_error"] < figures["mean_absolute_error_of_bare_share"]
    assert figures["mean_absolute_error"] < 0.8 * figures["mean_absolute_error_of_one_share"]
    assert figures["calibration_error"] < 0.05
    assert 0.8 < figures["in_interval_rate"] < 0.97
    assert figures["full_price_buyers_later_rate"] > figures["discount_buyers_later_rate"] + 0.15


def test_lines_of_one_day_are_alike_in_a_real_year(days: pl.DataFrame) -> None:
    fitted = price_sensitivity.fit(days, NEW_YEAR)
    assert fitted.status == "ok"
    assert fitted.design_effect > 1.1
    scores = price_sensitivity.score(days, fitted, NEW_YEAR)
    assert scores["observation_count"].sum() == days["line_count"].sum()
    assert set(scores["price_class"].drop_nulls()) == {"full_price_buyer", "discount_buyer", "undecided"}
    wide = price_sensitivity.score(days, fitted, Parameters(NEW_YEAR.as_of, interval=0.99))
    assert (wide["price_class"] == "undecided").sum() > (scores["price_class"] == "undecided").sum()


def population(seed: int = 0, per_day: int = 1) -> list[Line]:
    source = np.random.default_rng(seed)
    lines: list[Line] = []
    for i in range(300):
        share = source.beta(6, 6)
        for day in range(40):
            discount = 0 if source.random() < share else 30
            lines += [(f"p{i:03}", day, 100, discount, 1)] * per_day
    return lines


def test_planted_buyers_are_told() -> None:
    planted: list[Line] = [("full", day, 100, 0, 1) for day in range(60)]
    planted += [("waits", day, 100, 20, 1) for day in range(60)]
    planted += [("half", day, 100, 20 * (day % 2), 1) for day in range(60)]
    planted += [("few", day, 100, 0, 1) for day in range(19)]
    days = days_of(population() + planted)
    scores = price_sensitivity.score(days, price_sensitivity.fit(days, NEW_YEAR), NEW_YEAR)
    rows = {row["customer_id"]: row for row in scores.to_dicts()}
    kinds = [rows[who]["price_class"] for who in ("full", "waits", "half", "few")]
    assert kinds == ["full_price_buyer", "discount_buyer", "undecided", None]
    assert (rows["waits"]["discount_rate"], rows["waits"]["list_minor"]) == (0.2, 6000)
    assert rows["full"]["full_price_rate"] < 1
    assert rows["few"]["status"] == "insufficient_data"
    assert "20 lines" in rows["few"]["reason"]
    assert rows["few"]["full_price_rate_low"] < rows["few"]["full_price_rate"]


def test_ten_like_lines_a_day_say_no_more_than_one() -> None:
    one, ten = (days_of(population(per_day=size)) for size in (1, 10))
    fits = [price_sensitivity.fit(days, NEW_YEAR) for days in (one, ten)]
    assert fits[0].design_effect == pytest.approx(1, abs=0.05)
    assert fits[1].design_effect == pytest.approx(10, rel=0.05)
    thin, thick = (price_sensitivity.score(days, fit, NEW_YEAR) for days, fit in zip((one, ten), fits, strict=True))
    width = [(s["full_price_rate_high"] - s["full_price_rate_low"]).mean() for s in (thin, thick)]
    assert width[1] == pytest.approx(width[0], rel=0.05)


def test_known_shares_lie_in_their_intervals() -> None:
    source = np.random.default_rng(9)
    shares = source.beta(5, 3, 800)
    lines = [(f"c{i:03}", day, 100, int(source.random() > shares[i]), 1) for i in range(800) for day in range(30)]
    days = days_of(lines)
    scores = price_sensitivity.score(days, price_sensitivity.fit(days, NEW_YEAR), NEW_YEAR)
    low, high = (scores[f"full_price_rate_{side}"].to_numpy() for side in ("low", "high"))
    assert np.mean((low <= shares) & (shares <= high)) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([("only", day, 100, 0, 1) for day in range(50)], "insufficient_data"),
        ([(f"c{i}", day, 100, 0, 1) for i in range(120) for day in range(25)], "insufficient_data"),
        ([(f"c{i}", day, 100, day % 2, 1) for i in range(120) for day in range(26)], "not_identified"),
    ],
)
def test_hard_data_gets_a_status_and_no_class(lines: list[Line], status: str) -> None:
    days = days_of(lines)
    fitted = price_sensitivity.fit(days, NEW_YEAR)
    scores = price_sensitivity.score(days, fitted, NEW_YEAR)
    assert fitted.status == status
    assert scores["status"].unique().to_list() == [status]
    assert scores["price_class"].null_count() == scores["full_price_rate"].null_count() == scores.height
    assert scores["reason"].null_count() == 0
    assert price_sensitivity.backtest(days, date(2017, 1, 20), NEW_YEAR).status == "insufficient_data"


def test_free_refunded_and_later_lines_say_nothing() -> None:
    lines = [("a", 1, 0, 0, 1), ("a", 1, -100, 0, 1), ("a", 1, 100, 0, -1), ("a", 365, 100, 0, 1)]
    assert days_of(lines).is_empty()
    assert np.isnan(price_sensitivity.discount_share(days_of(lines)))
    empty = price_sensitivity.score(days_of([]), price_sensitivity.fit(days_of([]), NEW_YEAR), NEW_YEAR)
    assert (empty.height, empty.columns) == (0, list(price_sensitivity.OUTPUT_COLUMNS))


def test_a_hundred_thousand_lines_of_one_customer() -> None:
    days = days_of(population() + [("a", day % 300, 100, 0, 1) for day in range(100_000)])
    scores = price_sensitivity.score(days, price_sensitivity.fit(days, NEW_YEAR), NEW_YEAR)
    row = scores.filter(pl.col("customer_id") == "a").to_dicts()[0]
    assert (row["observation_count"], row["price_class"]) == (100_000, "full_price_buyer")


line = st.tuples(
    st.sampled_from("abc"), st.integers(0, 5), st.integers(-100, 900), st.integers(0, 90), st.integers(-1, 3)
)
LOOSE = Parameters(as_of=date(2018, 1, 1), min_lines=1, min_customers=1)


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=40), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_neither_order_nor_cuts_change_a_byte(lines: list[Line], seed: int, cut: int) -> None:
    shuffled = Random(seed).sample(lines, len(lines))
    parts = [days_of(shuffled[at : at + cut]) for at in range(0, len(lines), cut)]
    whole, cuts = days_of(lines), price_sensitivity.combine(parts)
    scores = [price_sensitivity.score(days, price_sensitivity.fit(days, LOOSE), LOOSE) for days in (whole, cuts)]
    assert scores[0].write_csv() == scores[1].write_csv()
