"""Churn without a contract: how likely a customer is to buy at all in a horizon, ranked by expected purchases.

Nobody gives notice, so there is no date on which a customer left; what can be asked, and judged afterwards, is whether
she buys within the horizon. BG/NBD (`bg_nbd`, Fader, Hardie, Lee 2005) answers it: P(at least one purchase) =
P(alive) · (1 - ((α+T)/(α+T+t))^(r+x)). The rank is by expected purchases and not by P(alive), which ranks badly: it
calls everybody with a single purchase alive, and the slow as alive as the quick.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from . import bg_nbd, purchases
from .backtesting import Backtest, auc, bin_of, brier, calibration, calibration_error, no_backtest
from .lifetime_value import NO_PURCHASE, sample
from .likelihood import Floats
from .purchases import Unit

MODEL: Final = "churn"
VERSION: Final = "1"
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "churn_probability",
    "expected_purchases",
    "churn_quartile",
    "days_since_purchase",
    "observation_count",
    "status",
    "reason",
)
_FEWEST_JUDGED: Final = 20


@dataclass(frozen=True, slots=True)
class Parameters:
    """The reference date, the horizon in days, what is a purchase, and how many customers are fitted at most."""

    as_of: date
    horizon_days: int = 90
    unit: Unit = "day"
    sample_size: int = 100_000

    @property
    def weeks(self) -> float:
        """The horizon in the model's unit of time."""
        return self.horizon_days / bg_nbd.DAYS_PER_WEEK


def fit(histories: pl.DataFrame, parameters: Parameters) -> bg_nbd.Fit:
    """Fit the customers (or a sample) of `purchases.histories`; see `bg_nbd.fit` for the states."""
    chosen = sample(histories.filter(pl.col("first_on").is_not_null()), parameters.sample_size)
    return bg_nbd.fit(*(chosen[name].to_numpy() for name in ("repeats", "recency_days", "age_days")))


def score(histories: pl.DataFrame, fitted: bg_nbd.Fit, parameters: Parameters) -> pl.DataFrame:
    """Score every customer of `purchases.histories`; one row each, sorted by customer_id, with `OUTPUT_COLUMNS`.

    churn_probability is that of no purchase in the horizon. churn_quartile runs from 1 (most purchases expected) to 4
    (fewest), with equal customers in one quartile. Without an identified fit the figures are null.
    """
    ordered = histories.sort("customer_id")
    known = ordered.filter(pl.col("first_on").is_not_null())
    churns, expected = (np.full(known.height, np.nan) for _ in range(2))
    if fitted.status == "ok":
        churns, expected, _ = _predict(known, fitted, parameters)
    quartile = (
        pl.Series(5 - bin_of(expected.round(6), 4)) if fitted.status == "ok" else pl.Series([None] * known.height)
    )
    silent = (pl.col("age_days") - pl.col("recency_days") + 1).alias("days_since_purchase")
    scored = known.select(
        "customer_id",
        pl.Series("churn_probability", churns).round(6).fill_nan(None),
        pl.Series("expected_purchases", expected).round(6).fill_nan(None),
        quartile.cast(pl.Int64).alias("churn_quartile"),
        silent,
        pl.lit(fitted.status).alias("status"),
        pl.lit(fitted.reason, dtype=pl.String).alias("reason"),
    )
    bought = pl.col("first_on").is_not_null()
    return (
        ordered.select("customer_id", "first_on", "observation_count")
        .join(scored, on="customer_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(bought).then(pl.col("status")).otherwise(pl.lit("insufficient_data")).alias("status"),
            pl.when(bought).then(pl.col("reason")).otherwise(pl.lit(NO_PURCHASE)).alias("reason"),
        )
        .select(OUTPUT_COLUMNS)
    )


def backtest(days: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Fit on customer-days before `cut_on`, judge by who bought from there for the horizon of the parameters.

    The days must reach to `cut_on` + horizon. Figures: AUC of expected purchases, beside those of P(alive) and of plain
    recency; Brier score and mean calibration error of the probability. The table compares the predicted churn with the
    observed by tenths.
    """
    until = date.fromordinal(cut_on.toordinal() + parameters.horizon_days)
    later = purchases.outcomes(days, cut_on, until, parameters.unit)
    return judge(purchases.histories(days, cut_on, parameters.unit), later, cut_on, parameters)


def judge(known: pl.DataFrame, later: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Do what `backtest` does with histories up to the cut and outcomes after it, so that days need not be kept."""
    until = date.fromordinal(cut_on.toordinal() + parameters.horizon_days)
    known = known.filter(pl.col("first_on").is_not_null()).sort("customer_id")
    fitted = fit(known, parameters)
    if fitted.status != "ok":
        return no_backtest(MODEL, cut_on, until, fitted.status, fitted.reason)
    later = later.filter(pl.col("purchases") > 0)
    gone = ~known["customer_id"].is_in(later["customer_id"].implode()).to_numpy()
    if not _FEWEST_JUDGED <= int(gone.sum()) <= len(gone) - _FEWEST_JUDGED:
        reason = f"{int(gone.sum())} of {len(gone)} customers did not buy: too few of either kind to judge."
        return no_backtest(MODEL, cut_on, until, "insufficient_data", reason)
    churns, expected, alive = _predict(known, fitted, parameters)
    table = calibration(churns, gone.astype(np.float64))
    silent = (known["age_days"] - known["recency_days"]).cast(pl.Float64).to_numpy()
    figures = {
        "customer_count": float(len(gone)),
        "churn_rate": float(gone.mean()),
        "auc": auc(-expected, gone),
        "auc_of_alive_probability": auc(-alive, gone),
        "auc_of_recency": auc(silent, gone),
        "brier": brier(churns, gone),
        "calibration_error": calibration_error(table),
    }
    return Backtest(MODEL, cut_on, until, "ok", None, figures, table)


def _predict(known: pl.DataFrame, fitted: bg_nbd.Fit, parameters: Parameters) -> tuple[Floats, Floats, Floats]:
    repeats, recency, age = (known[name].to_numpy() for name in ("repeats", "recency_days", "age_days"))
    alive = bg_nbd.p_alive(fitted, repeats, recency, age)
    coming = bg_nbd.ahead(fitted, repeats, age, parameters.weeks)
    return 1 - alive * coming.any, alive * coming.mean, alive
