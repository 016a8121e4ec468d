"""Association rules: what baskets hold when they hold something else. Pure, no input or output.

Method: frequent sets of items by depth first search over sets of baskets (Eclat: Zaki 2000), the baskets of an item
being the bits of one whole number; then rules with one item on the right (Agrawal, Srikant 1994). Per rule:

- support: share of all baskets with all of its items; confidence: share of the baskets with its left side that have
  its right side too;
- lift: confidence over the right side's own share (Brin and others 1997); leverage: support less what independence
  would give (Piatetsky-Shapiro 1991);
- p_value: chance of so many common baskets or more if the sides were independent (Fisher's exact test, one-sided).

Many rules are looked at, so some look strong by chance: `p_value` is for one rule; ask for less than 0.05 / rules.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import reduce
from math import ceil
from operator import and_

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import hypergeom

from .backtesting import Backtest, calibration, calibration_error, no_backtest

MODEL = "association"
VERSION = "1"
OUTPUT_COLUMNS = (
    "left",
    "right",
    "support",
    "confidence",
    "lift",
    "leverage",
    "p_value",
    "basket_count",
    "left_count",
    "right_count",
    "observation_count",
    "status",
    "reason",
)
_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "left": pl.List(pl.String),
    "right": pl.String,
    "support": pl.Float64,
    "confidence": pl.Float64,
    "lift": pl.Float64,
    "leverage": pl.Float64,
    "p_value": pl.Float64,
    "basket_count": pl.Int64,
    "left_count": pl.Int64,
    "right_count": pl.Int64,
    "observation_count": pl.Int64,
    "status": pl.String,
    "reason": pl.String,
}
SCHEMA = pl.Schema(_TYPES)
_DIGITS = 9


class TooManySets(ValueError):
    """More frequent sets than the run allows: the support asked for is too low for this data."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Smallest support and confidence (shares; .006 is exactly 6 of 1,000), largest rule and search."""

    min_support: float = 0.006
    min_confidence: float = 0.25
    max_items: int = 4
    max_sets: int = 100_000
    few_baskets: int = 5
    """Rules of fewer common baskets than this are `insufficient_data`, however large their share."""


