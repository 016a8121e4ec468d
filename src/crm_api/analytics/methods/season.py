"""Seasonal and occasional shoppers: months in which somebody (or something) is busier than the base. Pure.

Method: the days on which a customer bought, by calendar month, against the base: how all customers' days fall into the
months during which this customer was known. A month is busy when so many days would be rare by the base (binomial, the
upper tail) even though many customers and months are looked at: false discoveries are held at `false_rate` of all
findings (Benjamini and Hochberg 1995). It must be busier by `min_index` as well, for with enough days any small
difference is certain.

Rules, stated once:

- Days count, not lines or money: a customer who buys twice on one day was there once.
- Who was known for less than `min_known_days` has no season, for nobody saw the other months.
- The feed should cover whole years (365 days back from `as_of`, twice that, ...), else the base has half seasons.
- A season that is spread over many months makes no single month busy enough and is not found.
- One year cannot tell a season from a single burst; a backtest on the next year can.
- **Occasional**: the upper end of the interval for buying days in 30 days (Garwood 1936) lies below `occasional_below`.
  **Seasonal** comes first; **regular** are the others.

The same profile may be taken of categories of products: put their name where customer_id is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import bdtrc, gammaincinv

from .backtesting import Backtest, calibration, calibration_error, no_backtest
from .likelihood import Floats

Integers = NDArray[np.integer]

MODEL = "season"
VERSION = "1"
SEASONAL, OCCASIONAL, REGULAR = "seasonal", "occasional", "regular"
OUTPUT_COLUMNS = (
    "customer_id",
    "shopper_class",
    "busy_months",
    "peak_month",
    "peak_index",
    "false_discovery_rate",
    "days_in_30",
    "observation_count",
    "status",
    "reason",
)
PROFILE_COLUMNS = ("customer_id", "month", "day_count", "expected_count", "month_index", "p_value", "q_value")
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date, share of findings that may be wrong, how much busier a month must be, what it takes."""

    as_of: date
    false_rate: float = 0.05
    min_index: float = 150.0
    min_days: int = 6
    min_known_days: int = 270
    occasional_below: float = 1.0


