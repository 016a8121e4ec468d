"""Purchases as customer-days, and the history of each customer that models of buying read.

Wanted of a frame of purchases: `customer_id` (text or integer), `on` (local date), `amount_minor` (integer minor units
of one currency, null when unknown); used when present: `kind`.

Rules, stated once (they are those of RFM, see `analytics.rfm`):

- **Known facts.** A fact counts when its date lies before `as_of`; the last whole day is the day before.
- **Refund.** A row of kind `order.refunded` (whatever its sign) or with a negative amount. It is no purchase. Its money
  is taken from the customer's latest purchase day on or before it, from the first one when there is none before; the
  day stays a purchase day. So what a purchase is worth is what remained of it.
- **No purchase, no history.** A customer with nothing but refunds keeps a row without dates.

All arithmetic is on integers: neither the order of rows nor cuts of the input change a result.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, Literal

import polars as pl

REFUND_KIND: Final = "order.refunded"
Unit = Literal["day", "order"]
"""What counts as one purchase: a day on which the customer bought (default everywhere), or each order."""

_DAYS = ("customer_id", "on", "orders", "paid_minor", "refunded_minor", "rows")


def customer_days(purchases: pl.LazyFrame | pl.DataFrame, as_of: date, since: date | None = None) -> pl.DataFrame:
    """Sum purchases up to one row per customer and local date, from `since` (or ever) to the day before `as_of`.

    Returns customer_id, on, orders, paid_minor, refunded_minor (not negative), rows; sorted. Parts of a feed are
    summed apart and joined by `combine`.
    """
    known = purchases.lazy().filter(pl.col("on") < as_of)
    if since is not None:
        known = known.filter(pl.col("on") >= since)
    amount = pl.col("amount_minor").cast(pl.Int64).fill_null(0)
    is_refund = amount < 0
    if "kind" in purchases.lazy().collect_schema().names():
        is_refund = is_refund | pl.col("kind").eq_missing(pl.lit(REFUND_KIND))
    facts = known.select(
        "customer_id",
        "on",
        (~is_refund).cast(pl.Int64).alias("orders"),
        pl.when(is_refund).then(0).otherwise(amount).alias("paid_minor"),
        pl.when(is_refund).then(amount.abs()).otherwise(0).alias("refunded_minor"),
        pl.lit(1, dtype=pl.Int64).alias("rows"),
    )
    return _sum_up(facts)


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join customer-days of several parts, also when a day's facts were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)).lazy())


def histories(days: pl.DataFrame, as_of: date, unit: Unit = "day") -> pl.DataFrame:
    """Reduce days before `as_of` to one row per customer, sorted by customer_id; a customer's days must be complete.

    Returns customer_id, first_on, last_on, repeats (purchases after the first), recency_days (first to last purchase),
    age_days (first purchase to the last whole day before `as_of`), repeat_minor (net money of the repeats),
    amount_minor (net money of all), observation_count (rows of the feed). With unit `order` the first day's money is
    spread evenly over its orders, in whole minor units rounded down.
    """
    bought = pl.col("orders") > 0
    netted = (
        _net(days.filter(pl.col("on") < as_of).sort("customer_id", "on"))
        .group_by("customer_id")
        .agg(
            pl.col("on").filter(bought).min().alias("first_on"),
            pl.col("on").filter(bought).max().alias("last_on"),
            bought.sum().cast(pl.Int64).alias("days"),
            pl.col("orders").sum(),
            pl.col("net_minor").sum().alias("amount_minor"),
            # Rows are in order of days, and a group keeps it.
            pl.col("orders").filter(bought).first().alias("first_orders"),
            pl.col("net_minor").filter(bought).first().fill_null(0).alias("first_net"),
            pl.col("rows").sum().alias("observation_count"),
        )
    )
    count = pl.col("days" if unit == "day" else "orders")
    first = pl.col("first_net") if unit == "day" else pl.col("first_net") // pl.col("first_orders").fill_null(1)
    last_day = pl.lit(as_of - timedelta(days=1))
    return netted.select(
        "customer_id",
        "first_on",
        "last_on",
        (count - 1).clip(lower_bound=0).alias("repeats"),
        (pl.col("last_on") - pl.col("first_on")).dt.total_days().cast(pl.Int64).alias("recency_days"),
        (last_day - pl.col("first_on")).dt.total_days().cast(pl.Int64).alias("age_days"),
        (pl.col("amount_minor") - first).alias("repeat_minor"),
        "amount_minor",
        "observation_count",
    ).sort("customer_id")


def outcomes(days: pl.DataFrame, since: date, until: date, unit: Unit = "day") -> pl.DataFrame:
    """Count what happened from `since` to before `until`, refunds on their date: customer_id, purchases, net_minor."""
    count = (pl.col("orders") > 0).cast(pl.Int64) if unit == "day" else pl.col("orders")
    return (
        days.filter(pl.col("on").is_between(since, until, closed="left"))
        .group_by("customer_id")
        .agg(count.sum().alias("purchases"), (pl.col("paid_minor") - pl.col("refunded_minor")).sum().alias("net_minor"))
        .sort("customer_id")
    )


def _net(days: pl.DataFrame) -> pl.DataFrame:
    """Take each refund from the latest purchase day on or before it; adds net_minor to the days, given in order."""
    named = days.select("customer_id", "on", "orders", "paid_minor", "refunded_minor", "rows")
    if not (named["refunded_minor"] > 0).any():
        return named.with_columns(pl.col("paid_minor").alias("net_minor"))
    # Only customers with a refund are looked at day by day.
    some = named.filter(pl.col("refunded_minor") > 0).select("customer_id").unique()
    refunding = named.join(some, on="customer_id", how="semi", maintain_order="left")
    day_of = pl.when(pl.col("orders") > 0).then(pl.col("on"))
    before, after = day_of.forward_fill().over("customer_id"), day_of.backward_fill().over("customer_id")
    placed = refunding.with_columns(pl.coalesce(before, after, pl.col("on")).alias("day"))
    refunds = placed.group_by("customer_id", "day").agg(pl.col("refunded_minor").sum().alias("taken_minor"))
    refunds = refunds.filter(pl.col("taken_minor") > 0)
    joined = named.join(
        refunds, left_on=["customer_id", "on"], right_on=["customer_id", "day"], how="left", maintain_order="left"
    )
    return joined.with_columns((pl.col("paid_minor") - pl.col("taken_minor").fill_null(0)).alias("net_minor"))


def _sum_up(facts: pl.LazyFrame) -> pl.DataFrame:
    # Sums are taken in 128 bits and cast back strictly: what does not fit raises instead of wrapping around.
    sums = [
        pl.col(name).cast(pl.Int128).sum().cast(pl.Int64) for name in ("orders", "paid_minor", "refunded_minor", "rows")
    ]
    totals = facts.group_by("customer_id", "on").agg(*sums)
    return totals.select(_DAYS).sort("customer_id", "on").collect(engine="streaming")
