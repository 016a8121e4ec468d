"""What counts as a bought line, said once for all methods that read lines of orders."""

from collections.abc import Iterable
from datetime import date

import polars as pl

from .purchases import REFUND_KIND


def bought(lines: pl.LazyFrame | pl.DataFrame, as_of: date) -> pl.LazyFrame:
    """Keep the lines that were bought before `as_of`, by their local date `on`; the day of `as_of` is not over yet.

    A line without a quantity counts; one with a quantity of zero or less (a refund, a void, a fee taken back) does not.
    """
    kept = lines.lazy().filter(pl.col("on") < as_of)
    if "quantity" in kept.collect_schema().names():
        kept = kept.filter((pl.col("quantity") > 0).fill_null(True))
    return kept


def signed(lines: pl.DataFrame, *groups: str) -> pl.DataFrame:
    """Make refunds negative, whatever their sign, and say which lines are purchases (no amount below nought).

    Wanted: customer_id, the groups (the category when none is named), amount_minor; used when present: kind
    (`order.refunded` is a refund), line_count (how many lines a row stands for, else one). Returns customer_id, the
    groups, net_minor, is_purchase, line_count.
    """
    amount = pl.col("amount_minor").cast(pl.Int64).fill_null(0)
    is_refund = amount < 0
    if "kind" in lines.columns:
        is_refund = is_refund | pl.col("kind").eq_missing(pl.lit(REFUND_KIND))
    net = pl.when(is_refund).then(-amount.abs()).otherwise(amount).alias("net_minor")
    count = pl.col("line_count") if "line_count" in lines.columns else pl.lit(1, pl.Int64).alias("line_count")
    return lines.select("customer_id", *(groups or ("category",)), net, (~is_refund).alias("is_purchase"), count)


def by_window(lines: pl.DataFrame, as_of: date, window_days: int, *groups: str, windows: int = 2) -> pl.DataFrame:
    """Sum lines up by customer, window and groups; who asks for no less than a window can be told from the sums.

    Wanted: on (local date) and what `signed` wants. A window is `window_days` long; the newest ends before `as_of`, and
    what is older than so many `windows` is left out. Returns customer_id, on (the window's first day), the groups, kind
    (purchases apart from refunds), amount_minor, line_count; sums of parts of a feed are joined by `combine`.
    """
    ago = (pl.lit(as_of) - pl.col("on")).dt.total_days().sub(1) // window_days
    first_day = pl.lit(as_of) - pl.duration(days=(ago + 1) * window_days)
    within = lines.filter(ago.is_between(0, windows - 1)).with_columns(first_day.alias("on"))
    kind = pl.when("is_purchase").then(pl.lit("purchase")).otherwise(pl.lit(REFUND_KIND)).alias("kind")
    told = signed(within, "on", *groups).with_columns(kind).rename({"net_minor": "amount_minor"})
    return _sum_up(told.select("customer_id", "on", *groups, "kind", "amount_minor", "line_count"))


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join sums of several parts, also when a customer's lines were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)))


def _sum_up(lines: pl.DataFrame) -> pl.DataFrame:
    # Sums are taken in 128 bits and cast back strictly: what does not fit raises instead of wrapping around.
    sums = [pl.col(name).cast(pl.Int128).sum().cast(pl.Int64) for name in ("amount_minor", "line_count")]
    keys = lines.columns[:-2]
    return lines.group_by(keys).agg(sums).sort(keys)
