"""Lifetime value: the purchases and the money to be expected of each customer in a horizon, with intervals.

Purchases by BG/NBD (`bg_nbd`), what one is worth by Gamma-Gamma (`gamma_gamma`), both fitted on the histories of
`purchases.histories`; money is in minor units. The value is discounted continuously at a yearly rate:
∫ exp(-δs) dE[Y(s)] · E[value], the integral by parts and Gauss-Legendre.

The intervals say what this customer may do, not how well the mean is known: quantiles of the predictive distribution at
the fitted parameters. For purchases they are exact. For the value, money spent by someone who buys at all is
approximated by a beta-prime variable with the exact mean and variance of its gamma part, and purchases of nought keep
their exact chance; the discount is applied as the same factor as to the mean. The error of the parameters themselves is
left out: it is small against one customer's luck, and `relative_errors` of the fits state it.

A customer with one purchase has no P(alive): BG/NBD lets nobody leave before a second purchase and would say 1.
"""

from dataclasses import dataclass, replace
from datetime import date
from hashlib import blake2b
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import betaincinv

from . import bg_nbd, gamma_gamma, purchases
from .backtesting import Backtest, bin_of, calibration, no_backtest
from .likelihood import Floats
from .purchases import Unit
from .states import Status

MODEL: Final = "lifetime_value"
VERSION: Final = "1"
NO_PURCHASE: Final = "No purchase before the reference date."
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "expected_purchases",
    "purchases_low",
    "purchases_high",
    "alive_probability",
    "mean_value_minor",
    "lifetime_value_minor",
    "value_low_minor",
    "value_high_minor",
    "observation_count",
    "status",
    "reason",
)
_FIGURES: Final[dict[str, type[pl.DataType]]] = {
    name: pl.Float64 if name in ("expected_purchases", "alive_probability") else pl.Int64
    for name in OUTPUT_COLUMNS[1:9]
}
_LEGENDRE: Final = 8
_COUNTS: Final = ("repeats", "recency_days", "age_days")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The reference date, the horizon, a yearly discount (0.1 is 10%), the mass of the intervals, what is a purchase.

    At most `sample_size` customers are fitted, those with the lowest hash of their id; all are scored.
    """

    as_of: date
    horizon_days: int = 365
    discount_rate: float = 0.1
    interval: float = 0.8
    unit: Unit = "day"
    sample_size: int = 100_000

    @property
    def weeks(self) -> float:
        """The horizon in the models' unit of time."""
        return self.horizon_days / bg_nbd.DAYS_PER_WEEK


@dataclass(frozen=True, slots=True)
class Fit:
    """Both fits; each has its own state."""

    purchases: bg_nbd.Fit
    spend: gamma_gamma.Fit


def fit(histories: pl.DataFrame, parameters: Parameters) -> Fit:
    """Fit both models on (a sample of) the customers with a purchase; see `purchases.histories` for the columns."""
    chosen = sample(histories.filter(pl.col("first_on").is_not_null()), parameters.sample_size)
    repeats, recency, age = (chosen[name].to_numpy() for name in _COUNTS)
    return Fit(bg_nbd.fit(repeats, recency, age), gamma_gamma.fit(repeats, _mean_minor(chosen)))


def sample(histories: pl.DataFrame, size: int) -> pl.DataFrame:
    """Take the `size` customers with the lowest BLAKE2 hash of their id: the same ones whatever the order."""
    if histories.height <= size:
        return histories
    ids = histories["customer_id"].cast(pl.String).to_list()
    hashes = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in ids]
    keyed = histories.with_columns(pl.Series("hash", hashes, dtype=pl.UInt64))
    return keyed.sort("hash", "customer_id").head(size).drop("hash")


def score(histories: pl.DataFrame, fitted: Fit, parameters: Parameters) -> pl.DataFrame:
    """Score every customer of `purchases.histories` by fits at hand.

    Returns one row per customer, sorted by customer_id, with the columns of `OUTPUT_COLUMNS`. Without an identified
    purchase model all figures are null; without an identified spend model those of money are.
    """
    ordered = histories.sort("customer_id")
    known = ordered.filter(pl.col("first_on").is_not_null())
    status, reason = _state(fitted)
    scored = known.select("customer_id", *(pl.lit(None, dtype=kind).alias(name) for name, kind in _FIGURES.items()))
    if fitted.purchases.status == "ok":
        scored = scored.with_columns(_figures(known, fitted, parameters))
    bought = pl.col("first_on").is_not_null()
    return (
        ordered.select("customer_id", "first_on", "observation_count")
        .join(scored, on="customer_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(bought).then(pl.lit(status)).otherwise(pl.lit("insufficient_data")).alias("status"),
            pl.when(bought).then(pl.lit(reason, dtype=pl.String)).otherwise(pl.lit(NO_PURCHASE)).alias("reason"),
        )
        .select(OUTPUT_COLUMNS)
    )


