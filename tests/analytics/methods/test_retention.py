"""Churn with a contract: a curve from a textbook, real contracts, calibration, and features that know the answer."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import leaks, logistic, retention

CUT = date(2024, 6, 1)
NUMBERS = ["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"]
WORDS = [
    *("gender", "Partner", "Dependents", "PhoneService", "MultipleLines", "InternetService", "OnlineSecurity"),
    *("OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies", "Contract"),
    *("PaperlessBilling", "PaymentMethod"),
]


@pytest.fixture(scope="module")
def telco(test_data: Path) -> pl.DataFrame:
    lines = pl.read_csv(test_data / "telco_churn.csv")
    return lines.rename({"customerID": "customer_id"}).with_columns(churned=pl.col("Churn") == "Yes").drop("Churn")


def planted(size: int = 3000, seed: int = 1) -> pl.DataFrame:
    """Contracts whose odds of ending are known: -1.5 + 0.8·x, and 1 more in the south."""
    random = np.random.default_rng(seed)
    x, south = random.normal(size=size), random.random(size) < 0.3
    chance = 1 / (1 + np.exp(1.5 - 0.8 * x - south))
    return pl.DataFrame(
        {
            "customer_id": [f"c{n:05}" for n in range(size)],
            "x": x,
            "region": np.where(south, "south", "north"),
            "noise": random.normal(size=size),
            "churned": random.random(size) < chance,
        }
    )


def test_kaplan_meier_gives_the_textbooks_curve() -> None:
    """Remission under 6-MP (Freireich 1963; Kleinbaum and Klein, Survival Analysis, table 2.2)."""
    ended = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    running = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    frame = pl.DataFrame({"tenure": ended + running, "ended": [True] * len(ended) + [False] * len(running)})
    curve = retention.kaplan_meier(frame)
    assert curve["time"].to_list() == [6, 7, 10, 13, 16, 22, 23]
    assert curve["at_risk"].to_list() == [21, 17, 15, 12, 11, 7, 6]
    survival = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve["survival_rate"].to_list() == pytest.approx(survival, abs=1e-4)
    greenwood = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    assert curve["standard_error"].to_list() == pytest.approx(greenwood, abs=1e-4)
    assert curve["low"].to_list()[:2] == pytest.approx([0.6197, 0.5631], abs=1e-3)
    assert curve["high"].to_list()[:2] == pytest.approx([0.9516, 0.9228], abs=1e-3)


def test_a_curve_ends_at_nought_and_never_leaves_its_range() -> None:
    all_ended = retention.kaplan_meier(pl.DataFrame({"tenure": [1, 1, 2, 3], "ended": [True] * 4}))
    assert all_ended["survival_rate"].to_list() == [0.5, 0.25, 0.0]
    assert all_ended["low"].to_list()[-1] == all_ended["high"].to_list()[-1] == 0.0
    running = retention.kaplan_meier(pl.DataFrame({"tenure": [1, 5], "ended": [False, False]}))
    assert running.height == 0
    assert running.columns == all_ended.columns
    [one] = retention.kaplan_meier(pl.DataFrame({"tenure": [0], "ended": [True]})).rows()
    assert one[:4] == (0, 1, 1, 0.0)
    with pytest.raises(ValueError, match="below nought"):
        retention.kaplan_meier(pl.DataFrame({"tenure": [-1], "ended": [True]}))


lives = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(rows=lives, seed=st.integers(0, 100))
def test_survival_falls_within_its_bounds_in_any_order(rows: list[tuple[int, bool]], seed: int) -> None:
    frame = pl.DataFrame(rows, schema={"tenure": pl.Int64, "ended": pl.Boolean}, orient="row")
    curve = retention.kaplan_meier(frame)
    assert curve["survival_rate"].is_sorted(descending=True)
    inside = (curve["low"] <= curve["survival_rate"] + 1e-9) & (curve["survival_rate"] <= curve["high"] + 1e-9)
    assert inside.all()
    assert curve.equals(retention.kaplan_meier(frame.sample(fraction=1, shuffle=True, seed=seed)))
    if all(ended for _, ended in rows):
        for time, share in curve.select("time", "survival_rate").rows():
            assert share == pytest.approx(sum(life > time for life, _ in rows) / len(rows), abs=1e-8)


def test_telco_contracts_last_as_long_as_seen(telco: pl.DataFrame) -> None:
    curve = retention.kaplan_meier(telco.select("tenure", ended="churned"))
    assert curve.row(-1)[:3] == (72, 362, 6)
    assert curve["survival_rate"][-1] == pytest.approx(0.5928, abs=1e-4)


def test_telco_by_five_folds(telco: pl.DataFrame) -> None:
    found = retention.backtest(telco, [*NUMBERS, *WORDS])
    assert found.status == "ok"
    assert found.figures["auc"] == pytest.approx(0.845, abs=0.005)
    assert found.figures["customer_count"] == 7043
    assert found.figures["calibration_error"] < 0.02
    assert found.figures["brier"] < 0.75 * found.figures["brier_of_the_rate"]
    assert (found.table["predicted"] - found.table["observed"]).abs().max() < 0.06


def test_known_odds_are_found_again() -> None:
    frame = planted(20_000)
    fitted = retention.fit(frame, ["x", "region", "noise"])
    scores = retention.score(frame, fitted)
    south = (frame["region"] == "south").cast(pl.Float64)
    truth = 1 / (1 + (1.5 - 0.8 * frame["x"] - south).exp())
    assert (scores["churn_probability"] - truth).abs().mean() < 0.01  # type: ignore[operator]
    assert fitted.calibration_slope == pytest.approx(1.0, abs=0.05)
    assert scores.filter(pl.col("churn_quartile") == 4)["churn_probability"].min() > 0.25  # type: ignore[operator]


def test_a_later_period_judges_the_fit() -> None:
    found = retention.backtest(planted(seed=1), ["x", "region"], planted(seed=2))
    assert found.figures["auc"] == pytest.approx(0.72, abs=0.03)
    assert found.figures["calibration_error"] < 0.04
    assert found.table["count"].sum() == 3000


def test_a_leaking_feature_is_caught() -> None:
    """The reason of the cancellation, known once there was one; a refund of the last invoice; a peak in the middle."""
    frame = planted().with_columns(
        cancelled_by=pl.when(pl.col("churned")).then(pl.lit("phone")),
        last_refund=pl.col("churned").cast(pl.Int64) * 500 + (pl.col("noise") * 10).cast(pl.Int64),
        middle=pl.when(pl.col("churned")).then(0.0).otherwise(pl.col("noise").sign() * 5) + pl.col("noise") / 10,
        honest_id=pl.col("customer_id"),
    )
    features = ["x", "region", "cancelled_by", "noise", "last_refund", "middle", "honest_id"]
    found = leaks.find_leaks(frame, "churned", features)
    assert [leak.feature for leak in found] == ["cancelled_by", "last_refund", "middle"]
    assert all(leak.auc is not None and leak.auc > 0.97 for leak in found)
    with pytest.raises(leaks.LeakingFeatures, match="last_refund alone tells the outcome"):
        retention.fit(frame, ["x", "last_refund"])


def test_a_fact_from_after_the_cut_is_caught() -> None:
    frame = planted().with_columns(
        noise_on=pl.lit(CUT) - timedelta(days=1),
        x_on=pl.when(pl.col("noise") > 2).then(CUT).otherwise(date(2024, 1, 1)),
    )
    found = leaks.find_leaks(frame, "churned", ["x", "noise"], {"x": "x_on", "noise": "noise_on"}, CUT)
    assert [leak.feature for leak in found] == ["x"]
    late = frame.filter(pl.col("noise") > 2).height
    assert found[0].reason == f"x: {late} values became known on 2024-06-01 or later."


def test_honest_features_are_no_leak(telco: pl.DataFrame) -> None:
    assert leaks.find_leaks(telco, "churned", [*NUMBERS, *WORDS]) == []
    with_answer = telco.with_columns(answer=pl.col("churned").cast(pl.String))
    assert [leak.feature for leak in leaks.find_leaks(with_answer, "churned", [*WORDS, "answer"])] == ["answer"]


def test_too_few_of_either_kind_are_not_fitted() -> None:
    for frame in (planted(40), planted().with_columns(churned=pl.lit(False)), planted().head(0)):
        fitted = retention.fit(frame, ["x"])
        assert fitted.status == "insufficient_data"
        scores = retention.score(frame, fitted)
        assert scores["churn_probability"].null_count() == scores.height == frame.height
        assert retention.backtest(frame, ["x"]).status == "insufficient_data"
    one = retention.score(planted(1), retention.fit(planted(), ["x", "region"]))
    assert one["status"].to_list() == ["ok"]


def test_gaps_words_and_dates() -> None:
    holes = planted().with_columns(
        x=pl.when(pl.col("noise") > 1).then(None).otherwise(pl.col("x")), flat=pl.lit(7), empty=pl.lit(None)
    )
    fitted = retention.fit(holes, ["x", "region", "flat", "empty"])
    assert fitted.status == "ok"
    strange = planted(5, seed=9).with_columns(region=pl.lit("mars"), flat=pl.lit(7), empty=pl.lit(None))
    assert retention.score(strange, fitted)["churn_probability"].is_between(0, 1).all()
    with pytest.raises(TypeError, match="neither a number nor a word"):
        logistic.fit(holes.with_columns(since=CUT), "churned", ["since"])


def test_why_a_score_is_what_it_is_adds_up() -> None:
    frame = planted()
    fitted = retention.fit(frame, ["x", "region"])
    pushes = logistic.contributions(fitted, frame)
    assert pushes.columns == ["customer_id", "x", "region=north", "region=south"]
    total = pushes.select(pl.sum_horizontal(pl.exclude("customer_id"))).to_series()
    shift = fitted.calibration_intercept + fitted.calibration_slope * fitted.intercept
    again = 1 / (1 + (-(total + shift)).exp())
    assert (again - pl.Series(logistic.predict(fitted, frame))).abs().max() < 1e-5  # type: ignore[operator]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_changes_no_byte(seed: int) -> None:
    frame = planted(800)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    first, second = (retention.fit(rows, ["x", "region"]) for rows in (frame, shuffled))
    assert first.weights == second.weights
    assert retention.score(frame, first).write_csv() == retention.score(shuffled, second).write_csv()
    assert retention.backtest(shuffled, ["x", "region"]).table.equals(retention.backtest(frame, ["x", "region"]).table)
