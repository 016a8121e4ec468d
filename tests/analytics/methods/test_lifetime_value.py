"""Lifetime value: real figures, intervals against the exact distribution, the laws, hard data, the backtest."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.optimize import check_grad
from scipy.special import betainc

from crm_api.analytics.methods import bg_nbd, gamma_gamma, purchases
from crm_api.analytics.methods import lifetime_value as value

from .buying import START, Truth, simulate
from .conftest import purchases as feed

CUT = date(1997, 10, 1)
ASKED = value.Parameters(as_of=CUT, horizon_days=273)
FITTED = value.Fit(
    bg_nbd.Fit(0.2425945, 4.413602, 0.792922, 2.425907, (), 0.0, 0, 0, "ok", None),
    gamma_gamma.Fit(6.2495, 3.7442, 1544.37, (), 0.0, 0, 0.0, "ok", None),
)
Row = tuple[str, date, int | None]


def histories(frame: pl.DataFrame, as_of: date = CUT) -> pl.DataFrame:
    return purchases.histories(purchases.customer_days(frame, as_of), as_of)


def scored(*rows: Row, fitted: value.Fit = FITTED, asked: value.Parameters = ASKED) -> list[dict[str, object]]:
    return value.score(histories(feed(list(rows)), asked.as_of), fitted, asked).to_dicts()


def test_cdnow_gives_the_published_parameters(cdnow: pl.DataFrame) -> None:
    fitted = value.fit(histories(cdnow), ASKED)
    assert fitted.spend.status == fitted.purchases.status == "ok"
    assert (fitted.spend.p, fitted.spend.q) == pytest.approx((6.2495, 3.7442), rel=1e-3)
    assert fitted.spend.v / 100 == pytest.approx(15.4437, rel=1e-3)
    assert fitted.spend.customer_count == 946
    assert fitted.spend.correlation == pytest.approx(0.1139, abs=1e-3)


def test_the_gradient_of_the_spend_model_is_that_of_its_likelihood() -> None:
    random = np.random.default_rng(2)
    rows = gamma_gamma._Rows(random.integers(1, 9, 300).astype(np.float64), random.gamma(2, 1, 300))
    for at in ([0.5, 1.0, 0.2], [-1.0, 0.1, -2.0]):
        off = check_grad(lambda logs: rows.objective(logs)[0], lambda logs: rows.objective(logs)[1], np.array(at))
        assert off < 1e-5


def test_known_spend_is_found_again() -> None:
    truth = Truth(r=1.0, alpha=6.0, p=4.0, q=3.0, v=2000.0)
    fitted = value.fit(histories(simulate(truth, seed=8), START + timedelta(400)), ASKED)
    found = np.log([fitted.spend.p, fitted.spend.q, fitted.spend.v])
    distance = np.abs(found - np.log([truth.p, truth.q, truth.v])) / np.array(fitted.spend.relative_errors)
    assert fitted.spend.status == "ok"
    assert distance.max() < 3.5


def test_the_mean_value_is_known_where_the_evenness_of_spending_is_not(cdnow: pl.DataFrame) -> None:
    """Of 250 customers of CDNOW p and v each stay open, but not their product, nor q."""
    rows = value.sample(histories(cdnow), 250)
    fitted = value.fit(rows, ASKED).spend
    assert fitted.status == "ok"
    assert min(fitted.relative_errors[0], fitted.relative_errors[2]) > 1 > 3 * fitted.relative_errors[1]
    assert fitted.p * fitted.v / (fitted.q - 1) == pytest.approx(6.2495 * 1544.37 / 2.7442, rel=0.15)


def test_a_score_is_its_parts(cdnow: pl.DataFrame) -> None:
    asked = replace(ASKED, discount_rate=0.0)
    scores = value.score(histories(cdnow), FITTED, asked)
    assert tuple(scores.columns) == value.OUTPUT_COLUMNS
    assert scores["status"].unique().to_list() == ["ok"]
    product = scores["expected_purchases"] * scores["mean_value_minor"]
    assert ((product - scores["lifetime_value_minor"]).abs() < 10).all()
    assert (scores["value_low_minor"] <= scores["value_high_minor"]).all()
    assert (scores["purchases_low"] <= scores["purchases_high"]).all()
    once = histories(cdnow)["repeats"] == 0
    assert (scores["alive_probability"].is_null() == once).all()


def test_the_discount_takes_what_continuous_compounding_takes(cdnow: pl.DataFrame) -> None:
    """Against the sum over days of what each day adds, discounted to that day."""
    rows = histories(cdnow).head(40)
    asked = replace(ASKED, horizon_days=730, discount_rate=0.15)
    found = value.score(rows, FITTED, asked)["lifetime_value_minor"].to_numpy()
    plain = value.score(rows, FITTED, replace(asked, discount_rate=0.0))["lifetime_value_minor"].to_numpy()
    repeats, age = rows["repeats"].to_numpy(), rows["age_days"].to_numpy()
    until = [bg_nbd.ahead(FITTED.purchases, repeats, age, day / 7).mean for day in range(1, 731)]
    added = np.diff(np.array([np.zeros(40), *until]), axis=0)
    shares = np.array([1.15 ** -((day + 0.5) / 365.25) for day in range(730)])
    expected = plain * (added * shares[:, None]).sum(axis=0) / until[-1]
    assert np.abs(found - expected).max() < 2


def test_the_interval_of_money_has_the_mass_it_claims(cdnow: pl.DataFrame) -> None:
    """Against the exact mixture over the number of purchases, customer by customer."""
    asked = replace(ASKED, discount_rate=0.0)
    rows = histories(cdnow).filter(pl.col("repeats") > 0).gather_every(9)
    high = value.score(rows, FITTED, asked)["value_high_minor"].to_numpy().astype(np.float64)
    model, spend = FITTED.purchases, FITTED.spend
    repeats, recency, age = (rows[name].to_numpy() for name in ("repeats", "recency_days", "age_days"))
    alive = bg_nbd.p_alive(model, repeats, recency, age)
    x, rate = repeats.astype(np.float64), spend.v + rows["repeat_minor"].to_numpy()
    n = np.arange(1, 200, dtype=np.float64)
    off = []
    for place in np.flatnonzero(high > 0):
        ones = np.ones_like(n)
        reached = alive[place] * bg_nbd.at_least(model, ones * x[place], ones * age[place], asked.weeks, n)
        exactly = reached - np.append(reached[1:], 0.0)
        below = betainc(spend.p * n, spend.q + spend.p * x[place], high[place] / (high[place] + rate[place]))
        off.append(1 - reached[0] + (exactly * below).sum() - 0.9)
    assert len(off) > 50
    assert np.abs(off).max() < 0.015
    assert abs(np.mean(off)) < 0.005


def test_the_backtest_of_cdnow(cdnow: pl.DataFrame) -> None:
    """Fitted on 39 weeks, judged by the next 39; the paper's own picture shows the same shortfall of the sum."""
    end = date(1998, 7, 1)
    found = value.backtest(purchases.customer_days(cdnow, end), CUT, value.Parameters(as_of=end))
    assert (found.status, found.cut_on, found.until) == ("ok", CUT, end)
    assert found.figures["customer_count"] == 2357
    assert found.figures["observed_purchases"] == 1882
    assert found.figures["purchase_bias"] == pytest.approx(-0.121, abs=0.005)
    assert found.figures["mean_absolute_error"] < 0.8 * found.figures["mean_absolute_error_of_past_rate"]
    assert found.figures["purchases_in_interval_rate"] >= 0.8
    assert found.figures["value_in_interval_rate"] >= 0.8
    assert found.table["count"].sum() == 2357
    assert found.table["observed"][-1] > 10 * found.table["observed"][0]