def _state(fitted: Fit) -> tuple[Status, str | None]:
    if fitted.purchases.status != "ok":
        return fitted.purchases.status, f"Purchases: {fitted.purchases.reason}"
    if fitted.spend.status != "ok":
        return fitted.spend.status, f"Spend: {fitted.spend.reason}"
    return "ok", None


def _figures(known: pl.DataFrame, fitted: Fit, parameters: Parameters) -> list[pl.Series]:
    """Compute the columns of purchases, and of money when its model is identified."""
    repeats, recency, age = (known[name].to_numpy() for name in _COUNTS)
    model, weeks = fitted.purchases, parameters.weeks
    alive = bg_nbd.p_alive(model, repeats, recency, age)
    coming = bg_nbd.ahead(model, repeats, age, weeks)
    tails = (1 - parameters.interval) / 2, (1 + parameters.interval) / 2
    low, high = (bg_nbd.count_quantile(model, repeats, age, alive, weeks, level) for level in tails)
    figures = [
        pl.Series("expected_purchases", alive * coming.mean).round(6),
        pl.Series("purchases_low", low),
        pl.Series("purchases_high", high),
        pl.Series("alive_probability", np.where(repeats > 0, alive, np.nan)).round(6).fill_nan(None),
    ]
    if fitted.spend.status != "ok":
        return figures
    own = _mean_minor(known)
    mean = gamma_gamma.mean_value(fitted.spend, repeats, own)
    factor = _discount(model, repeats, age, coming.mean, parameters)
    least, most = (factor * _money_quantile(fitted.spend, repeats, own, alive, coming, level) for level in tails)
    figures.append(_whole("mean_value_minor", mean))
    figures.append(_whole("lifetime_value_minor", alive * coming.mean * factor * mean))
    return [*figures, _whole("value_low_minor", least), _whole("value_high_minor", most)]


def _discount(
    model: bg_nbd.Fit, repeats: NDArray[np.int64], age: NDArray[np.int64], mean: Floats, parameters: Parameters
) -> Floats:
    """The share of expected purchases that is left when each is discounted to the reference date."""
    delta = float(np.log1p(parameters.discount_rate)) * bg_nbd.DAYS_PER_WEEK / 365.25
    if delta == 0:
        return np.ones(len(repeats))
    pairs, where = bg_nbd.distinct_pairs(repeats, age)
    nodes, weights = np.polynomial.legendre.leggauss(_LEGENDRE)
    weeks = parameters.weeks
    waited = np.zeros(len(pairs))
    for node, weight in zip((nodes + 1) / 2 * weeks, weights / 2 * weeks, strict=True):
        until = bg_nbd.ahead(model, pairs[:, 0], pairs[:, 1], float(node)).mean
        waited += weight * np.exp(-delta * node) * until
    factor: Floats = np.exp(-delta * weeks) + delta * waited[where] / mean
    return factor


def _money_quantile(
    spend: gamma_gamma.Fit,
    repeats: NDArray[np.int64],
    mean_minor: Floats,
    alive: Floats,
    coming: bg_nbd.Ahead,
    level: float,
) -> Floats:
    """Quantile of the money spent in the horizon; nought up to the chance of no purchase.

    Given n purchases the money is a Gamma(p·n) variable over an independent ν ~ Gamma(q + p·x, v + x·m). Over the n of
    those who buy, the first is replaced by Gamma(k)·θ with its mean and variance; the quotient is beta-prime.
    """
    buys = alive * coming.any
    spends = np.flatnonzero(1 - buys < level)
    within = (level - (1 - buys[spends])) / buys[spends]
    n = coming.mean[spends] / coming.any[spends]
    spread = np.maximum((coming.factorial[spends] + coming.mean[spends]) / coming.any[spends] - n**2, 0.0)
    theta = 1 + spend.p * spread / n
    x = repeats[spends].astype(np.float64)
    share = betaincinv(spend.p * n / theta, spend.q + spend.p * x, within)
    rate = spend.v + x * np.maximum(mean_minor[spends], 0.0)
    money = np.zeros(len(repeats))
    money[spends] = rate * theta * share / (1 - share)
    return money


