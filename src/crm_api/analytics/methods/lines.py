"""What counts as a bought line, said once for all methods that read lines of orders."""

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


def signed(lines: pl.DataFrame, group: str = "category") -> pl.DataFrame:
    """Make refunds negative, whatever their sign, and say which lines are purchases (no amount below nought).

    Wanted: customer_id, the group, amount_minor; used when present: kind (`order.refunded` is a refund). Returns
    customer_id, the group, net_minor, is_purchase.
    """
    amount = pl.col("amount_minor").cast(pl.Int64).fill_null(0)
    is_refund = amount < 0
    if "kind" in lines.columns:
        is_refund = is_refund | pl.col("kind").eq_missing(pl.lit(REFUND_KIND))
    net = pl.when(is_refund).then(-amount.abs()).otherwise(amount).alias("net_minor")
    return lines.select("customer_id", group, net, (~is_refund).alias("is_purchase"))