def test_simulated_customers_are_predicted_without_bias() -> None:
    end = START + timedelta(400)
    days = purchases.customer_days(simulate(Truth(r=0.8, alpha=6.0), customers=6000, seed=11), end)
    found = value.backtest(days, START + timedelta(220), value.Parameters(as_of=end))
    assert abs(found.figures["purchase_bias"]) < 0.06
    assert abs(found.figures["value_bias"]) < 0.08
    gap = (found.table["predicted"] - found.table["observed"]).abs()
    assert (gap < 0.15 + 0.1 * found.table["observed"]).all()


def test_what_is_not_identified_is_never_a_number(online_retail: pl.DataFrame) -> None:
    as_of = date(2011, 12, 10)
    asked = value.Parameters(as_of=as_of)
    rows = histories(online_retail, as_of)
    scores = value.score(rows, value.fit(rows, asked), asked)
    assert scores.height == 4338
    assert scores["status"].unique().to_list() == ["not_identified"]
    assert scores["reason"][0].startswith("Purchases: ")
    figures = scores.drop("customer_id", "observation_count", "status", "reason")
    assert figures.null_count().row(0) == (4338,) * figures.width
    back = value.backtest(purchases.customer_days(online_retail, as_of), date(2011, 9, 1), asked)
    assert (back.status, back.figures, back.table.height) == ("not_identified", {}, 0)