def condense(facts: pl.LazyFrame | pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Reduce purchases to distinct days: customer_id, on (local date), sorted; parts are joined by `combine`."""
    known = facts.lazy().filter(pl.col("on") < as_of)
    names = known.collect_schema().names()
    if "quantity" in names:
        known = known.filter((pl.col("quantity") > 0).fill_null(True))
    if "amount_minor" in names:
        known = known.filter((pl.col("amount_minor") >= 0).fill_null(True))
    days = known.select("customer_id", "on").unique()
    return days.sort("customer_id", "on").collect(engine="streaming")


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join days of several parts, also when a day was in more than one of them."""
    return pl.concat(list(parts)).unique().sort("customer_id", "on")


def base_of(days: pl.DataFrame) -> pl.DataFrame:
    """Count all customers' days by year and month: year, month, base_count; sorted. Parts of a base may be summed."""
    dated = days.select(year=pl.col("on").dt.year().cast(pl.Int64), month=pl.col("on").dt.month().cast(pl.Int64))
    return dated.group_by("year", "month").agg(base_count=pl.len().cast(pl.Int64)).sort("year", "month")


def profile(days: pl.DataFrame, base: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Compare the months of every customer who is known long and well enough with the base.

    Returns the columns of `PROFILE_COLUMNS`, twelve months a customer (fewer where the base has none), sorted:
    expected_count is what the base makes of as many days, month_index 100 times day_count over it. `q_value` is the
    share of false findings if this row and all with a smaller p_value were taken for findings; it depends on everybody
    in `days`, so all customers belong into one call.
    """
    months = _compare(days, base, parameters)
    customers = months.people["customer_id"].gather(months.judged)
    row, column = np.nonzero(months.share > 0)
    expected = months.total[row] * months.share[row, column]
    count = months.count[row, column]
    frame = pl.DataFrame(
        {
            "customer_id": customers.gather(row),
            "month": (column + 1).astype(np.int64),
            "day_count": count,
            "expected_count": expected,
            "month_index": 100 * count / expected,
            "p_value": months.p[row, column],
            "q_value": months.q[row, column],
        },
        schema_overrides={"day_count": pl.Int64},
    )
    rounded = (pl.col("expected_count").round(_DIGITS), pl.col("month_index").round(3))
    return frame.with_columns(*rounded, pl.col("p_value", "q_value").round_sig_figs(6)).select(PROFILE_COLUMNS)


def score(days: pl.DataFrame, base: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Class every customer of `days` (see `condense`) against `base` (see `base_of`), all customers in one call.

    Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id: busy_months (numbers, 1 is January), the busiest of
    them with its index, the smallest q_value of any month, buying days in 30 days, observation_count (buying days).
    """
    months = _compare(days, base, parameters)
    rows = months.people.with_row_index("place").join(_found(months, parameters), on="place", how="left")
    n, known = (rows[name].to_numpy().astype(np.float64) for name in ("n", "known_days"))
    rows = rows.with_columns(
        pl.Series("days_in_30", 30 * n / known).round(_DIGITS),
        pl.Series("most_in_30", 30 * gammaincinv(n + 1, 0.95) / known),
    )
    long_known = pl.col("known_days") >= parameters.min_known_days
    occasional = pl.col("most_in_30") < parameters.occasional_below
    kind = (
        pl.when(~long_known)
        .then(None)
        .when(pl.col("peak_month").is_not_null())
        .then(pl.lit(SEASONAL))
        .when(occasional)
        .then(pl.lit(OCCASIONAL))
        .when(pl.col("n") >= parameters.min_days)
        .then(pl.lit(REGULAR))
    )
    reason = (
        pl.when(~long_known)
        .then(pl.lit(f"Known for less than {parameters.min_known_days} days: the other months were not seen."))
        .when(kind.is_null())
        .then(pl.lit(f"Fewer than {parameters.min_days} buying days."))
    )
    status = pl.when(kind.is_null()).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok"))
    judged = rows.with_columns(kind.alias("shopper_class"), status.alias("status"), reason.alias("reason"))
    return judged.rename({"n": "observation_count"}).select(OUTPUT_COLUMNS).sort("customer_id")


@dataclass(frozen=True, slots=True)
class _Months:
    """Customers by calendar months: `people` has a row each, the tables a row for those at the places `judged`."""

    people: pl.DataFrame
    judged: Integers
    total: Floats
    count: Integers
    share: Floats
    p: Floats
    q: Floats


def _compare(days: pl.DataFrame, base: pl.DataFrame, parameters: Parameters) -> _Months:
    """Lay days into tables of twelve columns: whole frames of them would take several times the memory."""
    people = _people(days, parameters)
    ordered = days.sort("customer_id")
    cells = ordered["customer_id"].rle_id().to_numpy().astype(np.int64) * 12
    cells += ordered["on"].dt.month().to_numpy().astype(np.int64) - 1
    counts = np.bincount(cells, minlength=12 * people.height).reshape(-1, 12).astype(np.int32)
    enough = (pl.col("known_days") >= parameters.min_known_days) & (pl.col("n") >= parameters.min_days)
    judged = np.flatnonzero(people.select(enough).to_series().to_numpy())
    known = people[judged]
    total, count = known["n"].to_numpy().astype(np.float64), counts[judged]
    firsts, place = np.unique(known["first_month"].to_numpy(), return_inverse=True)
    share = _shares(firsts, base)[place]
    # P(as many or more); of no day at all it is certain.
    p = np.where(count > 0, bdtrc(np.maximum(count - 1, 0), total.astype(np.int64)[:, None], share.clip(0.0, 1.0)), 1.0)
    q = np.ones_like(p)
    q[share > 0] = adjusted(p[share > 0])
    return _Months(people, judged, total, count, share, p, q)


def _found(months: _Months, parameters: Parameters) -> pl.DataFrame:
    """Say of the judged customers which months are busy, which of them is the busiest, and their smallest q-value."""
    index = np.round(100 * months.count / np.maximum(months.total[:, None] * months.share, 1e-12), 3)
    busy = (months.share > 0) & (months.q <= parameters.false_rate) & (index >= parameters.min_index)
    row, column = np.nonzero(busy)
    lists = (
        pl.DataFrame({"place": months.judged[row], "busy_months": (column + 1).astype(np.int64)})
        .group_by("place", maintain_order=True)
        .agg("busy_months")
    )
    seasonal = np.flatnonzero(busy.any(axis=1))
    peak = np.where(busy[seasonal], months.p[seasonal], np.inf).argmin(axis=1)
    peaks = pl.DataFrame(
        {
            "place": months.judged[seasonal],
            "peak_month": (peak + 1).astype(np.int64),
            "peak_index": index[seasonal, peak],
        }
    )
    least = pl.DataFrame({"place": months.judged, "false_discovery_rate": months.q.min(axis=1)})
    rounded = least.with_columns(pl.col("false_discovery_rate").round_sig_figs(6), pl.col("place").cast(pl.UInt32))
    for more in (lists, peaks):
        rounded = rounded.join(more.with_columns(pl.col("place").cast(pl.UInt32)), on="place", how="left")
    return rounded


def adjusted(p: Floats) -> Floats:
    """Turn p-values into q-values by Benjamini and Hochberg 1995: equal ones stay equal, the order does not matter."""
    size = len(p)
    order = np.argsort(p, kind="stable")
    raised = p[order] * size / np.arange(1, size + 1)
    q = np.empty(size)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q


def backtest(before: pl.DataFrame, after: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Profile the days before `cut_on`, look how the days after it, to before `parameters.as_of`, fall into months.

    Both should cover whole years. Per customer and month the share said is that before, leaning on the base by as many
    days as the spread of all customers asks for (Dirichlet-multinomial, by moments). Figures:
    customer_count, mean absolute error of that share beside that of the base alone, calibration_error (per month),
    seasonal_count and peak_index_after (how much busier than the base the peaks of seasonal shoppers were later).
    """
    asked = replace(parameters, as_of=cut_on)
    base, later_base = base_of(before), base_of(after)
    months = profile(before, base, asked)
    total = after.group_by("customer_id").agg(later_n=pl.len().cast(pl.Int64))
    counts = after.group_by("customer_id", month=pl.col("on").dt.month().cast(pl.Int64)).agg(later_k=pl.len())
    later = later_base.group_by("month").agg(pl.col("base_count").sum()).sort("month")
    later = later.with_columns(later_share=pl.col("base_count") / pl.col("base_count").sum())
    rows = months.join(total.filter(pl.col("later_n") >= parameters.min_days), on="customer_id")
    rows = (
        rows.join(counts, on=["customer_id", "month"], how="left").join(later, on="month").sort("customer_id", "month")
    )
    if rows.is_empty():
        reason = "Nobody was known long enough before and bought enough after."
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", reason)
    rows = rows.with_columns(pl.col("later_k").fill_null(0), n=pl.col("day_count").sum().over("customer_id"))
    names = ("day_count", "expected_count", "n", "later_k", "later_n", "later_share")
    k, expected, n, later_k, later_n, later_share = (rows[name].to_numpy().astype(np.float64) for name in names)
    leaning = _leaning(k, n, expected / n) * expected / n
    # What is more than the base before is expected to be more than the base after, by the same factor.
    factor = (k + leaning) / (expected + leaning)
    said, share = later_share * factor, later_k / later_n
    seasonal = score(before, base, asked).filter(pl.col("shopper_class") == SEASONAL)
    peaks = rows.join(seasonal.select("customer_id", month="peak_month"), on=["customer_id", "month"])
    later_expected = float((peaks["later_n"] * peaks["later_share"]).sum())
    table = calibration(said, share)
    figures = {
        "customer_count": float(rows["customer_id"].n_unique()),
        "mean_absolute_error": float(np.abs(share - said).mean()),
        "mean_absolute_error_of_base": float(np.abs(share - later_share).mean()),
        "calibration_error": calibration_error(table),
        "seasonal_count": float(seasonal.height),
        "peak_index_after": 100 * float(peaks["later_k"].sum()) / later_expected if later_expected else float("nan"),
    }
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def _leaning(k: Floats, n: Floats, share: Floats) -> float:
    """Say how many days of the base weigh as much as a customer's own: many, when months differ by chance alone."""
    chance = n * share * (1 - share)
    excess = float(((k - n * share) ** 2 - chance).sum())
    return min(max(float((chance * (n - 1)).sum()) / excess - 1, 1.0), 1e6) if excess > 0 else 1e6


def _people(days: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    first = pl.col("on").min()
    return (
        days.group_by("customer_id")
        .agg(
            n=pl.len().cast(pl.Int64),
            known_days=(pl.lit(parameters.as_of) - first).dt.total_days().cast(pl.Int64),
            first_month=(first.dt.year().cast(pl.Int64) * 12 + first.dt.month().cast(pl.Int64) - 1),
        )
        .sort("customer_id")
    )


def _shares(firsts: Integers, base: pl.DataFrame) -> Floats:
    """Give how the base's days fall into calendar months from each first month (12 * year + month - 1) on."""
    at = (base["year"] * 12 + base["month"] - 1).to_numpy()
    month, count = base["month"].to_numpy() - 1, base["base_count"].to_numpy()
    sums = np.zeros((len(firsts), 12))
    for row, first in enumerate(firsts):
        np.add.at(sums[row], month[at >= first], count[at >= first])
    shares: Floats = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1.0)
    return shares
