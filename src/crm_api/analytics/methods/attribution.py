"""Attribution: six rules side by side that share out conversions over the channels that were seen before them.

A customer's timeline is cut at her conversions: what she saw since the last one, at most `window_days` before, is the
journey to the next; what follows the last conversion is a journey without one. The rules:

- first, last: all to one. linear: equal parts. u_shaped: 40% to the first, 40% to the last, 20% to those between
  (halves when there are two). time_decay: halved for each `half_life_days` before the conversion.
- markov: channels are the states of a first-order chain over all journeys, also those without a conversion; a channel
  is worth the share of conversions lost when it leads nowhere (Anderl, Becker, von Wangenheim, Schumann 2016), by exact
  solution of the chain's linear equations.

None of them knows what would have happened without a channel: a holdout outranks them all, and where they disagree,
that is the finding. A conversion nobody was seen before goes to `NO_CHANNEL`, so that each rule adds up to all.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from .likelihood import Floats
from .states import Status

RULES: Final = ("first", "last", "linear", "u_shaped", "time_decay", "markov")
NO_CHANNEL: Final = "(none seen)"


@dataclass(frozen=True, slots=True)
class Parameters:
    """How long before a conversion a touch still counts, and in how many days its part halves."""

    window_days: int = 30
    half_life_days: float = 7.0


@dataclass(frozen=True, slots=True)
class Attribution:
    """Two frames with one row per channel, sorted, and one column per rule: conversions, and money in minor units.

    Without a conversion the status is insufficient_data and the frames are empty.
    """

    conversions: pl.DataFrame
    amounts: pl.DataFrame
    conversion_count: int
    journey_count: int
    status: Status
    reason: str | None


def attribute(touches: pl.DataFrame, conversions: pl.DataFrame, parameters: Parameters) -> Attribution:
    """Share out conversions.

    Touches: customer_id, at (time), channel. Conversions: customer_id, at, amount_minor (null counts as nought,
    negative lowers); those of one customer at one instant are one. A touch at the instant of the conversion comes
    before it; touches of one instant are ordered by channel.
    """
    sold = (
        conversions.group_by("customer_id", "at")
        .agg(pl.col("amount_minor").fill_null(0).sum())
        .sort("at", "customer_id")
    )
    if not sold.height:
        empty = pl.DataFrame(schema={"channel": pl.String} | dict.fromkeys(RULES, pl.Float64))
        return Attribution(empty, empty, 0, 0, "insufficient_data", "There is no conversion to share out.")
    journeys = _journeys(touches, sold, parameters.window_days)
    weighed = _weighed(journeys.filter(pl.col("sold_at").is_not_null()), parameters.half_life_days)
    seen = weighed.select("customer_id", "sold_at").unique()
    unseen = sold.join(seen, left_on=["customer_id", "at"], right_on=["customer_id", "sold_at"], how="anti")
    rest = (float(unseen.height), float(unseen["amount_minor"].sum()))
    shares = _markov(journeys)
    frames = [
        _table(weighed, shares, value, rest[place]) for place, value in enumerate((pl.lit(1.0), pl.col("amount_minor")))
    ]
    count = journeys.select("customer_id", "sold_at").unique().height + unseen.height
    return Attribution(frames[0], frames[1], sold.height, count, "ok", None)


def _journeys(touches: pl.DataFrame, sold: pl.DataFrame, window_days: int) -> pl.DataFrame:
    """Give each touch the conversion it leads to (null when none follows); touches before the window are left out."""
    ordered = touches.select("customer_id", "at", "channel").sort("at", "customer_id", "channel")
    joined = ordered.join_asof(
        sold.with_columns(pl.col("at").alias("sold_at")), on="at", by="customer_id", strategy="forward", coalesce=True
    )
    fresh = pl.col("sold_at").is_null() | (pl.col("sold_at") - pl.col("at") <= timedelta(days=window_days))
    return joined.filter(fresh).sort("customer_id", "at", "channel")


def _weighed(touches: pl.DataFrame, half_life_days: float) -> pl.DataFrame:
    """Weigh the touches of each journey by every rule but markov; the weights of a journey add up to 1."""
    journey = ("customer_id", "sold_at")
    place, length = pl.int_range(pl.len()).over(journey), pl.len().over(journey)
    is_first, is_last = place == 0, place == length - 1
    # 40% to both ends and 20% to the rest; without a middle the ends share it.
    ends = pl.when(length == 1).then(1.0).when(length == 2).then(0.5).otherwise(0.4)
    age = (pl.col("sold_at") - pl.col("at")).dt.total_microseconds() / 86_400e6
    decay = (-age / half_life_days * np.log(2)).exp()
    return touches.with_columns(
        is_first.cast(pl.Float64).alias("first"),
        is_last.cast(pl.Float64).alias("last"),
        (1 / length).alias("linear"),
        pl.when(is_first | is_last).then(ends).otherwise(0.2 / (length - 2)).alias("u_shaped"),
        decay.alias("time_decay"),
    ).with_columns(pl.col("time_decay") / pl.col("time_decay").sum().over(journey))


def _table(weighed: pl.DataFrame, shares: dict[str, float], value: pl.Expr, rest: float) -> pl.DataFrame:
    """Sum the weights up by channel, once counted and once in money."""
    by_channel = weighed.sort("channel", "customer_id", "sold_at", "at").group_by("channel", maintain_order=True)
    table = by_channel.agg(*((pl.col(rule) * value).sum() for rule in RULES[:-1]))
    reached = float(table["last"].sum())
    # A channel that no converted journey saw has no row yet; the chain gives it nothing either, but it was there.
    missing = sorted(set(shares) - set(table["channel"]))
    table = pl.concat([table, pl.DataFrame({"channel": missing} | dict.fromkeys(RULES[:-1], 0.0), schema=table.schema)])
    table = table.with_columns(
        markov=pl.col("channel").replace_strict(shares, default=0.0, return_dtype=pl.Float64) * reached
    )
    none = pl.DataFrame({"channel": [NO_CHANNEL]} | dict.fromkeys(RULES, rest), schema=table.schema)
    return pl.concat([table, none] if rest else [table]).with_columns(pl.col(RULES).round(6)).sort("channel")


def _markov(journeys: pl.DataFrame) -> dict[str, float]:
    """Share of conversions by removal of each channel; adds up to 1 (or is nought for all without a conversion)."""
    journey = ("customer_id", "sold_at")
    steps = journeys.with_columns(
        pl.col("channel").shift(1).over(journey).alias("before"),
        pl.col("channel").shift(-1).over(journey).alias("after"),
    )
    channels = sorted(journeys["channel"].unique().to_list())
    place = {name: number for number, name in enumerate(channels)}
    counts = np.zeros((len(channels), len(channels)))
    for before, after, count in steps.drop_nulls("after").group_by("channel", "after").len().rows():
        counts[place[before], place[after]] = count
    starts, sells = np.zeros(len(channels)), np.zeros(len(channels))
    for name, count in steps.filter(pl.col("before").is_null()).group_by("channel").len().rows():
        starts[place[name]] = count
    ended = steps.filter(pl.col("after").is_null())
    for name, count in ended.filter(pl.col("sold_at").is_not_null()).group_by("channel").len().rows():
        sells[place[name]] = count
    left = np.array([float(count) for _, count in journeys.group_by("channel").len().sort("channel").rows()])
    effects = _removal_effects(starts, counts, sells, left)
    total = float(effects.sum())
    return {name: float(effect) / total if total > 0 else 0.0 for name, effect in zip(channels, effects, strict=True)}


def _removal_effects(starts: Floats, counts: Floats, sells: Floats, left: Floats) -> Floats:
    """Solve (I - Q) h = s for the chance h of a conversion from each channel; again without each of them."""
    if not len(starts) or not sells.sum():
        return np.zeros(len(starts))
    start, moves, sale = starts / starts.sum(), counts / left[:, None], sells / left
    size = len(start)
    whole = float((start * np.linalg.solve(np.eye(size) - moves, sale)).sum())
    effects = np.empty(size)
    for gone in range(size):
        kept = np.arange(size) != gone
        chance = np.linalg.solve(np.eye(size - 1) - moves[np.ix_(kept, kept)], sale[kept])
        effects[gone] = 1 - float((start[kept] * chance).sum()) / whole
    return np.maximum(effects, 0.0)
