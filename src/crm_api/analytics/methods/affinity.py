"""Affinity: how much more, or less, of a category a customer buys than others do; an index, shrunk. Pure.

Method: the share of a customer's lines that lie in the category, out of those in a base, shrunk by the beta-binomial of
all customers (see `beta_binomial`), over the population's mean share, times 100. 100 is like everybody, 200 twice as
much; who bought little is near 100 whatever they bought. Counts come from `taste.condense`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from . import beta_binomial
from .backtesting import Backtest, calibration, calibration_error, no_backtest
from .likelihood import Floats

MODEL = "affinity"
VERSION = "1"
STRONG, USUAL, WEAK = "strong", "usual", "weak"
OUTPUT_COLUMNS = (
    "customer_id",
    "category",
    "level",
    "affinity_index",
    "share_rate",
    "line_count",
    "observation_count",
    "status",
    "reason",
)
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date; how many lines in the base a customer must have to be shown, and how many such customers; the
    index from which an affinity is strong, and from whose reverse down it is weak.
    """

    as_of: date
    min_lines: int = 20
    min_customers: int = 100
    strong_from: float = 150.0


def score(counts: pl.DataFrame, base: str, categories: Sequence[str], parameters: Parameters) -> pl.DataFrame:
    """Index every customer with a line in `base` against all others, in each of `categories` (all of them in the base).

    Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id and category: `share_rate` is the shrunk share,
    `line_count` the lines in the category, `observation_count` those in the base.
    Errors: ValueError when a category has lines outside of its base.
    """
    frames = [_index(shares(counts, base, category), category, parameters) for category in sorted(set(categories))]
    return pl.concat(frames).sort("customer_id", "category")


def shares(counts: pl.DataFrame, base: str, category: str) -> pl.DataFrame:
    """Lay the lines in a category (k) beside those in its base (n): one row per customer of the base, sorted.

    Errors: ValueError when the category has lines outside of its base.
    """
    trials = counts.filter(pl.col("category") == base).select("customer_id", n="line_count")
    hits = counts.filter(pl.col("category") == category).select("customer_id", k="line_count")
    joined = trials.join(hits, on="customer_id", how="full", coalesce=True).with_columns(pl.col("n", "k").fill_null(0))
    if joined.filter(pl.col("k") > pl.col("n")).height:
        raise ValueError(f"{category} has lines that do not lie in {base}.")
    return joined.sort("customer_id")


def fit(joined: pl.DataFrame, parameters: Parameters, *, with_zeros: bool) -> beta_binomial.Fit:
    """Fit the population's shares (rows of `shares`) from the customers with enough lines."""
    enough = joined.filter(pl.col("n") >= parameters.min_lines)
    collapsed = enough.group_by("n", "k").agg(pl.len().cast(pl.Int64).alias("w"))
    n, k, w = (collapsed[name].to_numpy() for name in ("n", "k", "w"))
    found = beta_binomial.fit(n, k, w, with_zeros=with_zeros)
    if enough.height >= parameters.min_customers:
        return found
    reason = f"Fewer than {parameters.min_customers} customers have {parameters.min_lines} lines or more."
    return replace(found, status="insufficient_data", reason=reason)


def backtest(
    before: pl.DataFrame,
    after: pl.DataFrame,
    base: str,
    categories: Sequence[str],
    cut_on: date,
    parameters: Parameters,
) -> Backtest:
    """Shrink the shares before `cut_on`, look at those from there to before `parameters.as_of` (see `taste.condense`).

    Figures: customer_count, case_count (a case is a customer and a category), mean absolute error of the shrunk share
    beside that of the bare one and of one share for all, calibration_error. The table is of shares of lines, of
    customers with enough lines before and after.
    """
    fits, cases = [], []
    for category in sorted(set(categories)):
        joined = shares(before, base, category).filter(pl.col("n") >= parameters.min_lines)
        found = fit(joined, parameters, with_zeros=False)
        fits.append(found)
        if found.status == "ok":
            later = shares(after, base, category).select("customer_id", later_n="n", later_k="k")
            enough = later.filter(pl.col("later_n") >= parameters.min_lines)
            cases.append(_compared(found, joined.join(enough, on="customer_id").sort("customer_id")))
    if not cases:
        return no_backtest(MODEL, cut_on, parameters.as_of, fits[0].status, fits[0].reason)
    judged = pl.concat(cases)
    if judged.is_empty():
        reason = "Nobody bought enough lines before and after."
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", reason)
    said, share, bare, one = (judged[name].to_numpy() for name in ("said", "share", "bare", "one"))
    table = calibration(said, share)
    figures = {
        "customer_count": float(judged["customer_id"].n_unique()),
        "case_count": float(judged.height),
        "mean_absolute_error": float(np.abs(share - said).mean()),
        "mean_absolute_error_of_bare_share": float(np.abs(share - bare).mean()),
        "mean_absolute_error_of_one_share": float(np.abs(share - one).mean()),
        "calibration_error": calibration_error(table),
    }
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def _compared(found: beta_binomial.Fit, pairs: pl.DataFrame) -> pl.DataFrame:
    n, k = (pairs[name].to_numpy().astype(np.float64) for name in ("n", "k"))
    return pairs.select(
        "customer_id",
        pl.Series("said", _shrunk(found, n, k)),
        share=pl.col("later_k") / pl.col("later_n"),
        bare=pl.col("k") / pl.col("n"),
        one=pl.lit(found.mean, pl.Float64),
    )


def _shrunk(found: beta_binomial.Fit, n: Floats, k: Floats) -> Floats:
    return np.asarray((found.alpha + k) / (found.alpha + found.beta + n), dtype=np.float64)


def _index(joined: pl.DataFrame, category: str, parameters: Parameters) -> pl.DataFrame:
    found = fit(joined, parameters, with_zeros=False)
    n, k = (joined[name].to_numpy().astype(np.float64) for name in ("n", "k"))
    share = _shrunk(found, n, k) if found.status == "ok" else np.full(len(n), np.nan)
    few = pl.col("n") < parameters.min_lines
    too_few = pl.when(few).then(pl.lit(f"Fewer than {parameters.min_lines} lines.")).otherwise(pl.lit(None, pl.String))
    known = found.status == "ok"
    index = pl.col("affinity_index")
    level = (
        pl.when(few | index.is_null())
        .then(None)
        .when(index >= parameters.strong_from)
        .then(pl.lit(STRONG))
        .when(index <= 10_000 / parameters.strong_from)
        .then(pl.lit(WEAK))
        .otherwise(pl.lit(USUAL))
    )
    return (
        joined.with_columns(
            pl.lit(category).alias("category"),
            pl.Series("affinity_index", 100 * share / found.mean).round(3).fill_nan(None),
            pl.Series("share_rate", share).round(_DIGITS).fill_nan(None),
            (pl.when(few).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")) if known else pl.lit(found.status))
            .alias("status"),
            (too_few if known else pl.lit(found.reason, pl.String)).alias("reason"),
        )
        .with_columns(level.cast(pl.String).alias("level"))
        .rename({"k": "line_count", "n": "observation_count"})
        .select(OUTPUT_COLUMNS)
    )  # fmt: skip
