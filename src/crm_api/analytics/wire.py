"""Facts as they come out of the API, and scores as they go back in: CSV on both sides, pure Polars."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from ..core.money import minor_digits
from .outputs import DIGITS, Output, Value, stored_name
from .rfm import MixedCurrencies

_FACTS: Final = {
    "customer_id": pl.String(),
    "kind": pl.String(),
    "occurred_us": pl.Int64(),
    "amount_minor": pl.Int64(),
    "currency": pl.String(),
}
_CONTRACTS: Final = {**_FACTS, "told": pl.String()}
_INSTANTS: Final = pl.Datetime("us", "UTC")


def read_facts(lines: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Read lines of a stream of facts, without their header, as `rfm.condense` takes them."""
    schema = {name: _FACTS[name] for name in columns}
    return _as_purchases(pl.read_csv(lines, has_header=False, schema=schema))


def no_facts() -> pl.DataFrame:
    """Answer a feed without a fact, which has all columns nevertheless."""
    return _as_purchases(pl.DataFrame(schema=_FACTS))


def read_contracts(lines: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Read lines of a stream of contracts, without their header: facts, and `told` as text."""
    schema = {name: _CONTRACTS[name] for name in columns}
    return _as_purchases(pl.read_csv(lines, has_header=False, schema=schema))


def no_contracts() -> pl.DataFrame:
    """Answer a feed without a contract, which has all columns nevertheless."""
    return _as_purchases(pl.DataFrame(schema=_CONTRACTS))


def _as_purchases(facts: pl.DataFrame) -> pl.DataFrame:
    named = facts.rename({"occurred_us": "occurred_at", "amount_minor": "amount"})
    return named.with_columns(pl.col("occurred_at").cast(_INSTANTS))


_LINES: Final = {
    "customer_id": pl.String(),
    "kind": pl.String(),
    "occurred_us": pl.Int64(),
    "currency": pl.String(),
    "sku": pl.String(),
    "quantity_thousandths": pl.Int64(),
    "paid_minor": pl.Int64(),
    "list_minor": pl.Int64(),
    "department": pl.String(),
    "category": pl.String(),
    "product_type": pl.String(),
}


def read_lines(lines: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Read lines of a stream of order lines, without their header."""
    schema = {name: _LINES[name] for name in columns}
    return _as_items(pl.read_csv(lines, has_header=False, schema=schema))


def no_lines() -> pl.DataFrame:
    """Answer a feed without an order line, which has all columns nevertheless."""
    return _as_items(pl.DataFrame(schema=_LINES))


def _as_items(lines: pl.DataFrame) -> pl.DataFrame:
    named = lines.rename({"occurred_us": "occurred_at", "quantity_thousandths": "quantity"})
    return named.with_columns(pl.col("occurred_at").cast(_INSTANTS))


_ADDRESSES: Final = {
    "customer_id": pl.String(),
    "latitude": pl.Float64(),
    "longitude": pl.Float64(),
    "country": pl.String(),
    "postal_code": pl.String(),
}


def read_addresses(lines: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """Read lines of a stream of addresses, without their header."""
    return pl.read_csv(lines, has_header=False, schema={name: _ADDRESSES[name] for name in columns})


def no_addresses() -> pl.DataFrame:
    """Answer a feed without an address, which has all columns nevertheless."""
    return pl.DataFrame(schema=_ADDRESSES)


def items(lines: pl.DataFrame, zone: str, before: date, currency: str | None = None) -> pl.DataFrame:
    """Give order lines the local date `on`, and leave out what lies not before a date. `quantity` stays in thousandths.

    Without a currency lines are taken in any; what is paid must not be added up then. Errors: MixedCurrencies.
    """
    known = _known(lines, zone, before)
    if currency is not None:
        _refuse_others(known, currency)
    return known


def dated(facts: pl.DataFrame, zone: str, before: date, currency: str | None = None) -> pl.DataFrame:
    """Give facts the local date `on`, leave out what lies not before a date, and call money `amount_minor`, as
    `methods.purchases` wants them. Without a currency facts are taken in any; money must not be added up then.

    Errors: MixedCurrencies.
    """
    known = _known(facts, zone, before)
    if currency is not None:
        _refuse_others(known.filter(pl.col("amount").is_not_null()), currency)
    return known.select("customer_id", "kind", "on", pl.col("amount").alias("amount_minor"))


def _known(facts: pl.DataFrame, zone: str, before: date) -> pl.DataFrame:
    on = pl.col("occurred_at").dt.convert_time_zone(zone).dt.date()
    return facts.with_columns(on.alias("on")).filter(pl.col("on") < before)


def _refuse_others(known: pl.DataFrame, currency: str) -> None:
    foreign = known.filter(pl.col("currency").ne_missing(pl.lit(currency)))
    if foreign.height:
        others = ", ".join(sorted(name or "no currency" for name in foreign["currency"].unique()))
        raise MixedCurrencies(f"The run is in {currency}; the purchases also hold {others}.")


@dataclass(frozen=True, slots=True)
class Rows:
    """Scores, to be written as the rows that the API takes: money as decimal text with the currency beside it, other
    numbers with the digits they are kept with. As text they take several times the memory, so parts are written one by
    one.
    """

    output: Output
    scores: pl.DataFrame
    currency: str | None = None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.scores.height

    @property
    def header(self) -> bytes:
        """The names of the columns, as a line."""
        return self._written(self.scores.clear()).write_csv().encode()

    def parts(self, size: int) -> Iterator[bytes]:
        """Write the lines of so many rows at a time; after one header they are the whole."""
        for start in range(0, self.count, size):
            yield self._written(self.scores.slice(start, size)).write_csv(include_header=False).encode()

    def whole(self) -> pl.DataFrame:
        """Write all rows at once."""
        return self._written(self.scores)

    def _written(self, scores: pl.DataFrame) -> pl.DataFrame:
        written = [_written(value, self.currency) for value in self.output.all_values]
        if self.output.has_money:
            written.append(pl.lit(self.currency).alias("currency"))
        return scores.with_columns(written).select(self.output.names)


def in_major_units(frame: pl.DataFrame, names: Sequence[str], currency: str) -> pl.DataFrame:
    """Turn columns of minor units into units of the currency, for people to look at."""
    return frame.with_columns((pl.col(name) / 10 ** minor_digits(currency)).round(6) for name in names)


def _written(value: Value, currency: str | None) -> pl.Expr:
    if value.kind == "money" and currency is not None:
        return _decimal_text(pl.col(stored_name(value)), minor_digits(currency)).alias(value.name)
    if value.kind in ("number", "rate"):
        units = (pl.col(value.name) * 10**DIGITS).round().cast(pl.Int64)
        return _decimal_text(units, DIGITS).alias(value.name)
    if value.kind == "texts":
        # As PostgreSQL writes it again.
        return pl.col(value.name).map_elements(
            lambda texts: json.dumps(texts.to_list(), ensure_ascii=False), return_dtype=pl.String
        )
    return pl.col(value.name)


def _decimal_text(minor: pl.Expr, digits: int) -> pl.Expr:
    if digits == 0:
        return minor.cast(pl.String)
    unit = 10**digits
    sign = pl.when(minor < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole = (minor.abs() // unit).cast(pl.String)
    fraction = (minor.abs() % unit).cast(pl.String).str.zfill(digits)
    return pl.concat_str(sign, whole, pl.lit("."), fraction)
