"""Growth potential: who buys little, and what customers like them buy that they do not; transparent, nothing fitted.

Over the last `window_days`: customers who bought are light, medium or heavy by thirds of their net spend (equal spends
stay together). The gap is what is missing to the 80th percentile (nearest rank) of the customer's peers; white space
are the categories most of the peers buy and she does not, each worth the median spend of the peers who buy it.

Peers are given (a household type, a region); groups with fewer than `fewest_peers` buyers are joined into one with all
customers as its measure. Learned models did not beat recent spend at telling who will spend, and could not say why.

A gap is a measure, no forecast: most customers below their peers stay there. The backtest says how many do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from .backtesting import Backtest, auc, bin_of, calibration, no_backtest
from .likelihood import Floats
from .lines import signed

MODEL: Final = "growth"
VERSION: Final = "1"
CLASSES: Final = ("light", "medium", "heavy")
OUTPUT_COLUMNS: Final = (
    "customer_id",
    "growth_class",
    "spend_minor",
    "peer_spend_minor",
    "gap_minor",
    "white_space_count",
    "white_space_minor",
    "top_white_space",
    "observation_count",
    "status",
    "reason",
)
_EVERYBODY: Final = "(everybody)"
_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Parameters:
    """The reference date, the days looked back on, the peers' quantile, how common white space is, the least group."""

    as_of: date
    window_days: int = 182
    peer_quantile: float = 0.8
    common_rate: float = 0.5
    fewest_peers: int = 30


def score(lines: pl.DataFrame, parameters: Parameters, peers: pl.DataFrame | None = None) -> pl.DataFrame:
    """Score every customer with a line before `as_of`.

    Lines: customer_id, on (local date), category (text, may be null), amount_minor (net; negative or of kind
    `order.refunded` is a refund); or the sums that `lines.by_window` makes of them. Peers: customer_id, peer_group.
    Returns one row per customer, sorted by customer_id, with `OUTPUT_COLUMNS`; who bought nothing in the window is
    insufficient_data, and so are all when fewer than `fewest_peers` bought.
    """
    known = lines.filter(pl.col("on") < parameters.as_of)
    recent = signed(known.filter(pl.col("on") >= parameters.as_of - timedelta(days=parameters.window_days)))
    buyers = _buyers(recent)
    if buyers.height < parameters.fewest_peers:
        reason = f"{buyers.height} customers bought in the last {parameters.window_days} days; too few to compare."
        return _rows(known, recent, buyers.head(0), reason, parameters)
    grouped = _grouped(buyers, peers, parameters)
    place = bin_of(_floats(grouped["spend_minor"]), len(CLASSES))
    summed = _summed(recent, grouped, parameters)
    scored = grouped.with_columns(
        pl.Series([CLASSES[one - 1] for one in place], dtype=pl.String).alias("growth_class"),
        (pl.col("peer_spend_minor") - pl.col("spend_minor")).clip(lower_bound=0).alias("gap_minor"),
    ).join(summed, on="customer_id", how="left")
    scored = scored.with_columns(pl.col("white_space_count", "white_space_minor").fill_null(0))
    return _rows(known, recent, scored, None, parameters)


def white_space(lines: pl.DataFrame, parameters: Parameters, peers: pl.DataFrame | None = None) -> pl.DataFrame:
    """List, customer by customer, what most of her peers buy and she does not.

    Returns customer_id, category, peer_rate (share of the peers who buy it), worth_minor (median spend of those),
    sorted by customer_id and category; why a score is what it is.
    """
    since = parameters.as_of - timedelta(days=parameters.window_days)
    recent = signed(lines.filter(pl.col("on").is_between(since, parameters.as_of, closed="left")))
    grouped, spent = _grouped(_buyers(recent), peers, parameters), _spent(recent)
    return _missing(grouped, _common(spent, grouped, parameters), spent).sort("customer_id", "category")