def test_one_price_for_all_leaves_the_purchases_and_no_money(cdnow: pl.DataFrame) -> None:
    rows = histories(cdnow.with_columns(pl.lit(995).alias("amount_minor")))
    scores = value.score(rows, value.fit(rows, ASKED), ASKED)
    assert scores["status"].unique().to_list() == ["not_identified"]
    assert scores["reason"][0].startswith("Spend: ")
    assert scores["expected_purchases"].null_count() == 0
    assert scores["lifetime_value_minor"].null_count() == scores.height


@pytest.mark.parametrize("amount", [0, None])
def test_without_money_there_is_none(cdnow: pl.DataFrame, amount: int | None) -> None:
    rows = histories(cdnow.with_columns(pl.lit(amount, dtype=pl.Int64).alias("amount_minor")))
    fitted = value.fit(rows, ASKED)
    assert (fitted.purchases.status, fitted.spend.status) == ("ok", "insufficient_data")
    assert value.score(rows, fitted, ASKED)["lifetime_value_minor"].null_count() == rows.height


def test_one_customer_is_too_few() -> None:
    rows = histories(feed([("only", date(1997, 1, 1), 995), ("only", date(1997, 2, 1), 995)]))
    fitted = value.fit(rows, ASKED)
    [row] = value.score(rows, fitted, ASKED).to_dicts()
    assert (row["status"], row["expected_purchases"], row["observation_count"]) == ("insufficient_data", None, 2)


def test_nobody_is_no_row() -> None:
    rows = histories(feed([]))
    scores = value.score(rows, value.fit(rows, ASKED), ASKED)
    assert scores.height == 0
    assert tuple(scores.columns) == value.OUTPUT_COLUMNS
    assert value.score(rows, FITTED, ASKED).height == 0


def test_nothing_but_refunds_has_no_value_and_says_so() -> None:
    buyer, refunded = scored(("a", date(1997, 2, 1), 500), ("b", date(1997, 2, 1), -500))
    assert buyer["status"] == "ok"
    assert (refunded["status"], refunded["reason"]) == ("insufficient_data", value.NO_PURCHASE)
    assert refunded["lifetime_value_minor"] is None


