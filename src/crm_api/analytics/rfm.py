"""Recency, frequency and monetary scores of customers from their purchases: pure Polars, no input or output.

Method: `score = 1 + floor(5 · (average rank - 0.5) / n)` over the n customers with a purchase; ties share a rank, so
equal customers get equal scores. Scores run from 1 to 5 and 5 is best: most recent, most orders, most money.

Rules, stated once:

- **Known facts.** A fact counts when its local date lies before `as_of`; the day of `as_of` itself is not over yet.
- **Purchase.** A row with an amount of zero or more, or without an amount: one order on its local date.
- **Refund.** A row of kind `order.refunded` (whatever the sign of its amount) or with a negative amount. It lowers the
  customer's money on its own date; it is no order and does not make the customer more recent, and the order that it
  refunds stays an order.
- **No purchase, no score.** A customer with nothing but refunds gets a row with status `insufficient_data`; a customer
  without any known fact gets no row.
- **One currency.** An amount in another currency than the run's is refused, never added and never left out.

All arithmetic is on integers, so results depend neither on the order of rows nor on how the input was cut into parts.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

MODEL = "rfm"
VERSION = "1"
REFUND_KIND = "order.refunded"

OUTPUT_COLUMNS = (
    "customer_id",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "recency_days",
    "order_count",
    "amount_minor",
    "observation_count",
    "status",
    "reason",
)

_ROWS_AT_ONCE = 50_000
_TOTALS = ("customer_id", "last_order_on", "order_count", "amount_minor", "observation_count")


class MixedCurrencies(ValueError):
    """The purchases hold amounts in another currency than the one the run was asked for."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a run is asked for: the reference date, the business's time zone (IANA name), the currency (ISO 4217)."""

    as_of: date
    zone: str
    currency: str


def score(purchases: pl.LazyFrame | pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Score every customer of a feed that is at hand as one frame; see `condense` for its columns.

    Returns one row per customer, sorted by customer_id, with the columns of `OUTPUT_COLUMNS`.
    Errors: MixedCurrencies.
    """
    return rank(condense(purchases, parameters), parameters)


def condense(purchases: pl.LazyFrame | pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Reduce purchases to one row per customer; parts of a feed are reduced apart and joined by `combine`.

    Columns wanted: customer_id (text or integer), occurred_at (aware, or naive and then UTC), amount (integer minor
    units, may be null). Columns used when present: currency, kind.
    Returns customer_id, last_order_on (local date, null without a purchase), order_count, amount_minor,
    observation_count. Errors: MixedCurrencies.
    """
    known = purchases.lazy().with_columns(_local_date(purchases, parameters.zone).alias("on"))
    known = known.filter(pl.col("on") < parameters.as_of)
    names = known.collect_schema().names()
    if "currency" in names:
        _refuse_other_currencies(known, parameters.currency)
    is_refund = _is_refund(names)
    amount = pl.col("amount").cast(pl.Int64).fill_null(0)
    facts = known.select(
        "customer_id",
        pl.when(~is_refund).then(pl.col("on")).alias("last_order_on"),
        (~is_refund).cast(pl.Int64).alias("order_count"),
        pl.when(is_refund).then(-amount.abs()).otherwise(amount).alias("amount_minor"),
        pl.lit(1, dtype=pl.Int64).alias("observation_count"),
    )
    return _sum_up(facts)


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join the totals of several parts, also when a customer's facts were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)).lazy())


def rank(totals: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Turn the totals of all customers into scores; ranks need everybody, so this step comes once, at the end."""
    has_order = pl.col("order_count") > 0
    scored = totals.with_columns(
        _score("last_order_on", has_order).alias("recency_score"),
        _score("order_count", has_order).alias("frequency_score"),
        _score("amount_minor", has_order).alias("monetary_score"),
        (pl.lit(parameters.as_of) - pl.col("last_order_on")).dt.total_days().cast(pl.Int64).alias("recency_days"),
        pl.when(has_order).then(pl.lit("ok")).otherwise(pl.lit("insufficient_data")).alias("status"),
        pl.when(~has_order).then(pl.lit("No purchase before the reference date, only refunds.")).alias("reason"),
    )
    return scored.select(OUTPUT_COLUMNS).sort("customer_id")


def fingerprint(totals_or_scores: pl.DataFrame) -> str:
    """Name a frame by the SHA-256 (hex) of its rows as CSV in order of customer_id; those of a customer as they stand.

    Taken of the totals it names the input of a run, whatever order the feed came in; taken of the scores, its output.
    CSV, because its bytes do not change with the version of Polars as those of a binary format may.
    """
    return digest(totals_or_scores.sort("customer_id", maintain_order=True))


def digest(*frames: pl.DataFrame) -> str:
    """Take the SHA-256 (hex) of the rows of frames as CSV, each under its header and in its own order.

    Some rows at a time: a whole frame as text is larger than the frame.
    """
    found = hashlib.sha256()
    for frame in frames:
        found.update(frame.clear().write_csv().encode())
        for rows in frame.iter_slices(_ROWS_AT_ONCE):
            found.update(rows.write_csv(include_header=False).encode())
    return found.hexdigest()


def _local_date(purchases: pl.LazyFrame | pl.DataFrame, zone: str) -> pl.Expr:
    column = pl.col("occurred_at")
    kind = purchases.lazy().collect_schema()["occurred_at"]
    if not isinstance(kind, pl.Datetime):
        raise TypeError(f"occurred_at must be a time, not {kind}")
    aware = column if kind.time_zone else column.dt.replace_time_zone("UTC")
    return aware.dt.convert_time_zone(zone).dt.date()


def _is_refund(names: list[str]) -> pl.Expr:
    negative = (pl.col("amount") < 0).fill_null(False)
    return negative | pl.col("kind").eq_missing(pl.lit(REFUND_KIND)) if "kind" in names else negative


def _refuse_other_currencies(known: pl.LazyFrame, wanted: str) -> None:
    foreign = known.filter(pl.col("amount").is_not_null() & pl.col("currency").ne_missing(pl.lit(wanted)))
    found = foreign.select(pl.col("currency").unique()).collect(engine="streaming")["currency"]
    if len(found):
        others = ", ".join(sorted(name or "no currency" for name in found))
        raise MixedCurrencies(f"The run is in {wanted}; the purchases also hold {others}.")


def _sum_up(facts: pl.LazyFrame) -> pl.DataFrame:
    # The sum is taken in 128 bits and cast back strictly: what does not fit raises instead of wrapping around.
    totals = facts.group_by("customer_id").agg(
        pl.col("last_order_on").max(),
        pl.col("order_count").sum(),
        pl.col("amount_minor").cast(pl.Int128).sum().cast(pl.Int64),
        pl.col("observation_count").sum(),
    )
    return totals.select(_TOTALS).sort("customer_id").collect(engine="streaming")


def _score(column: str, has_order: pl.Expr) -> pl.Expr:
    # Average ranks are multiples of one half: doubled they are integers, and no rounding can move a boundary.
    doubled = (pl.when(has_order).then(pl.col(column)).rank("average") * 2).cast(pl.Int64)
    return (1 + (5 * (doubled - 1)) // (2 * has_order.sum().cast(pl.Int64))).cast(pl.Int64)
