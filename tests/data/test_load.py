"""The load, through the real API: a few households of the real data, everything about them, twice and interrupted."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import polars as pl
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter

from crm_api.access import SCOPES
from crm_api.cli import completejourney as mapping
from crm_api.cli.load import load_year
from crm_api.cli.output import Format, Output
from crm_api.cli.sending import send_feed
from crm_api.client import ApiClient
from crm_api.customers.schemas import CustomerCreate
from crm_api.offers.schemas import OfferWish
from crm_api.touchpoints.product_schemas import ProductCreate

HOUSEHOLDS = pl.col("household_id") % 100 == 18


@pytest.fixture(scope="module")
def few(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of Complete Journey, cut down to one household in a hundred and what it is about."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("transactions", "demographics", "campaigns", "coupon_redemptions"):
        pl.scan_parquet(data / f"{name}.parquet").filter(HOUSEHOLDS).sink_parquet(folder / f"{name}.parquet")
    redeemed = pl.scan_parquet(folder / "coupon_redemptions.parquet").select("campaign_id", "coupon_upc")
    coupons = pl.scan_parquet(data / "coupons.parquet").join(redeemed, on=["campaign_id", "coupon_upc"], how="semi")
    coupons.sink_parquet(folder / "coupons.parquet")
    bought = pl.scan_parquet(folder / "transactions.parquet").select("product_id")
    products = pl.scan_parquet(data / "products.parquet").join(bought, on="product_id", how="semi")
    products.sink_parquet(folder / "products.parquet")
    (folder / "campaign_descriptions.parquet").symlink_to(data / "campaign_descriptions.parquet")
    return folder


@pytest.fixture
async def partner(app: FastAPI, clean: None, credentials: tuple[str, str]) -> AsyncIterator[ApiClient]:
    """A partner's client of an empty CRM."""
    scope = " ".join(SCOPES)
    async with ApiClient("http://crm.test", *credentials, httpx.ASGITransport(app), scope=scope) as client:
        yield client


@pytest.fixture
def out() -> Output:
    return Output(Format.json)


def expected(few: Path) -> dict[str, int]:
    """Add up the cut files themselves."""
    lines = pl.read_parquet(few / "transactions.parquet")

    def cents(column: str) -> int:
        return int((lines[column] * 100).round().cast(pl.Int64).sum())

    sales, retail, match = cents("sales_value"), cents("retail_disc"), cents("coupon_match_disc")
    return {
        "orders": lines["basket_id"].n_unique(),
        "order_lines": lines.height,
        "sales": sales,
        "line_sales": sales,
        "line_list_price": sales + retail + match,
        "retail_discount": retail,
        "coupon_discount": cents("coupon_disc"),
        "coupon_match_discount": match,
        "orders_in_the_week_of_new_york": lines["basket_id"].n_unique(),
        "targeted": pl.read_parquet(few / "campaigns.parquet").height,
        "redemptions": pl.read_parquet(few / "coupon_redemptions.parquet").height,
    }


async def test_everything_sent_is_read_back_to_the_cent(partner: ApiClient, out: Output, few: Path) -> None:
    report = await load_year(partner, out, data=few, checks=True)
    assert {name: tally.rejected for name, tally in report.parts.items()} == dict.fromkeys(
        ("fields", "customers", "products", "offers", "targeted", "orders", "redemptions"), 0
    )
    assert {figure.name: figure.found for figure in report.figures} == expected(few)
    assert report.parts["customers"].created == 25
    assert not report.is_complete, "these are not the published totals"


async def test_loading_twice_stores_nothing_twice(partner: ApiClient, out: Output, few: Path) -> None:
    first = await load_year(partner, out, data=few)
    again = await load_year(partner, out, data=few, checks=True)
    assert first.is_complete
    assert [tally.created + tally.updated + tally.rejected for tally in again.parts.values()] == [0] * 7
    for name in ("fields", "customers", "products", "offers"):
        assert again.parts[name].repeated == first.parts[name].created
    for name in ("targeted", "orders", "redemptions"):
        assert (again.parts[name].present, again.parts[name].received) == (first.parts[name].created, 0)
    assert {figure.name: figure.found for figure in again.figures} == expected(few)


async def test_a_load_goes_on_where_it_ended(partner: ApiClient, out: Output, few: Path) -> None:
    for declaration in mapping.fields():
        await partner.post("/v1/fields", declaration)
    await send_feed(partner, mapping.customers(few), lambda _: None)
    orders = mapping.orders(few)
    begun = await send_feed(partner, orders.without(orders.rows["source_id"][333:]), lambda _: None)
    assert begun.created == 333
    report = await load_year(partner, out, data=few, checks=True)
    assert report.parts["orders"].present == 333
    assert report.parts["orders"].created == orders.count - 333
    assert {figure.name: figure.found for figure in report.figures} == expected(few)


async def test_sending_again_what_is_there_repeats_every_line(partner: ApiClient, out: Output, few: Path) -> None:
    """Not asking first is safe too; it only takes longer."""
    await load_year(partner, out, data=few)
    orders = mapping.orders(few)
    tally = await send_feed(partner, orders, lambda _: None)
    assert (tally.created, tally.repeated, tally.rejected) == (0, orders.count, 0)


async def test_a_household_as_the_api_knows_it(partner: ApiClient, out: Output, few: Path) -> None:
    await load_year(partner, out, data=few)
    household = await partner.get("/v1/customers/by/completejourney:household/718")
    assert household["display_name"] == "Household 718"
    assert [point["normalized"] for point in household["contact_points"]] == ["household-718@demo.example"]
    known = pl.read_parquet(few / "demographics.parquet").filter(pl.col("household_id") == 718).to_dicts()
    told = {key: value for key, value in known[0].items() if key != "household_id" and value is not None}
    assert household["custom_fields"] == told


async def test_an_offer_as_the_api_knows_it(partner: ApiClient, out: Output, few: Path) -> None:
    await load_year(partner, out, data=few)
    wished = {offer.code: offer for offer in mapping.offers(few)}
    page = await partner.get("/v1/offers", {"limit": 200})
    assert {offer["code"] for offer in page["data"]} <= set(wished)
    assert page["data"]
    for offer in page["data"]:
        assert {name: offer[name] for name in wished[offer["code"]].body} == wished[offer["code"]].body
        assert offer["product_count"] == len(wished[offer["code"]].skus)


def test_the_api_takes_every_customer_product_and_offer(data: Path) -> None:
    """All of them against the types of the API, without storing 92,331 products here."""
    for feed, model in ((mapping.customers(data), CustomerCreate), (mapping.products(data), ProductCreate)):
        lines = TypeAdapter(list[model])  # type: ignore[valid-type]  # one of two models
        for part in feed.parts(10_000):
            lines.validate_json(b"[" + b",".join(part.splitlines()) + b"]", strict=True)
    for offer in mapping.offers(data):
        wish = OfferWish.model_validate_json(orjson.dumps(offer.body), strict=True)
        assert wish.valid_from is not None
