"""Offer response: how likely a customer is to take an offer, and what offering it is worth.

A calibrated logistic regression (`logistic`) on decisions of the past: who was offered, what was known of them then,
and whether they responded. Worth = P(response) · margin - cost. Features that know the answer are refused (`leaks`).
It predicts response to being offered, not the change that the offer makes: for that there are holdouts (`experiments`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from . import leaks, logistic
from .backtesting import Backtest, auc, brier, calibration, calibration_error, no_backtest

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

    Figures: AUC, Brier score beside that of the plain rate, calibration error, and the lift: the response among the
    tenth predicted highest over that of all. The table compares predicted and observed response by tenths.
    """
    fitted = fit(decisions, features)
    if fitted.status != "ok":
        return no_backtest(MODEL, None, None, fitted.status, fitted.reason)
    predicted, happened = fitted.held_out, fitted.happened
    if later is not None:
        ordered = later.sort("customer_id")
        predicted = logistic.predict(fitted, ordered)
        happened = ordered["responded"].cast(pl.Boolean).to_numpy().astype(np.bool_)
    if happened.all() or not happened.any():
        return no_backtest(MODEL, None, None, "insufficient_data", "All or none responded: there is nothing to rank.")
    table = calibration(predicted, happened.astype(np.float64))
    figures = {
        "decision_count": float(len(happened)),
        "response_rate": float(happened.mean()),
        "auc": auc(predicted, happened),
        "brier": brier(predicted, happened),
        "brier_of_the_rate": brier(np.full(len(happened), fitted.outcome_rate), happened),
        "calibration_error": calibration_error(table),
        "top_tenth_lift": float(table["observed"][-1]) / float(happened.mean()),
    }
    return Backtest(MODEL, None, None, "ok", None, figures, table)