def condense(lines: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """Reduce lines to distinct pairs of basket_id and item (words), sorted; parts are joined by `combine`."""
    pairs = lines.lazy().select("basket_id", pl.col("item").cast(pl.Categorical)).drop_nulls().unique()
    return pairs.sort("item", "basket_id").collect(engine="streaming")


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join pairs of several parts, also when a basket was spread over more than one of them."""
    return condense(pl.concat(list(parts)))


def rules(pairs: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Find the rules of baskets (see `condense`); baskets without an item are not there and do not count.

    Returns the columns of `OUTPUT_COLUMNS`, strongest lift first, then by sides: left (list of items, sorted), right,
    figures, basket_count (baskets with all of the items), those of each side, observation_count (all baskets).
    Errors: TooManySets.
    """
    baskets = pairs["basket_id"].n_unique()
    if not baskets:
        return SCHEMA.to_frame()
    wanted = max(ceil(_exactly(parameters.min_support) * baskets), 1)
    counts: dict[tuple[str, ...], int] = {}
    for items, count in _frequent(pairs, wanted, parameters.max_items):
        counts[items] = count
        if len(counts) > parameters.max_sets:
            raise TooManySets(f"More than {parameters.max_sets} sets have a support of {parameters.min_support}.")
    confident = _exactly(parameters.min_confidence)
    found = [
        (list(left), right, count, counts[left], counts[(right,)])
        for items, count in counts.items()
        if len(items) > 1
        for left, right in _splits(items)
        if count >= confident * counts[left]
    ]
    return _measured(found, baskets, parameters)


def backtest(before: pl.DataFrame, after: pl.DataFrame, cut_on: date, until: date, parameters: Parameters) -> Backtest:
    """Find rules in the baskets before `cut_on` and look at those from there to before `until` (both as of `condense`).

    Figures: rule_count, judged_count (rules whose left side came again), held_rate (the share of those with a lift
    above 1 again), calibration_error. The table holds the confidence before against that after.
    """
    found = rules(before, parameters).filter(pl.col("status") == "ok")
    sides = found.select(pl.col("left").explode()).to_series().append(found["right"])
    later, size = dict(_held(after, sides)), after["basket_id"].n_unique()
    confidences, kept, lifts = [], [], []
    for left, right, confidence in found.select("left", "right", "confidence").iter_rows():
        held = reduce(and_, (later.get(item, 0) for item in left))
        target = later.get(right, 0)
        if held:
            again = (held & target).bit_count()
            confidences.append(confidence)
            kept.append(again / held.bit_count())
            lifts.append(again * size > held.bit_count() * target.bit_count())
    if not kept:
        return no_backtest(MODEL, cut_on, until, "insufficient_data", "No rule was found whose left side came again.")
    table = calibration(np.array(confidences), np.array(kept))
    figures = {
        "rule_count": float(found.height),
        "judged_count": float(len(kept)),
        "held_rate": float(np.mean(lifts)),
        "calibration_error": calibration_error(table),
    }
    return Backtest(MODEL, cut_on, until, "ok", None, figures, table)


def _exactly(share: float) -> Fraction:
    # As it is written, and not as the nearest binary fraction, which may lie above it and lose the boundary case.
    return Fraction(str(share))


def _splits(items: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for place, right in enumerate(items):
        yield items[:place] + items[place + 1 :], right


def _frequent(pairs: pl.DataFrame, wanted: int, max_items: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Give every set of at most so many items, sorted, that is in at least `wanted` baskets, with that number."""
    common = pairs.group_by("item").len().filter(pl.col("len") >= wanted)["item"]
    stack: list[tuple[tuple[str, ...], list[tuple[str, int]]]] = [((), list(_held(pairs, common)))]
    while stack:
        prefix, siblings = stack.pop()
        for place, (item, held) in enumerate(siblings):
            items = (*prefix, item)
            yield items, held.bit_count()
            if len(items) == max_items:
                continue
            joined = ((other, held & also) for other, also in siblings[place + 1 :])
            children = [(other, both) for other, both in joined if both.bit_count() >= wanted]
            if children:
                stack.append((items, children))


def _held(pairs: pl.DataFrame, items: pl.Series) -> Iterator[tuple[str, int]]:
    """Give for each of some items, in order, the baskets that hold it: each basket is one bit of a number."""
    placed = pairs.with_columns(pl.col("basket_id").rank("dense").cast(pl.UInt32) - 1)
    size = placed["basket_id"].n_unique()
    held = placed.filter(pl.col("item").is_in(items.cast(pl.Categorical).implode())).group_by("item").agg("basket_id")
    for item, places in zip(*held.sort("item"), strict=True):
        yield item, _as_number(places.to_numpy(), size)


def _as_number(places: NDArray[np.uint32], size: int) -> int:
    flags = np.zeros(size, dtype=bool)
    flags[places] = True
    return int.from_bytes(np.packbits(flags).tobytes(), "big")


def _measured(found: list[tuple[list[str], str, int, int, int]], baskets: int, parameters: Parameters) -> pl.DataFrame:
    left, right = [rule[0] for rule in found], [rule[1] for rule in found]
    both, left_count, right_count = ([rule[place] for rule in found] for place in (2, 3, 4))
    n_both, n_left, n_right = (np.array(column, dtype=np.float64) for column in (both, left_count, right_count))
    few = pl.col("basket_count") < parameters.few_baskets
    frame = pl.DataFrame(
        {
            "left": left,
            "right": right,
            "support": n_both / baskets,
            "confidence": n_both / n_left,
            "lift": n_both * baskets / (n_left * n_right),
            "leverage": n_both / baskets - n_left * n_right / baskets**2,
            "p_value": hypergeom.sf(n_both - 1, baskets, n_left, n_right),
            "basket_count": both,
            "left_count": left_count,
            "right_count": right_count,
            "observation_count": [baskets] * len(found),
        },
        schema={name: SCHEMA[name] for name in OUTPUT_COLUMNS[:-2]},
    )
    return (
        frame.with_columns(
            pl.col("support", "confidence", "lift", "leverage").round(_DIGITS),
            pl.col("p_value").round_sig_figs(6),
            pl.when(few).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")).alias("status"),
            pl.when(few).then(pl.lit(f"In fewer than {parameters.few_baskets} baskets.")).alias("reason"),
            pl.col("left").list.join("\n").alias("words"),
        )
        .sort("lift", "words", "right", descending=[True, False, False])
        .select(OUTPUT_COLUMNS)
    )
