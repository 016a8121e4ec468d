"""Price sensitivity: who buys at list price, who waits for discounts, and whom one cannot tell. Pure.

Method: the share of a customer's lines bought at list price, shrunk to the population by a beta-binomial (see
`beta_binomial`). Lines of one day are alike (a customer who takes one offer takes several), so a customer's lines
are first divided by the design effect: how much more the shares of a customer's days differ than chance alone would
make them (Kish 1965), one number for all customers. The interval is that of the Beta posterior.

Rules, stated once:

- **List price**: a line without any discount. Lines without a list price above zero, or of a quantity of zero or less,
  say nothing about prices and do not count. Which kinds of products are left out (fuel, vouchers) is up to the caller.
- **Full-price buyer**: the whole interval lies above the bar; **discount buyer**: below it; **undecided**: else. The
  bar is the population's mean share unless one is given.
- A small share is no proof of sensitivity: some buy what happens to be on offer. It says how they bought.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from scipy.special import betaincinv, ndtri

from . import beta_binomial
from .backtesting import Backtest, calibration, calibration_error, no_backtest
from .likelihood import Floats
from .lines import bought
from .states import Status

MODEL = "price_sensitivity"
VERSION = "1"
FULL_PRICE, DISCOUNT, UNDECIDED = "full_price_buyer", "discount_buyer", "undecided"
OUTPUT_COLUMNS = (
    "customer_id",
    "price_class",
    "full_price_rate",
    "full_price_rate_low",
    "full_price_rate_high",
    "discount_rate",
    "list_minor",
    "discount_minor",
    "observation_count",
    "status",
    "reason",
)
_SUMS = ("line_count", "full_count", "list_minor", "discount_minor")
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date, probability inside the interval, what it takes to be judged, and the bar (a share, or none)."""

    as_of: date
    interval: float = 0.9
    min_lines: int = 20
    min_customers: int = 100
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """The population's shares, of lines divided by `design_effect` (1 or more)."""

    shares: beta_binomial.Fit
    design_effect: float
    status: Status
    reason: str | None


