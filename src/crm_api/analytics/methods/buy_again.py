"""*Buy again*: which of their products customers will buy within the next days. Pure, no input or output.

Method: personal frequency times gap. A product that a customer bought on at least two days has a usual gap (the mean of
the customer's gaps, shrunk to everybody's by the weight of one gap) and a time since the last purchase. How often
such pairs, of like frequency and like time over gap, were bought in a horizon is counted on the horizon before the
reference date and is the chance served for the next one. Cells with few pairs lean on all pairs of like frequency.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from .backtesting import Backtest, auc, calibration, calibration_error, no_backtest

MODEL = "buy_again"
VERSION = "1"
OUTPUT_COLUMNS = (
    "customer_id",
    "rank",
    "product_id",
    "buy_probability",
    "usual_gap_days",
    "elapsed_days",
    "observation_count",
    "status",
    "reason",
)
_DIGITS = 6
_FREQUENCY = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 0.95)
_LATENESS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date, days to look ahead, length of the lists, pairs that must have been seen first."""

    as_of: date
    horizon_days: int = 14
    length: int = 20
    min_pairs: int = 500
    leaning: float = 20.0
    """So many pairs in a cell weigh as much as all pairs of like frequency."""


@dataclass(frozen=True, slots=True)
class Model:
    """What was counted on the horizon before the reference date: everybody's usual gap, and pairs and hits by cell."""

    usual_gap: float
    cells: pl.DataFrame
    """often, late (numbers of the cell), n (pairs), hits (pairs bought in the horizon); sorted."""

    @property
    def pair_count(self) -> int:
        """Number of pairs that the chances rest on."""
        return int(self.cells["n"].sum())


def learn(days: pl.DataFrame, parameters: Parameters) -> Model:
    """Count on all customers' days (see `product_days.condense`) how often pairs came in the last horizon."""
    begin = parameters.as_of - timedelta(days=parameters.horizon_days)
    seen = _pairs(days, begin)
    usual = int(seen["span"].sum()) / max(int((seen["count"] - 1).sum()), 1)
    later = days.filter(pl.col("on").is_between(begin, parameters.as_of, closed="left"))
    keys = ["customer_id", "product_id"]
    hit = later.select(keys).unique().with_columns(hit=pl.lit(1, dtype=pl.Int64))
    came = _placed(seen, usual, parameters).join(hit, on=keys, how="left")
    cells = came.group_by("often", "late").agg(n=pl.len().cast(pl.Int64), hits=pl.col("hit").sum())
    return Model(usual, cells.sort("often", "late"))


def score(
    days: pl.DataFrame, model: Model, parameters: Parameters, suppressed: pl.DataFrame | None = None
) -> pl.DataFrame:
    """List for each customer of `days`, who may be any part of all, the products most likely bought again.

    The customers' days must be complete. `suppressed` as in `recommendations.discover`: left out before the list is
    cut. Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id and rank; `observation_count` is the number of
    days on which the customer bought the product. A customer without a product bought on two days has one row with
    `insufficient_data`, and so has everybody when too few pairs were seen to learn from.
    """
    predicted = predict(days, model, parameters)
    keys = ["customer_id", "product_id"]
    if suppressed is not None:
        everybody = suppressed.filter(pl.col("customer_id").is_null())["product_id"]
        predicted = predicted.filter(~pl.col("product_id").is_in(everybody.implode()))
        predicted = predicted.join(suppressed.select(keys), on=keys, how="anti")
    ordered = predicted.sort("customer_id", "buy_probability", "product_id", descending=[False, True, False])
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("customer_id").alias("rank")
    listed = ordered.with_columns(rank).filter(pl.col("rank") <= parameters.length)
    known = days.filter(pl.col("on") < parameters.as_of).select("customer_id").unique()
    none = pl.col("rank").is_null()
    reason = "No product was bought on two days, or too few such products of all customers to learn from."
    state = pl.when(none).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")).alias("status")
    rows = known.join(listed, on="customer_id", how="left")
    rows = rows.with_columns(state, pl.when(none).then(pl.lit(reason)).alias("reason"))
    rows = rows.with_columns(pl.col("observation_count").fill_null(0))
    return rows.select(OUTPUT_COLUMNS).sort("customer_id", "rank")


