"""Taste and avoidance: which categories of products a customer likes, buys, or leaves out; pure, no input or output.

Method: per category, the number of a customer's lines in it, out of the lines in a wider base (all food, say), follows
a zero-inflated beta-binomial: shares differ between customers as Beta(alpha, beta), and some people never buy it.
Who leaves a category out has fewer lines, so the share of people who never buy it depends on their number of lines.
Fitted by maximum likelihood over all customers with enough lines (see `beta_binomial`).

Rules, stated once:

- **Avoids**: no line in the category, and the posterior probability of never buying it is at least `certainty`.
- **Likes**: the posterior probability that the share lies above the fitted 80th percentile is at least `certainty`.
- **Buys**: neither, with at least one line.
- **No opinion** (`insufficient_data`): too few lines in the base, or none in the category while the posterior is
  undecided. Where the population's parameters are not known, nobody is said to avoid or like anything.
- A line in a category that was given to somebody else counts: purchases show what is bought, not who eats it.

What a diet may reveal (health, religion) is a matter of purpose and consent; whoever runs this method answers for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy.special import betaincc, betaincinv

from . import affinity, beta_binomial
from .backtesting import Backtest, auc, calibration, calibration_error, no_backtest
from .lines import bought

MODEL = "taste"
VERSION = "1"
AVOIDS, LIKES, BUYS = "avoids", "likes", "buys"
OUTPUT_COLUMNS = (
    "customer_id",
    "category",
    "opinion",
    "avoid_probability",
    "like_probability",
    "share_rate",
    "line_count",
    "observation_count",
    "status",
    "reason",
)
_DIGITS = 6
_LIKED_FROM = 0.8


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date; how sure an opinion must be; how many lines and how many such customers it takes."""

    as_of: date
    certainty: float = 0.9
    min_lines: int = 20
    min_customers: int = 100


