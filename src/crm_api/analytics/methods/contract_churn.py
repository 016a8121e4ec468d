"""Churn with a contract: how likely a customer who is under contract is to end it in a horizon. Pure.

Method: the product limit of Kaplan and Meier (1958) by days under contract (`retention.risk_by_time`), conditional on
the age a contract has: P(ends in the next H days | a days old) = 1 - S(a + H) / S(a). Nothing is assumed of its shape,
so anniversaries, where contracts end, stay where they are.

Rules, stated once:

- **Under contract** is who began more contracts than ended, counted day by day; an end without a contract says nothing.
  A change of contract on one day goes on; of several contracts the last one that ends is the end.
- **Watched from**: where ends were recorded only from some day on, contracts enter with the age they had on that day
  (delayed entry); else those that ended before, which nobody recorded, would make the others look lasting.
- **Too few**: with fewer than `FEWEST_ENDED` ends nothing is said. Of an age at which fewer than `min_at_risk`
  contracts were watched nothing is known, and who comes to it within the horizon is told so: nothing is extrapolated.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from . import retention
from .backtesting import Backtest, auc, brier, calibration, calibration_error, no_backtest
from .likelihood import Floats
from .states import Status

MODEL: Final = "contract_churn"
VERSION: Final = "1"
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "end_probability",
    "contract_months",
    "observation_count",
    "status",
    "reason",
)
FEWEST_ENDED: Final = 30
_FEWEST_JUDGED: Final = 20
_SURE: Final = 1e-12
"""What is left where all ended: its logarithm is finite, and it is nought in the digits of a rate."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The reference date, days looked ahead, contracts it takes to know an age, and the day of the first known ends."""

    as_of: date
    horizon_days: int = 90
    min_at_risk: int = 30
    watched_from: date | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """By age in days, from 0: sums up to the day before it of log(1 - hazard) and of days that are not known."""

    log_survival: Floats
    unknown_days: NDArray[np.int64]
    ended_count: int
    status: Status
    reason: str | None


def condense(facts: pl.DataFrame, began: str, ended: str) -> pl.DataFrame:
    """Sum touchpoints up by customer and day; parts of a feed are summed apart and joined by `combine`.

    Columns wanted: customer_id, kind (others than `began` and `ended` do not count), on (local date). Returns
    customer_id, on, change (contracts begun less those ended), observation_count, sorted.
    """
    wanted = facts.filter(pl.col("kind").is_in([began, ended]))
    change = pl.when(pl.col("kind") == began).then(1).otherwise(-1).cast(pl.Int64)
    one = pl.lit(1, dtype=pl.Int64)
    return _sum_up(wanted.select("customer_id", "on", change.alias("change"), one.alias("observation_count")))


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join sums of several parts, also when a day's touchpoints were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)))


def spells(days: pl.DataFrame) -> pl.DataFrame:
    """Tell from when to when each customer was under contract, by all their days.

    Returns customer_id, started_on, ended_on (null while it runs), observation_count (touchpoints of the customer),
    sorted by customer_id and started_on.
    """
    ordered = days.sort("customer_id", "on")
    sums = pl.col("change").cum_sum()
    # A sum that never falls below nought: what is missing to nought is forgiven when it is missing.
    running = ordered.with_columns((sums - sums.cum_min().clip(upper_bound=0)).over("customer_id").alias("running"))
    before = pl.col("running").shift(1, fill_value=0).over("customer_id")
    begins = (before == 0) & (pl.col("running") > 0)
    marked = running.with_columns(
        begins.alias("begins"),
        ((before > 0) & (pl.col("running") == 0)).alias("ends"),
        pl.col("observation_count").sum().over("customer_id"),
    ).filter(pl.col("begins") | pl.col("ends"))
    paired = marked.with_columns(pl.col("on").shift(-1).over("customer_id").alias("ended_on")).filter("begins")
    return paired.select("customer_id", pl.col("on").alias("started_on"), "ended_on", "observation_count")


