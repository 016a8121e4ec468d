"""Churn without a contract: ranks and probabilities against what happened, the laws, hard data."""

from datetime import date, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import bg_nbd, churn, purchases

from .buying import START, Truth, simulate
from .conftest import purchases as feed

CUT = date(1997, 10, 1)
ASKED = churn.Parameters(as_of=CUT, horizon_days=90)
FITTED = bg_nbd.Fit(0.2425945, 4.413602, 0.792922, 2.425907, (), 0.0, 0, 0, "ok", None)
Row = tuple[str, date, int | None]


def histories(frame: pl.DataFrame, as_of: date = CUT) -> pl.DataFrame:
    return purchases.histories(purchases.customer_days(frame, as_of), as_of)


def test_expected_purchases_rank_the_grocers_households(baskets: pl.DataFrame) -> None:
    """Who stays away for four weeks: AUC .868 by expected purchases where P(alive) alone gives .72."""
    cut = date(2017, 10, 1)
    days = purchases.customer_days(baskets, date(2018, 1, 1))
    found = churn.backtest(days, cut, churn.Parameters(as_of=cut, horizon_days=28))
    assert found.status == "ok"
    assert found.figures["auc"] == pytest.approx(0.868, abs=0.005)
    assert found.figures["auc_of_alive_probability"] == pytest.approx(0.724, abs=0.01)
    assert found.figures["auc"] > found.figures["auc_of_recency"] + 0.04
    assert found.figures["calibration_error"] < 0.025


def test_cdnow_is_ranked_and_calibrated(cdnow: pl.DataFrame) -> None:
    found = churn.backtest(purchases.customer_days(cdnow, date(1998, 7, 1)), CUT, ASKED)
    assert found.figures["auc"] == pytest.approx(0.789, abs=0.005)
    assert found.figures["calibration_error"] < 0.03
    assert found.until == date(1997, 12, 30)
    assert (found.table["predicted"] - found.table["observed"]).abs().max() < 0.06


def test_simulated_customers_churn_as_often_as_said() -> None:
    days = purchases.customer_days(simulate(Truth(r=0.8, alpha=6.0), customers=6000, seed=21), START + timedelta(400))
    found = churn.backtest(days, START + timedelta(250), churn.Parameters(START + timedelta(250), 120))
    assert found.figures["calibration_error"] < 0.02


def test_scores_say_when_a_customer_bought_and_stand_in_quarters(cdnow: pl.DataFrame) -> None:
    scores = churn.score(histories(cdnow), FITTED, ASKED)
    assert tuple(scores.columns) == churn.OUTPUT_COLUMNS
    assert scores["churn_probability"].is_between(0, 1).all()
    quarters = (
        scores.group_by("churn_quartile").agg(pl.len(), pl.col("expected_purchases").mean()).sort("churn_quartile")
    )
    assert quarters["expected_purchases"].is_sorted(descending=True)
    assert quarters["len"].min() > 400  # type: ignore[operator]
    [row] = scores.filter(pl.col("customer_id") == "0001").to_dicts()
    assert row["days_since_purchase"] == (CUT - date(1997, 8, 2)).days


def test_customers_all_alike_share_a_quartile() -> None:
    scores = churn.score(histories(feed([(f"c{n}", date(1997, 3, 1), 5) for n in range(9)])), FITTED, ASKED)
    assert scores["churn_quartile"].unique().to_list() == [2]


def test_what_is_not_identified_has_no_probability(online_retail: pl.DataFrame) -> None:
    as_of = date(2011, 12, 10)
    rows = histories(online_retail, as_of)
    scores = churn.score(rows, churn.fit(rows, churn.Parameters(as_of)), churn.Parameters(as_of))
    assert scores["status"].unique().to_list() == ["not_identified"]
    assert scores["churn_probability"].null_count() == scores["churn_quartile"].null_count() == 4338
    found = churn.backtest(purchases.customer_days(online_retail, as_of), date(2011, 9, 1), churn.Parameters(as_of))
    assert (found.status, found.figures) == ("not_identified", {})


def test_one_customer_and_nobody_are_too_few() -> None:
    for rows in ([("only", date(1997, 2, 1), 100)], []):
        known = histories(feed(rows))
        scores = churn.score(known, churn.fit(known, ASKED), ASKED)
        assert scores["status"].to_list() == ["insufficient_data"] * len(rows)


def test_when_everybody_comes_back_there_is_nothing_to_rank(cdnow: pl.DataFrame) -> None:
    again = cdnow.select("customer_id").unique().with_columns(on=CUT, amount_minor=pl.lit(1, dtype=pl.Int64))
    days = purchases.customer_days(pl.concat([cdnow, again]), date(1998, 7, 1))
    found = churn.backtest(days, CUT, ASKED)
    assert found.status == "insufficient_data"
    assert found.reason is not None and found.reason.startswith("0 of 2357")


def test_free_and_refunded_purchases_are_purchases_and_refunds_alone_are_none() -> None:
    rows: list[Row] = [("a", date(1997, 2, 1), 0), ("b", date(1997, 2, 1), 100), ("b", date(1997, 2, 9), -100)]
    first, second, third = churn.score(histories(feed([*rows, ("c", date(1997, 3, 1), -5)])), FITTED, ASKED).to_dicts()
    assert first["churn_probability"] == second["churn_probability"] is not None
    assert (third["status"], third["churn_probability"]) == ("insufficient_data", None)


some_rows = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.dates(date(1997, 1, 1), date(1997, 10, 5)), st.integers(-900, 5000)),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 1000))
def test_the_order_of_rows_changes_no_byte(rows: list[Row], seed: int) -> None:
    shuffled = Random(seed).sample(rows, len(rows))
    whole = churn.score(histories(feed(rows)), FITTED, ASKED)
    assert churn.score(histories(feed(shuffled)), FITTED, ASKED).write_csv() == whole.write_csv()
