"""Three divisions of the same customers: by what they need, by what they are worth now, by what they could be worth.

Each answers another question, and a customer stands in all three: what to speak of, whom to keep, where to invest
(Peppers and Rogers, Managing Customer Relationships: needs, actual value, unrealized potential value).

- **Need.** Purchase lines by need (a group of categories): the need she buys most above what the average customer with
  as many lines would. The index is (lines + weight) / (expected lines + weight), the mean of a rate with a prior
  Gamma(weight, weight), so that one line of a rare need is no passion. If no need reaches `least_index`, the need is
  `broad`; below `fewest_lines` there is no opinion.
- **Actual value.** Low, medium, high by thirds of net spend in the window.
- **Potential value.** Low, medium, high by thirds of what could come on top: as given (a lifetime value, say), else the
  white space of `growth`, what most of her peers buy and she does not. That is a measure, no forecast.

Equal customers share a third.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from . import growth
from .backtesting import Backtest, bin_of, calibration, no_backtest
from .likelihood import Floats
from .lines import signed

MODEL: Final = "divisions"
VERSION: Final = "1"
BROAD: Final = "broad"
LEVELS: Final = ("low", "medium", "high")
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "need",
    "need_index",
    "actual_value",
    "potential_value",
    "actual_minor",
    "potential_minor",
    "observation_count",
    "status",
    "reason",
)
_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Parameters:
    """The reference date, the days looked back on, and when a need stands out."""

    as_of: date
    window_days: int = 182
    weight: float = 5.0
    least_index: float = 1.25
    fewest_lines: int = 10
    fewest_customers: int = 30


def score(
    lines: pl.DataFrame,
    parameters: Parameters,
    potential: pl.DataFrame | None = None,
    peers: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Divide every customer with a line before `as_of`.

    Lines: those of `growth.score`, with `need` (text, may be null) beside the category. Potential: customer_id,
    potential_minor (null where unknown). Peers: those of `growth.score`. Returns one row per customer, sorted by
    customer_id, with `OUTPUT_COLUMNS`; need may be null (too few lines) where the values are known, and so may the
    potential. Who bought nothing in the window is insufficient_data.
    """
    grown = growth.score(lines, _growth(parameters), peers)
    if potential is None:
        potential = grown.select("customer_id", pl.col("white_space_minor").alias("potential_minor"))
    known = grown.filter(pl.col("status") == "ok").select("customer_id", pl.col("spend_minor").alias("actual_minor"))
    valued = known.join(potential, on="customer_id", how="left", maintain_order="left")
    valued = valued.with_columns(_level(valued, "actual"), _level(valued, "potential"))
    needed = _needs(_window(lines, parameters), parameters)
    divided = valued.join(needed, on="customer_id", how="left", maintain_order="left")
    rows = grown.select("customer_id", "observation_count", "status", "reason")
    joined = rows.join(divided, on="customer_id", how="left", maintain_order="left")
    return joined.select(OUTPUT_COLUMNS)


def backtest(lines: pl.DataFrame, cut_on: date, parameters: Parameters, peers: pl.DataFrame | None = None) -> Backtest:
    """Divide as of `cut_on` and again a window later, by what was bought in between alone.

    Figures: how often need and actual value stay what they were, beside how often they would by chance. The table
    holds the index of the need (at least the average) before the cut against that of the same need after it, by tenths.
    """
    until = cut_on + timedelta(days=parameters.window_days)
    before, after = (score(lines, _at(parameters, on), peers=peers) for on in (cut_on, until))
    both = before.join(after, on="customer_id", suffix="_after").filter(
        (pl.col("status") == "ok") & (pl.col("status_after") == "ok")
    )
    if not both.height:
        reason = "No customer bought before and after the cut, or too few did."
        return no_backtest(MODEL, cut_on, until, "insufficient_data", reason)
    indices = _indices(_window(lines, _at(parameters, until)), _at(parameters, until))
    named = both.filter(pl.col("need").is_not_null() & (pl.col("need") != BROAD))
    again = pl.concat(named.join(part, on=["customer_id", "need"]) for part in indices).sort("customer_id")
    figures = {"customer_count": float(both.height)}
    for name in ("need", "actual_value"):
        figures |= _agreement(name, both.select(name, f"{name}_after").drop_nulls())
    table = calibration(_floats(again["need_index"]), _floats(again["index"]))
    return Backtest(MODEL, cut_on, until, "ok", None, figures, table)