def backtest(lines: pl.DataFrame, cut_on: date, parameters: Parameters, peers: pl.DataFrame | None = None) -> Backtest:
    """Score as of `cut_on`, judge by the window of the same length that follows it.

    Figures: how well recent spend ranks the heavy third of the next window (AUC), the share of heavy customers that
    stay heavy, how often those below their peers close half of the gap, and how often a category of white space is
    bought next, beside other categories not bought before. The table holds spends against each other by tenths.
    """
    until = cut_on + timedelta(days=parameters.window_days)
    asked = Parameters(cut_on, *(getattr(parameters, name) for name in parameters.__slots__[1:]))
    scored = score(lines, asked, peers).filter(pl.col("status") == "ok")
    if not scored.height:
        return no_backtest(MODEL, cut_on, until, "insufficient_data", "Too few customers bought before the cut.")
    later = signed(lines.filter(pl.col("on").is_between(cut_on, until, closed="left")))
    next_spend = later.group_by("customer_id").agg(pl.col("net_minor").sum().alias("next_minor"))
    judged = scored.join(next_spend, on="customer_id", how="left", maintain_order="left")
    before, after = _floats(judged["spend_minor"]), _floats(judged["next_minor"].fill_null(0))
    heavy_next = bin_of(after, len(CLASSES)) == len(CLASSES)
    heavy = (judged["growth_class"] == CLASSES[-1]).to_numpy()
    gap = _floats(judged["gap_minor"])
    behind = gap > 0
    closed = (after - before >= gap / 2)[behind]
    figures = {
        "customer_count": float(len(before)),
        "auc_of_spend_for_heavy": auc(before, heavy_next),
        "heavy_stay_heavy_rate": float(heavy_next[heavy].mean()) if heavy.any() else float("nan"),
        "gap_halved_rate": float(closed.mean()) if len(closed) else float("nan"),
        **_first_bought(lines, later, scored, asked, peers),
    }
    return Backtest(MODEL, cut_on, until, "ok", None, figures, calibration(before, after))


def _first_bought(
    lines: pl.DataFrame, later: pl.DataFrame, scored: pl.DataFrame, asked: Parameters, peers: pl.DataFrame | None
) -> dict[str, float]:
    """Compare how often categories of white space, and others that were not bought, are bought after the cut."""
    since = asked.as_of - timedelta(days=asked.window_days)
    recent = signed(lines.filter(pl.col("on").is_between(since, asked.as_of, closed="left")))
    pair = ["customer_id", "category"]
    bought, next_bought = (frame.filter("is_purchase").select(pair).drop_nulls().unique() for frame in (recent, later))
    new = next_bought.join(bought, on=pair, how="anti").join(scored, on="customer_id", how="semi")
    grouped, spent = _grouped(_buyers(recent), peers, asked), _spent(recent)
    common = _common(spent, grouped, asked)
    blank = hits = 0
    for missing in _missing_by_parts(grouped, common, spent):
        blank += missing.height
        hits += missing.join(new, on=pair, how="semi").height
    known = bought.select("category").unique()
    others = scored.height * known.height - bought.join(scored, on="customer_id", how="semi").height - blank
    other_hits = new.join(known, on="category", how="semi").height - hits
    return {
        "white_space_bought_rate": hits / blank if blank else float("nan"),
        "other_category_bought_rate": other_hits / others if others else float("nan"),
    }


def _buyers(recent: pl.DataFrame) -> pl.DataFrame:
    """Sum up who bought at all: customer_id, spend_minor, observation_count, sorted by customer_id."""
    spends = recent.group_by("customer_id").agg(
        pl.col("net_minor").sum().alias("spend_minor"),
        pl.col("line_count").sum().alias("observation_count"),
        pl.col("is_purchase").any(),
    )
    return spends.filter("is_purchase").drop("is_purchase").sort("customer_id")


def _grouped(buyers: pl.DataFrame, peers: pl.DataFrame | None, parameters: Parameters) -> pl.DataFrame:
    """Give each buyer the group and the spend of its peers; small groups and who has none are held to everybody."""
    if peers is None:
        grouped = buyers.with_columns(pl.lit(_EVERYBODY).alias("peer_group"))
    else:
        named = peers.group_by("customer_id").agg(pl.col("peer_group").cast(pl.String).min())
        grouped = buyers.join(named, on="customer_id", how="left", maintain_order="left")
        is_small = pl.len().over("peer_group") < parameters.fewest_peers
        own = pl.when(~is_small & pl.col("peer_group").is_not_null()).then(pl.col("peer_group"))
        grouped = grouped.with_columns(own.fill_null(_EVERYBODY).alias("peer_group"))
    high = pl.col("spend_minor").quantile(parameters.peer_quantile, "higher")
    everybody = grouped.select(high.cast(pl.Int64)).item() if grouped.height else 0
    of_group = pl.when(pl.col("peer_group") == _EVERYBODY).then(pl.lit(everybody))
    return grouped.with_columns(of_group.otherwise(high.over("peer_group").cast(pl.Int64)).alias("peer_spend_minor"))


