"""Churn with a contract: how long contracts last (Kaplan-Meier), and which end next (a calibrated logistic hazard).

A contract that still runs says only that it lasted at least so long; Kaplan and Meier (1958) use it for as long as it
was seen. Intervals: Greenwood's variance (1926) on the scale of log(-log S), so that they stay between 0 and 1.

The hazard is discrete: among contracts at risk in a period, the probability of ending in it given what was known at
its beginning, tenure among it; `logistic` fits and calibrates it. Features that know the answer are refused (`leaks`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from scipy.stats import norm

from . import leaks, logistic
from .backtesting import Backtest, bin_of

MODEL: Final = "retention"
VERSION: Final = "1"
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "churn_probability",
    "churn_quartile",
    "observation_count",
    "status",
    "reason",
)
_CURVE: Final = {
    "time": pl.Int64,
    "at_risk": pl.Int64,
    "ended": pl.Int64,
    "survival_rate": pl.Float64,
    "standard_error": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def risk_by_time(contracts: pl.DataFrame) -> pl.DataFrame:
    """Count for each time from 0 the contracts watched at it, and those of them that ended.

    Wanted: tenure (whole periods, 0 or more), ended (true: it ended then; false: it still ran when last seen); used
    when present: entered (the tenure at which it was first watched, no later than the last). Returns time, at_risk,
    ended.
    """
    tenure = contracts["tenure"].cast(pl.Int64).to_numpy()
    entered = contracts["entered"].cast(pl.Int64).to_numpy() if "entered" in contracts.columns else 0 * tenure
    if (entered < 0).any() or (tenure < entered).any():
        raise ValueError("A tenure below nought, or before it was first watched.")
    size = int(tenure.max(initial=-1)) + 1
    came, went = np.bincount(entered, minlength=size + 1), np.bincount(tenure + 1, minlength=size + 1)
    ended = np.bincount(tenure[contracts["ended"].cast(pl.Boolean).to_numpy().astype(np.bool_)], minlength=size)
    counts = {"time": np.arange(size), "at_risk": np.cumsum(came - went)[:size], "ended": ended}
    return pl.DataFrame({name: pl.Series(values, dtype=pl.Int64) for name, values in counts.items()})


def kaplan_meier(contracts: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Estimate which share of contracts lasts beyond each time at which one ended.

    Wanted: what `risk_by_time` wants.
    Returns time, at_risk, ended, survival_rate, standard_error, low, high; no row when no contract ended. Past the last
    ending of a contract nothing is known but that the share is not higher.
    """
    events = risk_by_time(contracts).filter(pl.col("ended") > 0)
    if not events.height:
        return pl.DataFrame(schema=_CURVE)
    risk, ended = events["at_risk"].to_numpy().astype(np.float64), events["ended"].to_numpy().astype(np.float64)
    survival = np.cumprod(1 - ended / risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        summed = np.cumsum(ended / (risk * (risk - ended)))
        width = norm.ppf((1 + level) / 2) * np.sqrt(summed) / np.log(survival)
        low, high = survival ** np.exp(-width), survival ** np.exp(width)
        error = survival * np.sqrt(summed)
    gone = survival <= 0
    bounds = {"low": np.where(gone, 0.0, low), "high": np.where(gone, 0.0, high)}
    return events.select(
        "time",
        "at_risk",
        "ended",
        pl.Series("survival_rate", survival).round(9),
        pl.Series("standard_error", np.where(gone, 0.0, error)).round(9),
        *(pl.Series(name, values).round(9) for name, values in bounds.items()),
    )


def fit(contracts: pl.DataFrame, features: Sequence[str]) -> logistic.Model:
    """Fit the hazard on one period: rows of customer_id, churned (true: ended in the period), features before it.

    States: those of `logistic.fit`. Errors: leaks.LeakingFeatures; TypeError for a feature of another kind.
    """
    leaks.refuse_leaks(contracts, "churned", features)
    return logistic.fit(contracts, "churned", features)


def score(contracts: pl.DataFrame, fitted: logistic.Model) -> pl.DataFrame:
    """Score contracts that run: rows of customer_id, the features and, when there, tenure.

    Returns one row per contract, sorted by customer_id, with `OUTPUT_COLUMNS`; churn_quartile 4 is the most likely to
    end; observation_count is the number of periods seen (1 without a tenure). Without a fit the figures are null.
    """
    ordered = contracts.sort("customer_id")
    empty = pl.Series([None] * ordered.height, dtype=pl.Float64)
    churns, quartile = empty, empty
    if fitted.status == "ok":
        predicted = logistic.predict(fitted, ordered).round(6)
        churns, quartile = pl.Series(predicted), pl.Series(bin_of(predicted, 4))
    seen = pl.col("tenure") if "tenure" in ordered.columns else pl.lit(1)
    return ordered.select(
        "customer_id",
        churns.alias("churn_probability"),
        quartile.cast(pl.Int64).alias("churn_quartile"),
        seen.cast(pl.Int64).alias("observation_count"),
        pl.lit(fitted.status).alias("status"),
        pl.lit(fitted.reason, dtype=pl.String).alias("reason"),
    )


def backtest(contracts: pl.DataFrame, features: Sequence[str], later: pl.DataFrame | None = None) -> Backtest:
    """Judge the hazard on a later period, given as rows of the same form, or by five folds where there is none.

    Figures: those of `logistic.judge`.
    """
    return logistic.judge(MODEL, fit(contracts, features), "churned", later)