def condense(lines: pl.LazyFrame | pl.DataFrame, tree: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Count lines by customer and category; parts of a feed are counted apart and joined by `combine`.

    `lines`: customer_id, product_id, on (local date), quantity (may be missing or null). `tree`: product_id, category;
    one row for every category, of any depth, that a product lies in, the base being a category like the others.
    Returns customer_id, category, line_count, sorted.
    """
    known = bought(lines, as_of).select("customer_id", "product_id")
    counts = known.group_by("customer_id", "product_id").agg(pl.len().cast(pl.Int64).alias("line_count"))
    placed = counts.join(tree.lazy().select("product_id", "category").unique(), on="product_id", how="inner")
    return _sum_up(placed)


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join counts of several parts, also when a customer's lines were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)).lazy())


def score(counts: pl.DataFrame, base: str, categories: Sequence[str], parameters: Parameters) -> pl.DataFrame:
    """Judge every customer with a line in `base`, in each of `categories` (each of whose products lies in `base`).

    Returns one row per customer and category, sorted by both, with the columns of `OUTPUT_COLUMNS`: `share_rate` is
    the expected share of lines, shrunk to the population's; `line_count` the lines in the category, `observation_count`
    those in the base. Errors: ValueError when a category has lines outside of its base.
    """
    frames = [
        _judge(affinity.shares(counts, base, category), category, parameters) for category in sorted(set(categories))
    ]
    return pl.concat(frames).sort("customer_id", "category")


def fit(counts: pl.DataFrame, base: str, category: str, parameters: Parameters) -> beta_binomial.Fit:
    """Fit the population's shares of one category, from the customers with enough lines in the base."""
    return affinity.fit(affinity.shares(counts, base, category), _enough(parameters), with_zeros=True)


def backtest(
    before: pl.DataFrame,
    after: pl.DataFrame,
    base: str,
    categories: Sequence[str],
    cut_on: date,
    parameters: Parameters,
) -> Backtest:
    """Judge by the counts before `cut_on`, look at those from there to before `parameters.as_of` (see `condense`).

    Everybody with enough lines before, and a line in the base after, is predicted a chance to buy in each category
    whose shares could be fitted: the table holds it against the share who did. Figures: customer_count, case_count
    (a case is a customer and a category), area_under_curve and calibration_error of that chance, avoiding_count, and
    the shares of those said to avoid a category and of the others who bought in it after all.
    """
    fits, cases = [], []
    for category in sorted(set(categories)):
        shares = affinity.shares(before, base, category).filter(pl.col("n") >= parameters.min_lines)
        found = affinity.fit(shares, _enough(parameters), with_zeros=True)
        fits.append(found)
        if found.status == "ok":
            later = affinity.shares(after, base, category).select("customer_id", later_n="n", later_k="k")
            cases.append(_foretold(found, shares.join(later, on="customer_id").sort("customer_id")))
    if not cases:
        return no_backtest(MODEL, cut_on, parameters.as_of, fits[0].status, fits[0].reason)
    judged = pl.concat(cases)
    if judged.is_empty():
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", "Nobody bought before and after.")
    predicted, never, happened = (judged[name].to_numpy() for name in ("predicted", "never", "happened"))
    table = calibration(predicted, happened.astype(np.float64))
    avoids = never.round(_DIGITS) >= parameters.certainty
    figures = {
        "customer_count": float(judged["customer_id"].n_unique()),
        "case_count": float(judged.height),
        "area_under_curve": auc(predicted, happened),
        "calibration_error": calibration_error(table),
        "avoiding_count": float(avoids.sum()),
        "avoiding_bought_rate": float(happened[avoids].mean()) if avoids.any() else float("nan"),
        "others_bought_rate": float(happened[~avoids].mean()) if not avoids.all() else float("nan"),
    }
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def _foretold(found: beta_binomial.Fit, pairs: pl.DataFrame) -> pl.DataFrame:
    n, k, later_n = (pairs[name].to_numpy().astype(np.float64) for name in ("n", "k", "later_n"))
    never = beta_binomial.chance_of_never(found, n, k)
    predicted = (1 - never) * (1 - beta_binomial.chance_of_none(found.alpha + k, found.beta + n - k, later_n))
    return pairs.select(
        "customer_id",
        pl.Series("predicted", predicted),
        pl.Series("never", never),
        happened=pl.col("later_k") > 0,
    )


def _enough(parameters: Parameters) -> affinity.Parameters:
    return affinity.Parameters(parameters.as_of, parameters.min_lines, parameters.min_customers)


def _sum_up(counts: pl.LazyFrame) -> pl.DataFrame:
    summed = counts.group_by("customer_id", "category").agg(pl.col("line_count").sum())
    return summed.sort("customer_id", "category").collect(engine="streaming")


def _judge(shares: pl.DataFrame, category: str, parameters: Parameters) -> pl.DataFrame:
    found = affinity.fit(shares, _enough(parameters), with_zeros=True)
    # Many customers share their pair of counts; the slow functions are asked once for each.
    pairs = shares.select("n", "k").unique().sort("n", "k")
    n, k = (pairs[name].to_numpy().astype(np.float64) for name in ("n", "k"))
    if found.status == "ok":
        never = beta_binomial.chance_of_never(found, n, k)
        alpha, beta = found.alpha + k, found.beta + n - k
        liked_from = betaincinv(found.alpha, found.beta, _LIKED_FROM)
        figures = (never, (1 - never) * betaincc(alpha, beta, liked_from), (1 - never) * alpha / (alpha + beta))
    else:
        figures = (np.full(len(n), np.nan),) * 3
    names = ("avoid_probability", "like_probability", "share_rate")
    columns = [pl.Series(name, figure).round(_DIGITS) for name, figure in zip(names, figures, strict=True)]
    judged = shares.join(pairs.with_columns(columns), on=["n", "k"]).with_columns(pl.col(names).fill_nan(None))
    judged = judged.with_columns(*_verdict(found, parameters), category=pl.lit(category))
    return judged.rename({"k": "line_count", "n": "observation_count"}).select(OUTPUT_COLUMNS)


def _verdict(found: beta_binomial.Fit, parameters: Parameters) -> list[pl.Expr]:
    few = pl.col("n") < parameters.min_lines
    if found.status != "ok":
        return [
            pl.lit(None, pl.String).alias("opinion"),
            pl.lit(found.status).alias("status"),
            pl.lit(found.reason).alias("reason"),
        ]
    opinion = (
        pl.when(few)
        .then(None)
        .when(pl.col("avoid_probability") >= parameters.certainty)
        .then(pl.lit(AVOIDS))
        .when(pl.col("like_probability") >= parameters.certainty)
        .then(pl.lit(LIKES))
        .when(pl.col("k") > 0)
        .then(pl.lit(BUYS))
    )
    reason = (
        pl.when(few)
        .then(pl.lit(f"Fewer than {parameters.min_lines} lines."))
        .when(opinion.is_null())
        .then(pl.lit("Nothing bought, but in too few lines to be sure."))
    )
    status = pl.when(opinion.is_null()).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok"))
    return [opinion.alias("opinion"), status.alias("status"), reason.alias("reason")]
