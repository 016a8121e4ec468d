"""Reads the loaded trade back through the API and adds it up: the proof that nothing was lost, doubled or rounded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from ..client import ApiClient
from .completejourney import SOURCE, ZONE

TOUCHPOINTS = "/v1/touchpoints"
FIELDS = "source_id,occurred_at,amount,properties,items"
BLOCK_BYTES = 8_000_000
FIRST_MONDAY = date(2016, 12, 26)

# Published figures of the data: lines, baskets and sums in cents.
EXPECTED: dict[str, int] = {
    "orders": 155_848,
    "order_lines": 1_469_307,
    "sales": 459_603_958,
    "line_sales": 459_603_958,
    "line_list_price": 459_603_958 + 79_165_064 + 454_265,
    "retail_discount": 79_165_064,
    "coupon_discount": 2_635_990,
    "coupon_match_discount": 454_265,
    "orders_in_the_week_of_new_york": 155_848,
    "targeted": 6_589,
    "redemptions": 2_102,
}
MONEY = frozenset(name for name in EXPECTED if name.endswith(("sales", "price", "discount")))

_MONEY_TEXT = r"^(\d+\.\d{2})$"
_DISCOUNTS = ("retail_discount", "coupon_discount", "coupon_match_discount")
_ORDER: dict[str, Any] = {
    "source_id": pl.String,
    "occurred_at": pl.String,
    "amount": pl.Struct({"amount": pl.String, "currency": pl.String}),
    "properties": pl.Struct({"week": pl.Int64, **dict.fromkeys(_DISCOUNTS, pl.String)}),
    "items": pl.List(pl.Struct({"paid_amount": pl.String, "list_amount": pl.String})),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One total: what was published and what was read back, money in cents."""

    name: str
    expected: int
    found: int

    @property
    def is_met(self) -> bool:
        """Say whether they are equal, to the cent."""
        return self.expected == self.found

    def text(self, value: int) -> str:
        """Write a count with separators, money with its point."""
        return f"{value // 100:,}.{value % 100:02}" if self.name in MONEY else f"{value:,}"

    def facts(self) -> dict[str, Any]:
        """Give it as JSON."""
        written = {"expected": self.text(self.expected), "found": self.text(self.found)}
        return {"name": self.name, **written, "is_met": self.is_met}


async def read_back(api: ApiClient) -> list[Figure]:
    """Stream everything that the load sent and compare it with the published figures."""
    found = dict.fromkeys(EXPECTED, 0)
    async for block in _blocks(api, "order.placed"):
        for name, value in (await asyncio.to_thread(add_up, block)).items():
            found[name] += value
    for name, kind in (("targeted", "campaign.targeted"), ("redemptions", "offer.redeemed")):
        async for block in _blocks(api, kind):
            found[name] += block.count(b"\n")
    return [Figure(name, expected, found[name]) for name, expected in EXPECTED.items()]


def add_up(block: bytes) -> dict[str, int]:
    """Add up orders given as NDJSON. Money that is not written with two digits counts as nothing and so is noticed."""
    orders = pl.read_ndjson(block, schema=_ORDER)
    day = (
        pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC").dt.convert_time_zone(ZONE.key).dt.date()
    )
    week = (day - FIRST_MONDAY).dt.total_days() // 7 + 1
    sums = orders.select(
        pl.len().alias("orders"),
        pl.col("items").list.len().sum().alias("order_lines"),
        _cents(pl.col("amount").struct.field("amount")).sum().alias("sales"),
        (week == pl.col("properties").struct.field("week")).sum().alias("orders_in_the_week_of_new_york"),
        *[_cents(pl.col("properties").struct.field(name)).sum().alias(name) for name in _DISCOUNTS],
    )
    items = orders.select(pl.col("items").explode().struct.unnest())
    line_sums = items.select(
        _cents(pl.col("paid_amount")).sum().alias("line_sales"),
        _cents(pl.col("list_amount")).sum().alias("line_list_price"),
    )
    return {**sums.row(0, named=True), **line_sums.row(0, named=True)}


def _cents(text: pl.Expr) -> pl.Expr:
    return text.str.extract(_MONEY_TEXT).str.replace(".", "", literal=True).cast(pl.Int64)


async def _blocks(api: ApiClient, kind: str) -> AsyncIterator[bytes]:
    """Gather a stream into blocks of whole lines, large enough to be worth a call of Polars."""
    gathered, size = [], 0
    async for chunk in api.stream_out(TOUCHPOINTS, {"kind": kind, "source": SOURCE, "fields": FIELDS}):
        gathered.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            whole, _, rest = b"".join(gathered).rpartition(b"\n")
            if whole:
                yield whole + b"\n"
            gathered, size = [rest], len(rest)
    if size:
        yield b"".join(gathered)