def lives(known: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Tell of each of `spells` how long it was watched before the reference date, as `retention` takes it.

    Returns customer_id, entered (age in days when it was first watched), tenure (age when it ended, or was last seen
    running), ended.
    """
    start = pl.col("started_on")
    ended = (pl.col("ended_on") < parameters.as_of).fill_null(False)
    last = pl.when(ended).then(pl.col("ended_on")).otherwise(pl.lit(parameters.as_of - timedelta(days=1)))
    since = start if parameters.watched_from is None else pl.lit(parameters.watched_from)
    begun = known.filter(start < parameters.as_of)
    told = begun.select("customer_id", entered=_days(since - start).clip(0), tenure=_days(last - start), ended=ended)
    return told.filter(pl.col("entered") <= pl.col("tenure"))


def fit(known: pl.DataFrame, parameters: Parameters) -> Fit:
    """Estimate by age how contracts end, from those of `spells` as they stood at the reference date."""
    watched = lives(known, parameters)
    risk = retention.risk_by_time(watched)
    at_risk, ended = (risk[name].to_numpy() for name in ("at_risk", "ended"))
    is_known = at_risk >= parameters.min_at_risk
    left = np.where(is_known, 1 - ended / np.maximum(at_risk, 1), 1.0)
    log_survival = np.concatenate([[0.0], np.cumsum(np.log(np.maximum(left, _SURE)))])
    unknown_days = np.concatenate([[0], np.cumsum(~is_known)]).astype(np.int64)
    ended_count = int(ended.sum())
    if ended_count < FEWEST_ENDED:
        reason = f"{ended_count} contracts were seen to end; at least {FEWEST_ENDED} are needed."
        return Fit(log_survival, unknown_days, ended_count, "insufficient_data", reason)
    return Fit(log_survival, unknown_days, ended_count, "ok", None)


def predict(fitted: Fit, ages: NDArray[np.int64], horizon_days: int) -> Floats:
    """Answer the probability that contracts so many days old end in the horizon; not a number where it is not known."""
    last = len(fitted.unknown_days) - 1
    until = ages + horizon_days
    seen = np.minimum(until, last)
    reached = np.minimum(ages, last)
    unknown = (until > last) | (fitted.unknown_days[seen] > fitted.unknown_days[reached])
    probability = -np.expm1(fitted.log_survival[seen] - fitted.log_survival[reached])
    return np.where(unknown, np.nan, probability)


def score(known: pl.DataFrame, fitted: Fit, parameters: Parameters) -> pl.DataFrame:
    """Score every customer under contract at the reference date; one row each, sorted by customer_id.

    Columns: `OUTPUT_COLUMNS`; contract_months are whole calendar months. Who is under no contract has no row.
    """
    run = running(known, parameters.as_of)
    chance = np.full(run.height, np.nan)
    if fitted.status == "ok":
        chance = predict(fitted, run["age"].to_numpy(), parameters.horizon_days)
    too_few = f"Fewer than {parameters.min_at_risk} contracts were seen as old as this one will be in the horizon."
    return answered(run, chance, fitted.reason or too_few, parameters)


def answered(run: pl.DataFrame, chance: Floats, why_not: str, parameters: Parameters) -> pl.DataFrame:
    """Lay probabilities beside the contracts of `running`, in `OUTPUT_COLUMNS`; one that is no number has a reason."""
    is_told = pl.col("end_probability").is_not_null()
    return run.with_columns(
        pl.Series("end_probability", chance, dtype=pl.Float64).round(6).fill_nan(None),
        _months(pl.col("started_on"), parameters.as_of).alias("contract_months"),
    ).select(
        *OUTPUT_COLUMNS[:4],
        pl.when(is_told).then(pl.lit("ok")).otherwise(pl.lit("insufficient_data")).alias("status"),
        pl.when(~is_told).then(pl.lit(why_not)).alias("reason"),
    )


def backtest(known: pl.DataFrame, parameters: Parameters) -> Backtest:
    """Score as of one horizon before the reference date, and look who ended the contract since.

    Figures: customer_count, ended_rate and the predicted one, AUC beside that of age alone (the youngest first), Brier
    score beside that of one rate for all, calibration_error, and untold_count, the customers of whom nothing was said.
    """
    cut_on = parameters.as_of - timedelta(days=parameters.horizon_days)
    asked = Parameters(cut_on, parameters.horizon_days, parameters.min_at_risk, parameters.watched_from)
    fitted = fit(known, asked)
    if fitted.status != "ok":
        return no_backtest(MODEL, cut_on, parameters.as_of, fitted.status, fitted.reason)
    run = running(known, cut_on)
    ages = run["age"].to_numpy()
    ended = (run["ended_on"] < parameters.as_of).fill_null(False).to_numpy()
    return judge(predict(fitted, ages, parameters.horizon_days), ages, ended, (cut_on, parameters.as_of))


def judge(
    predicted: Floats, ages: NDArray[np.int64], ended: NDArray[np.bool_], window: tuple[date | None, date | None]
) -> Backtest:
    """Compare probabilities, one for each contract, with what happened; those that are no number are only counted."""
    told = ~np.isnan(predicted)
    chance, happened = predicted[told].round(6), ended[told]
    yes, count = int(happened.sum()), len(happened)
    if not _FEWEST_JUDGED <= yes <= count - _FEWEST_JUDGED:
        reason = f"{yes} of {count} contracts ended: too few of either kind to judge."
        return no_backtest(MODEL, *window, "insufficient_data", reason)
    table = calibration(chance, happened.astype(np.float64))
    rate = float(happened.mean())
    figures = {
        "customer_count": float(count),
        "untold_count": float(len(predicted) - count),
        "ended_rate": rate,
        "predicted_rate": float(chance.mean()),
        "auc": auc(chance, happened),
        "auc_of_youth": auc(-ages[told].astype(np.float64), happened),
        "brier": brier(chance, happened),
        "brier_of_the_rate": rate * (1 - rate),
        "calibration_error": calibration_error(table),
    }
    return Backtest(MODEL, *window, "ok", None, figures, table)


def _sum_up(days: pl.DataFrame) -> pl.DataFrame:
    summed = days.group_by("customer_id", "on").agg(pl.col("change", "observation_count").sum())
    return summed.sort("customer_id", "on")


def running(known: pl.DataFrame, on: date) -> pl.DataFrame:
    """Leave those of `spells` under contract at the end of the day before a date, with their age on it in days,
    sorted by customer_id.
    """
    runs = (pl.col("started_on") < on) & (pl.col("ended_on") >= on).fill_null(True)
    age = _days(pl.lit(on) - pl.col("started_on")).alias("age")
    return known.filter(runs).with_columns(age).sort("customer_id")


def _days(between: pl.Expr) -> pl.Expr:
    return between.dt.total_days().cast(pl.Int64)


def _months(start: pl.Expr, on: date) -> pl.Expr:
    months = 12 * (on.year - start.dt.year().cast(pl.Int64)) + on.month - start.dt.month().cast(pl.Int64)
    return months - (start.dt.day() > on.day).cast(pl.Int64)