def _growth(parameters: Parameters) -> growth.Parameters:
    return growth.Parameters(parameters.as_of, parameters.window_days, fewest_peers=parameters.fewest_customers)


def _at(parameters: Parameters, on: date) -> Parameters:
    return Parameters(on, *(getattr(parameters, name) for name in parameters.__slots__[1:]))


def _window(lines: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    since = parameters.as_of - timedelta(days=parameters.window_days)
    return lines.filter(pl.col("on").is_between(since, parameters.as_of, closed="left"))


def _needs(recent: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Name the need that stands out most: customer_id, need, need_index."""
    most = pl.concat(
        part.filter(pl.col("lines") >= parameters.fewest_lines)
        .sort("customer_id", pl.col("index").neg(), "need")
        .group_by("customer_id", maintain_order=True)
        .first()
        for part in _indices(recent, parameters)
    )
    stands_out = pl.col("index") >= parameters.least_index
    return most.select(
        "customer_id",
        pl.when(stands_out).then(pl.col("need")).otherwise(pl.lit(BROAD)).alias("need"),
        pl.col("index").alias("need_index"),
    )


def _indices(recent: pl.DataFrame, parameters: Parameters) -> Iterator[pl.DataFrame]:
    """Compute customer_id, need, lines (of the customer with any need), index (shrunk, 1 is the average).

    Some customers at a time, in order: each with each need at once is many times the input. One part at least.
    """
    bought = signed(recent.drop_nulls("need"), "need").filter("is_purchase")
    count = pl.col("line_count").sum()
    base = bought.group_by("need").agg((count / max(int(bought["line_count"].sum()), 1)).alias("share"))
    counts = bought.group_by("customer_id", "need").agg(count.alias("count"))
    totals = bought.group_by("customer_id").agg(count.alias("lines")).sort("customer_id")
    expected = pl.col("lines") * pl.col("share")
    shrunk = (pl.col("count").fill_null(0) + parameters.weight) / (expected + parameters.weight)
    for first in range(0, max(totals.height, 1), _AT_ONCE):
        some = totals.slice(first, _AT_ONCE)
        theirs = counts.join(some, on="customer_id", how="semi")
        every = some.join(base, how="cross").join(theirs, on=["customer_id", "need"], how="left")
        yield every.select("customer_id", "need", "lines", shrunk.round(6).alias("index"))


def _level(valued: pl.DataFrame, name: str) -> pl.Series:
    """Divide into thirds; what is unknown stays so."""
    known = valued[f"{name}_minor"].drop_nulls()
    place = iter(bin_of(_floats(known), len(LEVELS)))
    named = [None if one is None else LEVELS[next(place) - 1] for one in valued[f"{name}_minor"].to_list()]
    return pl.Series(f"{name}_value", named, dtype=pl.String)


def _agreement(name: str, pairs: pl.DataFrame) -> dict[str, float]:
    first, second = pairs.to_series(0), pairs.to_series(1)
    if not pairs.height:
        return {f"{name}_stays_rate": float("nan"), f"{name}_by_chance_rate": float("nan")}
    before, after = (dict(one.value_counts(normalize=True).rows()) for one in (first, second))
    chance = sum(share * after.get(word, 0.0) for word, share in sorted(before.items()))
    stays = float((first == second).cast(pl.Float64).to_numpy().mean())
    return {f"{name}_stays_rate": stays, f"{name}_by_chance_rate": chance}


def _floats(values: pl.Series) -> Floats:
    numbers: Floats = values.cast(pl.Float64).to_numpy().astype(np.float64)
    return numbers