def test_refunds_net_out() -> None:
    """A price of 900 less 400 given back is worth what a price of 500 is; more given back than paid is worth little."""
    rows: list[Row] = [("a", date(1997, 2, 1), 500), ("a", date(1997, 5, 1), 500)]
    refunded: list[Row] = [*rows[:1], ("a", date(1997, 5, 1), 900), ("a", date(1997, 6, 1), -400)]
    [plain], [netted] = scored(*rows), scored(*refunded)
    drop = ("observation_count",)
    assert {k: v for k, v in plain.items() if k not in drop} == {k: v for k, v in netted.items() if k not in drop}
    [free] = scored(*rows, ("a", date(1997, 6, 1), -500))
    [owed] = scored(*rows, ("a", date(1997, 6, 1), -5000))
    assert free["lifetime_value_minor"] == owed["lifetime_value_minor"]
    assert 0 < int(str(free["lifetime_value_minor"])) < int(str(plain["lifetime_value_minor"]))


def test_a_newcomer_changes_others_through_the_fit_alone(cdnow: pl.DataFrame) -> None:
    newcomer = feed([("zz-new", date(1997, 3, 3), 1000)])
    before, after = histories(cdnow), histories(pl.concat([cdnow, newcomer]))
    known = pl.col("customer_id") != "zz-new"
    assert_frame_equal(value.score(before, FITTED, ASKED), value.score(after, FITTED, ASKED).filter(known))
    first, second = value.fit(before, ASKED), value.fit(after, ASKED)
    assert first.spend == second.spend
    assert first.purchases != second.purchases
    refit = value.score(after, second, ASKED).filter(known)
    assert (value.score(before, first, ASKED)["expected_purchases"] - refit["expected_purchases"]).abs().max() < 1e-2


def test_a_sample_is_the_same_customers_in_any_order(cdnow: pl.DataFrame) -> None:
    rows = histories(cdnow)
    asked = replace(ASKED, sample_size=1000)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    chosen = value.sample(rows, 1000)
    assert chosen.height == 1000
    assert set(chosen["customer_id"]) == set(value.sample(shuffled, 1000)["customer_id"])
    assert value.fit(rows, asked) == value.fit(shuffled, asked)
    part, all_of_it = value.fit(rows, asked).purchases, value.fit(rows, ASKED).purchases
    assert part.customer_count == 1000
    assert abs(np.log(part.r / all_of_it.r)) < 3 * part.relative_errors[0]


def test_the_same_purchases_give_the_same_bytes_in_any_order(cdnow: pl.DataFrame) -> None:
    shuffled = cdnow.sample(fraction=1, shuffle=True, seed=5)
    rows, other = histories(cdnow), histories(shuffled)
    first = value.score(rows, value.fit(rows, ASKED), ASKED)
    second = value.score(other.sample(fraction=1, shuffle=True, seed=6), value.fit(other, ASKED), ASKED)
    assert first.write_csv() == second.write_csv()


some_rows = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.dates(date(1997, 1, 1), date(1997, 10, 5)), st.integers(-900, 5000)),
    max_size=50,
)


@settings(max_examples=60, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 1000))
def test_neither_order_nor_ranges_of_customers_change_a_byte(rows: list[Row], seed: int) -> None:
    whole = value.score(histories(feed(rows)), FITTED, ASKED)
    shuffled = Random(seed).sample(rows, len(rows))
    halves = [[row for row in shuffled if (row[0] < "d") is first] for first in (True, False)]
    parts = [value.score(histories(feed(half)), FITTED, ASKED) for half in halves]
    assert pl.concat(parts).write_csv() == whole.write_csv()


@settings(max_examples=60, deadline=None)
@given(rows=some_rows)
def test_figures_are_in_their_ranges(rows: list[Row]) -> None:
    scores = value.score(histories(feed(rows)), FITTED, ASKED).filter(pl.col("status") == "ok")
    assert scores["expected_purchases"].is_between(0, 1000).all()
    assert scores["alive_probability"].drop_nulls().is_between(0, 1).all()
    assert (scores["lifetime_value_minor"] >= 0).all()
    assert (scores["value_low_minor"] <= scores["value_high_minor"]).all()