def predict(days: pl.DataFrame, model: Model, parameters: Parameters) -> pl.DataFrame:
    """Give every pair of customer and product, bought on two days or more, its chance; no rows with too few pairs."""
    often = model.cells.group_by("often").agg(often_n=pl.col("n").sum(), often_hits=pl.col("hits").sum())
    now = _placed(_pairs(days, parameters.as_of), model.usual_gap, parameters)
    now = now.join(often, on="often", how="left").join(model.cells, on=["often", "late"], how="left")
    now = now.with_columns(pl.col("n", "hits", "often_n", "often_hits").fill_null(0))
    lean, overall = parameters.leaning, int(model.cells["hits"].sum()) / max(model.pair_count, 1)
    like = (pl.col("often_hits") + lean * overall) / (pl.col("often_n") + lean)
    chance = ((pl.col("hits") + lean * like) / (pl.col("n") + lean)).round(_DIGITS).alias("buy_probability")
    if model.pair_count < parameters.min_pairs:
        now = now.clear()
    return now.select(
        "customer_id",
        "product_id",
        chance,
        pl.col("gap").round(_DIGITS).alias("usual_gap_days"),
        pl.col("elapsed").alias("elapsed_days"),
        pl.col("count").alias("observation_count"),
    ).sort("customer_id", "product_id")


def backtest(days: pl.DataFrame, parameters: Parameters) -> Backtest:
    """Predict the last horizon before `parameters.as_of` from what was known before it, and look.

    Figures: pair_count, area_under_curve and calibration_error of the chance that a pair is bought,
    recency_area_under_curve (of ordering by the latest purchase alone), predicted_count and observed_count.
    """
    cut_on = parameters.as_of - timedelta(days=parameters.horizon_days)
    asked = replace(parameters, as_of=cut_on)
    before = days.filter(pl.col("on") < cut_on)
    predicted = predict(before, learn(before, asked), asked)
    if predicted.is_empty():
        reason = f"Fewer than {parameters.min_pairs} products were bought on two days by their customers."
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", reason)
    keys = ["customer_id", "product_id"]
    later = days.filter(pl.col("on").is_between(cut_on, parameters.as_of, closed="left")).select(keys).unique()
    judged = predicted.join(later.with_columns(hit=pl.lit(True)), on=keys, how="left").sort(keys)
    happened = judged["hit"].fill_null(False).to_numpy()
    chance = judged["buy_probability"].to_numpy()
    table = calibration(chance, happened.astype(np.float64))
    figures = {
        "pair_count": float(judged.height),
        "area_under_curve": auc(chance, happened),
        "recency_area_under_curve": auc(-judged["elapsed_days"].to_numpy().astype(np.float64), happened),
        "calibration_error": calibration_error(table),
        "predicted_count": float(chance.sum().round(_DIGITS)),
        "observed_count": float(happened.sum()),
    }
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def _pairs(days: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Sum up what was known at a date of each product that a customer bought on two days or more."""
    known = days.filter(pl.col("on") < as_of).select("customer_id", "product_id", "on").unique()
    summed = known.group_by("customer_id", "product_id").agg(
        count=pl.len().cast(pl.Int64), first=pl.col("on").min(), last=pl.col("on").max()
    )
    return summed.filter(pl.col("count") >= 2).with_columns(
        span=(pl.col("last") - pl.col("first")).dt.total_days().cast(pl.Int64),
        elapsed=(pl.lit(as_of) - pl.col("last")).dt.total_days().cast(pl.Int64),
    )


def _placed(pairs: pl.DataFrame, usual: float, parameters: Parameters) -> pl.DataFrame:
    """Put pairs into cells of like frequency and like time over gap."""
    gap = (pl.col("span") + usual) / pl.col("count")
    frequency = 1 - (-parameters.horizon_days / gap).exp()
    lateness = pl.col("elapsed") / gap
    return pairs.with_columns(
        gap.alias("gap"), _cell(frequency, _FREQUENCY).alias("often"), _cell(lateness, _LATENESS).alias("late")
    )


def _cell(value: pl.Expr, edges: tuple[float, ...]) -> pl.Expr:
    return pl.sum_horizontal([(value >= edge).cast(pl.Int64) for edge in edges])