def condense(lines: pl.LazyFrame | pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Sum lines up to one row per customer and day; parts of a feed are summed apart and joined by `combine`.

    Columns wanted: customer_id, on (local date), list_minor and discount_minor of the line (integer minor units of one
    currency; all discounts, not negative); used when present: quantity. Returns customer_id, on, line_count, full_count
    (lines at list price), list_minor, discount_minor, sorted.
    """
    priced = bought(lines, as_of).filter(pl.col("list_minor") > 0)
    discount = pl.col("discount_minor").fill_null(0)
    one = pl.lit(1, dtype=pl.Int64)
    full = (discount <= 0).cast(pl.Int64)
    counted = priced.select("customer_id", "on", "list_minor", line_count=one, full_count=full, discount_minor=discount)
    return _sum_up(counted)


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join sums of several parts, also when a day's lines were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)).lazy())


def discount_share(days: pl.DataFrame) -> float:
    """Share of the list value that was given away, of all customers; NaN without any."""
    listed, given = int(days["list_minor"].sum()), int(days["discount_minor"].sum())
    return given / listed if listed else float("nan")


def fit(days: pl.DataFrame, parameters: Parameters) -> Fit:
    """Fit the population from all customers with enough lines (days as of `condense`)."""
    return _fit(_customers(days), parameters)


def score(days: pl.DataFrame, fitted: Fit, parameters: Parameters) -> pl.DataFrame:
    """Judge the customers of `days`, who may be any part of all; their days must be complete.

    Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id: rates between 0 and 1, `discount_rate` the share of
    the list value given away, `observation_count` the lines. Too few lines: shown, but without a class.
    """
    customers = _customers(days)
    n, k = _floats(customers, "line_count"), _floats(customers, "full_count")
    few = pl.col("line_count") < parameters.min_lines
    if fitted.status == "ok":
        alpha, beta = _posterior(fitted, n, k)
        tail = (1 - parameters.interval) / 2
        figures = (alpha / (alpha + beta), betaincinv(alpha, beta, tail), betaincinv(alpha, beta, 1 - tail))
        bar = fitted.shares.mean if parameters.bar is None else parameters.bar
        too_few = f"Fewer than {parameters.min_lines} lines with a price."
        reason = pl.when(few).then(pl.lit(too_few)).otherwise(pl.lit(None, pl.String))
        status = pl.when(few).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok"))
    else:
        figures, bar = (np.full(len(n), np.nan),) * 3, 0.0
        reason, status = pl.lit(fitted.reason, pl.String), pl.lit(fitted.status)
    names = ("full_price_rate", "full_price_rate_low", "full_price_rate_high")
    rates = [pl.Series(name, each).round(_DIGITS).fill_nan(None) for name, each in zip(names, figures, strict=True)]
    kind = (
        pl.when(few | pl.col("full_price_rate").is_null())
        .then(None)
        .when(pl.col("full_price_rate_low") > bar)
        .then(pl.lit(FULL_PRICE))
        .when(pl.col("full_price_rate_high") < bar)
        .then(pl.lit(DISCOUNT))
        .otherwise(pl.lit(UNDECIDED))
    )
    given = (pl.col("discount_minor") / pl.col("list_minor")).round(_DIGITS)
    judged = customers.with_columns(rates).with_columns(
        kind.alias("price_class"), given.alias("discount_rate"), status.alias("status"), reason.alias("reason")
    )
    return judged.rename({"line_count": "observation_count"}).select(OUTPUT_COLUMNS)


def backtest(days: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Fit and judge by the days before `cut_on`, look at the lines from there to before `parameters.as_of`.

    Figures: customer_count, mean absolute error of the shrunk share beside that of the bare one and of one share for
    all, calibration_error, in_interval_rate (how often the later share lay where it was said to lie, `interval` being
    promised), and the later shares of full-price and of discount buyers. The table is of shares.
    """
    before = days.filter(pl.col("on") < cut_on)
    after = _customers(days.filter(pl.col("on").is_between(cut_on, parameters.as_of, closed="left")))
    fitted = fit(before, parameters)
    if fitted.status != "ok":
        return no_backtest(MODEL, cut_on, parameters.as_of, fitted.status, fitted.reason)
    scored = score(before, fitted, parameters).join(_customers(before), on="customer_id")
    later = after.select("customer_id", later_n="line_count", later_k="full_count")
    judged = scored.filter(pl.col("status") == "ok").join(later, on="customer_id")
    judged = judged.filter(pl.col("later_n") >= parameters.min_lines).sort("customer_id")
    if judged.is_empty():
        reason = "Nobody bought enough lines before and after."
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", reason)
    n, k, later_n = (_floats(judged, name) for name in ("line_count", "full_count", "later_n"))
    share, said = _floats(judged, "later_k") / later_n, _floats(judged, "full_price_rate")
    alpha, beta = _posterior(fitted, n, k)
    spread = np.sqrt(said * (1 - said) * (fitted.design_effect / later_n + 1 / (alpha + beta + 1)))
    inside = np.abs(share - said) <= ndtri((1 + parameters.interval) / 2) * spread
    table = calibration(said, share)
    kinds = judged["price_class"].to_numpy()
    figures = {
        "customer_count": float(len(n)),
        "mean_absolute_error": float(np.abs(share - said).mean()),
        "mean_absolute_error_of_bare_share": float(np.abs(share - k / n).mean()),
        "mean_absolute_error_of_one_share": float(np.abs(share - fitted.shares.mean).mean()),
        "calibration_error": calibration_error(table),
        "in_interval_rate": float(inside.mean()),
        "full_price_buyers_later_rate": _mean(share[kinds == FULL_PRICE]),
        "discount_buyers_later_rate": _mean(share[kinds == DISCOUNT]),
    }
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def _sum_up(days: pl.LazyFrame) -> pl.DataFrame:
    # Sums are taken in 128 bits and cast back strictly: what does not fit raises instead of wrapping around.
    sums = [pl.col(name).cast(pl.Int128).sum().cast(pl.Int64) for name in _SUMS]
    return days.group_by("customer_id", "on").agg(sums).sort("customer_id", "on").collect(engine="streaming")


def _customers(days: pl.DataFrame) -> pl.DataFrame:
    """Sum days up by customer, with the sums of squares that the design effect is made from."""
    n, k = pl.col("line_count"), pl.col("full_count")
    return (
        days.group_by("customer_id")
        .agg(
            *[pl.col(name).sum() for name in _SUMS],
            days=pl.len().cast(pl.Int64),
            nn=(n * n).sum(),
            nk=(n * k).sum(),
            kk=(k * k).sum(),
        )
        .sort("customer_id")
    )


def _fit(customers: pl.DataFrame, parameters: Parameters) -> Fit:
    enough = customers.filter(pl.col("line_count") >= parameters.min_lines)
    effect = _design_effect(enough)
    pairs = enough.group_by("line_count", "full_count").agg(pl.len().cast(pl.Int64).alias("w"))
    n, k = _floats(pairs, "line_count") / effect, _floats(pairs, "full_count") / effect
    shares = beta_binomial.fit(n, k, pairs["w"].to_numpy(), with_zeros=False)
    if enough.height < parameters.min_customers:
        reason = f"Fewer than {parameters.min_customers} customers have {parameters.min_lines} lines or more."
        shares = replace(shares, status="insufficient_data", reason=reason)
    return Fit(shares, effect, shares.status, shares.reason)


def _design_effect(customers: pl.DataFrame) -> float:
    """Compare the squares of customers' days around their shares with those of chance, over all customers."""
    n, k, days = (_floats(customers, name) for name in ("line_count", "full_count", "days"))
    nn, nk, kk = (_floats(customers, name) for name in ("nn", "nk", "kk"))
    p = k / np.maximum(n, 1)
    found = kk - 2 * p * nk + p * p * nn
    # A share estimated from the same lines takes nn / n out of the n that chance would give.
    expected = p * (1 - p) * (n - nn / np.maximum(n, 1))
    use = days > 1
    total = float(expected[use].sum())
    return max(float(found[use].sum()) / total, 1.0) if total > 0 else 1.0


def _posterior(fitted: Fit, n: Floats, k: Floats) -> tuple[Floats, Floats]:
    effect = fitted.design_effect
    return fitted.shares.alpha + k / effect, fitted.shares.beta + (n - k) / effect


def _floats(frame: pl.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy().astype(np.float64)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
