"""RFM's facts as they come out of the API, and its scores as they go back in: CSV on both sides, pure Polars."""

import io
from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from ..core.money import minor_digits

_FACTS: Final = {
    "customer_id": pl.String(),
    "kind": pl.String(),
    "occurred_us": pl.Int64(),
    "amount_minor": pl.Int64(),
    "currency": pl.String(),
}
_INSTANTS: Final = pl.Datetime("us", "UTC")
COLUMNS: Final = (
    "customer_id",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "recency_days",
    "order_count",
    "amount",
    "currency",
    "observation_count",
    "status",
    "reason",
)


def read_facts(lines: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Read lines of a stream of facts, without their header, as `rfm.condense` takes them."""
    schema = {name: _FACTS[name] for name in columns}
    return _as_purchases(pl.read_csv(io.BytesIO(lines), has_header=False, schema=schema))


def no_facts() -> pl.DataFrame:
    """Answer a feed without a fact, which has all columns nevertheless."""
    return _as_purchases(pl.DataFrame(schema=_FACTS))


def _as_purchases(facts: pl.DataFrame) -> pl.DataFrame:
    named = facts.rename({"occurred_us": "occurred_at", "amount_minor": "amount"})
    return named.with_columns(pl.col("occurred_at").cast(_INSTANTS))


def write_rows(scores: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Turn scores into the rows that the API takes: money as decimal text, the currency beside it."""
    amount = _decimal_text(pl.col("amount_minor"), minor_digits(currency))
    return scores.with_columns(amount.alias("amount"), pl.lit(currency).alias("currency")).select(COLUMNS)


def parts(rows: pl.DataFrame, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Cut rows into parts of CSV, each as its header and its lines; all lines after one header are the whole."""
    header = rows.clear().write_csv().encode()
    for start in range(0, rows.height, size):
        yield header, rows.slice(start, size).write_csv(include_header=False).encode()


def _decimal_text(minor: pl.Expr, digits: int) -> pl.Expr:
    if digits == 0:
        return minor.cast(pl.String)
    unit = 10**digits
    sign = pl.when(minor < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole = (minor.abs() // unit).cast(pl.String)
    fraction = (minor.abs() % unit).cast(pl.String).str.zfill(digits)
    return pl.concat_str(sign, whole, pl.lit("."), fraction)