def _spent(recent: pl.DataFrame) -> pl.DataFrame:
    """Sum up what customers spend on the categories they buy: customer_id, category, net_minor."""
    known = recent.drop_nulls("category").group_by("customer_id", "category")
    sums = known.agg(pl.col("net_minor").sum(), pl.col("is_purchase").any())
    return sums.filter("is_purchase").drop("is_purchase")


def _common(spent: pl.DataFrame, grouped: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Find what most of each group buy: peer_group, category, peer_rate, worth_minor."""
    members = grouped.select("customer_id", "peer_group")
    measured = pl.concat([members, members.with_columns(pl.lit(_EVERYBODY).alias("peer_group"))]).unique()
    sizes = measured.group_by("peer_group").len("size")
    counted = spent.join(measured, on="customer_id").group_by("peer_group", "category")
    rates = counted.agg(pl.len(), pl.col("net_minor").quantile(0.5, "lower").cast(pl.Int64).alias("worth_minor"))
    rates = rates.join(sizes, on="peer_group").with_columns(
        (pl.col("len") / pl.col("size")).round(6).alias("peer_rate")
    )
    common = rates.filter((pl.col("peer_rate") >= parameters.common_rate) & (pl.col("worth_minor") > 0))
    return common.select("peer_group", "category", "peer_rate", "worth_minor")


def _missing(grouped: pl.DataFrame, common: pl.DataFrame, spent: pl.DataFrame) -> pl.DataFrame:
    """Cross customers with what is common in their group, and leave out what they buy."""
    crossed = grouped.select("customer_id", "peer_group").join(common, on="peer_group")
    missing = crossed.join(spent, on=["customer_id", "category"], how="anti")
    return missing.select("customer_id", "category", "peer_rate", "worth_minor")


def _missing_by_parts(grouped: pl.DataFrame, common: pl.DataFrame, spent: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Find `_missing` of some customers at a time, who come in order: all pairs at once are many times the input."""
    bought = spent.join(common, on="category", how="semi")
    for some in grouped.iter_slices(_AT_ONCE):
        first, last = some["customer_id"][0], some["customer_id"][-1]
        yield _missing(some, common, bought.filter(pl.col("customer_id").is_between(pl.lit(first), pl.lit(last))))


def _summed(recent: pl.DataFrame, grouped: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Sum the white space up by customer."""
    spent = _spent(recent)
    common = _common(spent, grouped, parameters)
    parts = [
        missing.sort("customer_id", pl.col("worth_minor").neg(), "category")
        .group_by("customer_id", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("white_space_count"),
            pl.col("worth_minor").sum().alias("white_space_minor"),
            pl.col("category").first().alias("top_white_space"),
        )
        for missing in _missing_by_parts(grouped, common, spent)
    ]
    return pl.concat(parts)


def _rows(
    known: pl.DataFrame, recent: pl.DataFrame, scored: pl.DataFrame, reason: str | None, parameters: Parameters
) -> pl.DataFrame:
    """Add those without a score, with the reason."""
    none = reason or f"No purchase in the {parameters.window_days} days before the reference date."
    empty = {"growth_class": pl.String, "top_white_space": pl.String}
    missing = [name for name in OUTPUT_COLUMNS[1:-2] if name not in scored.columns]
    scored = scored.with_columns(pl.lit(None, dtype=empty.get(name, pl.Int64)).alias(name) for name in missing)
    counts = recent.group_by("customer_id").agg(pl.col("line_count").sum().alias("observation_count"))
    everybody = known.select("customer_id").unique().sort("customer_id")
    everybody = everybody.join(counts, on="customer_id", how="left", maintain_order="left")
    joined = everybody.join(scored.drop("observation_count"), on="customer_id", how="left", maintain_order="left")
    is_ok = pl.col("growth_class").is_not_null()
    return joined.with_columns(
        pl.col("observation_count").fill_null(0),
        pl.when(is_ok).then(pl.lit("ok")).otherwise(pl.lit("insufficient_data")).alias("status"),
        pl.when(~is_ok).then(pl.lit(none)).alias("reason"),
    ).select(OUTPUT_COLUMNS)


def _floats(values: pl.Series) -> Floats:
    numbers: Floats = values.cast(pl.Float64).to_numpy().astype(np.float64)
    return numbers