def _mean_minor(histories: pl.DataFrame) -> Floats:
    """Mean net money of the repeat purchases; nought without any."""
    mean: Floats = histories["repeat_minor"].to_numpy() / np.maximum(histories["repeats"].to_numpy(), 1)
    return mean


def _whole(name: str, values: Floats) -> pl.Series:
    return pl.Series(name, values).round(0).cast(pl.Int64)


def backtest(days: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Fit on the days before `cut_on`, judge by those from there to before `parameters.as_of`; both are the horizon.

    Wants customer-days (`purchases.customer_days`) of customers known at the cut; newcomers are not predicted. Figures:
    totals, bias of purchases and value (predicted over observed less 1), mean absolute error of purchases beside that
    of the customer's own past rate, and how much of what happened lay in the intervals. The table is of purchases by
    tenths of the expected purchases, with predicted_minor and observed_minor beside. The value is undiscounted.
    """
    known = purchases.histories(days, cut_on, parameters.unit)
    return judge(known, purchases.outcomes(days, cut_on, parameters.as_of, parameters.unit), cut_on, parameters)


def judge(known: pl.DataFrame, later: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Do what `backtest` does with histories up to the cut and outcomes after it, so that days need not be kept."""
    horizon = (parameters.as_of - cut_on).days
    asked = replace(parameters, as_of=cut_on, horizon_days=horizon, discount_rate=0.0)
    fitted = fit(known, asked)
    status, reason = _state(fitted)
    if status != "ok":
        return no_backtest(MODEL, cut_on, parameters.as_of, status, reason)
    scored = score(known, fitted, asked).filter(pl.col("status") == "ok")
    # In the order of the scores throughout: sums of fractions hang on the order of what they are of.
    judged = scored.join(later, on="customer_id", how="left", maintain_order="left")
    judged = judged.join(known, on="customer_id", maintain_order="left")
    judged = judged.with_columns(pl.col("purchases", "net_minor").fill_null(0))
    table = calibration(_floats(judged, "expected_purchases"), _floats(judged, "purchases"))
    money = judged.with_columns(bin=pl.Series(bin_of(_floats(judged, "expected_purchases"), 10)))
    money = money.group_by("bin").agg(
        pl.col("lifetime_value_minor").mean().alias("predicted_minor"),
        pl.col("net_minor").mean().alias("observed_minor"),
    )
    table = table.join(money, on="bin", how="left", maintain_order="left")
    return Backtest(MODEL, cut_on, parameters.as_of, status, reason, _judge(judged, horizon), table)


def _judge(judged: pl.DataFrame, horizon: int) -> dict[str, float]:
    predicted, happened = _floats(judged, "expected_purchases"), _floats(judged, "purchases")
    value, money = _floats(judged, "lifetime_value_minor"), _floats(judged, "net_minor")
    # One purchase in a life of no days yet is no rate: the life is taken as a day at least.
    past = _floats(judged, "repeats") / np.maximum(_floats(judged, "age_days"), 1.0) * horizon
    within = pl.col("purchases").is_between(pl.col("purchases_low"), pl.col("purchases_high"))
    money_within = pl.col("net_minor").is_between(pl.col("value_low_minor"), pl.col("value_high_minor"))
    return {
        "customer_count": float(len(predicted)),
        "predicted_purchases": float(predicted.sum()),
        "observed_purchases": float(happened.sum()),
        "purchase_bias": _bias(predicted, happened),
        "value_bias": _bias(value, money),
        "mean_absolute_error": float(np.abs(predicted - happened).mean()),
        "mean_absolute_error_of_past_rate": float(np.abs(past - happened).mean()),
        "purchases_in_interval_rate": float(judged.select(within.mean()).item()),
        "value_in_interval_rate": float(judged.select(money_within.mean()).item()),
    }


def _bias(predicted: Floats, observed: Floats) -> float:
    total = float(observed.sum())
    return float(predicted.sum()) / total - 1 if total > 0 else float("nan")


def _floats(frame: pl.DataFrame, name: str) -> Floats:
    values: Floats = frame[name].cast(pl.Float64).to_numpy()
    return values
