"""Offer response: how likely a customer is to take an offer, and what offering it is worth.

A calibrated logistic regression (`logistic`) on decisions of the past: who was offered, what was known of them then,
and whether they responded. Worth = P(response) · margin - cost. Features that know the answer are refused (`leaks`).
It predicts response to being offered, not the change that the offer makes: for that there are holdouts (`experiments`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from . import leaks, logistic
from .backtesting import Backtest

MODEL: Final = "offer_response"
VERSION: Final = "1"
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "response_probability",
    "expected_profit_minor",
    "observation_count",
    "status",
    "reason",
)


def fit(decisions: pl.DataFrame, features: Sequence[str]) -> logistic.Model:
    """Fit past decisions: rows of customer_id, responded (true or false), features as known when offered.

    States: those of `logistic.fit`. Errors: leaks.LeakingFeatures; TypeError for a feature neither number nor word.
    """
    leaks.refuse_leaks(decisions, "responded", features)
    return logistic.fit(decisions, "responded", features)


def score(customers: pl.DataFrame, fitted: logistic.Model, margin_minor: int, cost_minor: int) -> pl.DataFrame:
    """Score customers who may be offered: rows of customer_id and the features.

    Returns one row each, sorted by customer_id, with `OUTPUT_COLUMNS`; observation_count is the number of decisions the
    model has learned from. Without a fit the figures are null.
    """
    ordered = customers.sort("customer_id")
    chance = pl.Series([None] * ordered.height, dtype=pl.Float64)
    if fitted.status == "ok":
        chance = pl.Series(logistic.predict(fitted, ordered).round(6), dtype=pl.Float64)
    return ordered.select(
        "customer_id",
        chance.alias("response_probability"),
        (chance * margin_minor - cost_minor).round(0).cast(pl.Int64).alias("expected_profit_minor"),
        pl.lit(fitted.row_count, dtype=pl.Int64).alias("observation_count"),
        pl.lit(fitted.status).alias("status"),
        pl.lit(fitted.reason, dtype=pl.String).alias("reason"),
    )


def backtest(decisions: pl.DataFrame, features: Sequence[str], later: pl.DataFrame | None = None) -> Backtest:
    """Judge on later decisions, given as rows of the same form, or by five folds where there are none.

    Figures: those of `logistic.judge`, and the lift: the response among the tenth predicted highest over that of all.
    """
    found = logistic.judge(MODEL, fit(decisions, features), "responded", later)
    if found.status != "ok":
        return found
    lift = float(found.table["observed"][-1]) / found.figures["outcome_rate"]
    return replace(found, figures={**found.figures, "top_tenth_lift": lift})
