"""The demo's mapping: every trap and every total of the data, on the lines that would be sent."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest
from pydantic import TypeAdapter

from crm_api.analytics import rfm
from crm_api.audience.tree import Audience
from crm_api.cli import completejourney as mapping

NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def transactions(data: Path) -> pl.DataFrame:
    return pl.read_parquet(data / "transactions.parquet")


@pytest.fixture(scope="module")
def orders(data: Path) -> pl.DataFrame:
    """All orders, parsed from the bytes that would be sent."""
    feed = mapping.orders(data)
    return pl.concat([pl.read_ndjson(part) for part in feed.parts(20_000)])


@pytest.fixture(scope="module")
def lines(orders: pl.DataFrame) -> pl.DataFrame:
    """All lines of all orders, money and quantities as integers again."""
    item = pl.col("items").struct
    exploded = orders.select("source_id", "occurred_at", "properties", "items").explode("items")
    return exploded.select(
        pl.col("source_id").str.strip_prefix("basket:").cast(pl.Int64).alias("basket_id"),
        pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"),
        pl.col("properties").struct.field("week"),
        item.field("line_number"),
        item.field("sku").cast(pl.Int64).alias("product_id"),
        _smallest_units(item.field("quantity"), 3).alias("thousandths"),
        _smallest_units(item.field("paid_amount"), 2).alias("paid"),
        _smallest_units(item.field("list_amount"), 2).alias("list"),
    )


def _smallest_units(text: pl.Expr, digits: int) -> pl.Expr:
    """Read decimal text; anything but exactly so many digits after the point becomes null."""
    return text.str.extract(rf"^(\d+\.\d{{{digits}}})$").str.replace(".", "", literal=True).cast(pl.Int64)


def _cents(column: str) -> pl.Expr:
    return (pl.col(column) * 100).round().cast(pl.Int64)


def _objects(feed: mapping.Feed) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in b"".join(feed.parts(7_919)).splitlines()]


def _week(day: pl.Expr) -> pl.Expr:
    """Number the weeks of the data: they begin on Mondays, and the first has only a Sunday, 2017-01-01."""
    return (day - date(2016, 12, 26)).dt.total_days() // 7 + 1


def test_every_basket_is_one_order_and_every_line_one_item(orders: pl.DataFrame, lines: pl.DataFrame) -> None:
    assert orders.height == orders["source_id"].n_unique() == 155_848
    assert lines.height == 1_469_307
    assert lines.null_count().sum_horizontal().item() == 0


def test_the_totals_are_met_to_the_cent(orders: pl.DataFrame, lines: pl.DataFrame) -> None:
    property_of = pl.col("properties").struct.field
    totals = orders.select(
        _smallest_units(pl.col("amount").struct.field("amount"), 2).sum().alias("sales"),
        _smallest_units(property_of("retail_discount"), 2).sum().alias("retail"),
        _smallest_units(property_of("coupon_discount"), 2).sum().alias("coupon"),
        _smallest_units(property_of("coupon_match_discount"), 2).sum().alias("match"),
    )
    assert totals.row(0) == (459_603_958, 79_165_064, 2_635_990, 454_265)
    assert lines["paid"].sum() == 459_603_958
    assert lines["list"].sum() == 459_603_958 + 79_165_064 + 454_265
    assert orders["amount"].struct.field("currency").unique().to_list() == ["USD"]


def test_the_amount_of_an_order_is_the_sum_of_its_items(orders: pl.DataFrame, lines: pl.DataFrame) -> None:
    sums = lines.group_by("basket_id").agg(pl.col("paid").sum())
    amounts = orders.select(
        pl.col("source_id").str.strip_prefix("basket:").cast(pl.Int64).alias("basket_id"),
        _smallest_units(pl.col("amount").struct.field("amount"), 2).alias("amount"),
    )
    assert amounts.join(sums, on="basket_id").filter(pl.col("amount") != pl.col("paid")).height == 0


def test_each_line_is_the_line_of_the_file(data: Path, transactions: pl.DataFrame, lines: pl.DataFrame) -> None:
    """Nothing repeats within a basket but the basket itself, so basket and product find each line again."""
    fuel = pl.read_parquet(data / "products.parquet").filter(pl.col("department") == "FUEL")["product_id"]
    expected = transactions.select(
        "basket_id",
        "product_id",
        pl.when(pl.col("product_id").is_in(fuel.implode())).then(1).otherwise(1000).alias("unit") * pl.col("quantity"),
        _cents("sales_value").alias("paid_then"),
        (_cents("sales_value") + _cents("retail_disc") + _cents("coupon_match_disc")).alias("list_then"),
    )
    both = lines.join(expected, on=["basket_id", "product_id"], validate="1:1")
    assert both.height == 1_469_307
    differing = (
        (pl.col("thousandths") != pl.col("unit"))
        | (pl.col("paid") != pl.col("paid_then"))
        | (pl.col("list") != pl.col("list_then"))
    )
    assert both.filter(differing).height == 0


def test_lines_keep_the_order_of_the_file(transactions: pl.DataFrame, lines: pl.DataFrame) -> None:
    numbered = transactions.select(
        "basket_id", "product_id", (pl.int_range(pl.len()).over("basket_id") + 1).alias("number")
    )
    both = lines.join(numbered, on=["basket_id", "product_id"], validate="1:1")
    assert both.filter(pl.col("line_number") != pl.col("number")).height == 0


def test_fuel_is_sold_in_thousandths(data: Path, lines: pl.DataFrame) -> None:
    catalog = pl.read_parquet(data / "products.parquet").select("product_id", "department")
    fuel = lines.join(catalog, on="product_id").filter(pl.col("department") == "FUEL")
    assert fuel.height == 12_997
    assert fuel["thousandths"].max() == 89_638
    assert fuel["thousandths"].sum() == 129_662_940


def test_lines_without_quantity_are_kept(lines: pl.DataFrame) -> None:
    assert lines.filter(pl.col("thousandths") == 0).height == 8_869


def test_products_that_nobody_lists_are_kept_by_their_id(data: Path, lines: pl.DataFrame) -> None:
    listed = pl.DataFrame({"product_id": [int(line["sku"]) for line in _objects(mapping.products(data))]})
    assert listed.height == listed["product_id"].n_unique() == 92_331
    unlisted = lines.join(listed, on="product_id", how="anti")
    assert unlisted.height == 4_836
    assert unlisted["product_id"].n_unique() == 17


def test_the_week_is_new_yorks_on_every_line_and_not_utcs(lines: pl.DataFrame) -> None:
    in_new_york = pl.col("occurred_at").dt.convert_time_zone(NEW_YORK).dt.date()
    in_utc = pl.col("occurred_at").dt.date()
    shares = lines.select(
        (_week(in_new_york) == pl.col("week")).mean().alias("new_york"),
        (_week(in_utc) == pl.col("week")).mean().alias("utc"),
    )
    assert shares["new_york"].item() == 1.0
    assert shares["utc"].item() == pytest.approx(0.97636, abs=0.000005)


def test_the_scores_of_the_orders_are_the_published_ones(orders: pl.DataFrame) -> None:
    purchases = orders.select(
        pl.col("customer").struct.field("external_id").alias("customer_id"),
        pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"),
        _smallest_units(pl.col("amount").struct.field("amount"), 2).alias("amount"),
        pl.col("amount").struct.field("currency"),
        "kind",
    )
    scores = rfm.score(purchases, rfm.Parameters(date(2018, 1, 1), NEW_YORK, "USD"))
    expected = {
        "recency_score": [500, 513, 415, 615, 426],
        "frequency_score": [477, 517, 492, 484, 499],
        "monetary_score": [494, 494, 493, 494, 494],
    }
    assert {name: scores[name].value_counts().sort(name)["count"].to_list() for name in expected} == expected


def test_any_cut_gives_the_same_bytes(data: Path) -> None:
    feed = mapping.orders(data)
    whole = feed.lines(1_000, 1_500)
    assert b"".join(feed.lines(first, min(first + 7, 1_500)) for first in range(1_000, 1_500, 7)) == whole
    assert whole.count(b"\n") == 500
    assert mapping.orders(data).lines(1_000, 1_500) == whole
    assert feed.lines(0, 1) + feed.lines(1, 2) == feed.lines(0, 2)


def test_what_is_there_already_can_be_left_out(data: Path) -> None:
    for feed in (mapping.orders(data), mapping.targeted(data), mapping.redemptions(data)):
        present = feed.rows["source_id"][::2]
        left = feed.without(pl.concat([present, pl.Series(["basket:0", "of another feed"])]))
        assert left.count == feed.count - len(present)
        assert left.lines(0, 2) == feed.lines(1, 2) + feed.lines(3, 4)
        assert feed.without(feed.rows["source_id"]).count == 0


def test_an_order_in_full(data: Path) -> None:
    first = orjson.loads(mapping.orders(data).lines(0, 1))
    items = first.pop("items")
    assert first == {
        "kind": "order.placed",
        "channel": "store",
        "direction": "inbound",
        "department": "sales",
        "customer": {"system": "completejourney:household", "external_id": "1"},
        "occurred_at": "2017-01-07T18:55:24Z",
        "source": "completejourney",
        "source_id": "basket:31317046240",
        "amount": {"amount": "73.77", "currency": "USD"},
        "properties": {
            "store_id": 436,
            "week": 2,
            "retail_discount": "14.18",
            "coupon_discount": "5.30",
            "coupon_match_discount": "1.30",
        },
    }
    assert items[1] == {
        "line_number": 2,
        "sku": "832990",
        "quantity": "2.000",
        "paid_amount": "5.98",
        "list_amount": "5.98",
    }


def test_each_household_is_a_customer_and_some_tell_more(data: Path, orders: pl.DataFrame) -> None:
    customers = _objects(mapping.customers(data))
    names = [customer["external_ids"][0]["external_id"] for customer in customers]
    assert len(customers) == len(set(names)) == 2_469
    assert set(orders["customer"].struct.field("external_id")) == set(names)
    assert sum(bool(customer["custom_fields"]) for customer in customers) == 801
    [household] = [customer for customer in customers if customer["display_name"] == "Household 718"]
    assert household["external_ids"] == [{"system": "completejourney:household", "external_id": "718"}]
    assert [point["value"] for point in household["contact_points"]] == ["household-718@demo.example"]


def test_what_households_tell_is_declared(data: Path) -> None:
    declared = {field["key"]: set(field["choices"]) for field in mapping.fields()}
    used: dict[str, set[str]] = {key: set() for key in declared}
    for customer in _objects(mapping.customers(data)):
        for key, value in customer["custom_fields"].items():
            used[key].add(value)
    assert used == declared


def test_each_targeted_pair_is_a_touchpoint_on_the_first_day_of_its_campaign(data: Path) -> None:
    targeted = _objects(mapping.targeted(data))
    assert len(targeted) == len({line["source_id"] for line in targeted}) == 6_589
    assert {line["campaign"] for line in targeted} == {str(number) for number in range(1, 28)}
    starts = {
        str(row["campaign_id"]): row["start_date"].date()
        for row in pl.read_parquet(data / "campaign_descriptions.parquet").to_dicts()
    }
    assert all(_new_york_midnight(line["occurred_at"]) == starts[line["campaign"]] for line in targeted)


def _new_york_midnight(text: str) -> date:
    at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).astimezone(ZoneInfo(NEW_YORK))
    assert (at.hour, at.minute, at.second) == (0, 0, 0)
    return at.date()


def test_each_redemption_is_a_touchpoint_of_its_own(data: Path) -> None:
    redemptions = _objects(mapping.redemptions(data))
    assert len(redemptions) == len({line["source_id"] for line in redemptions}) == 2_102
    without_date = {line["source_id"].rsplit(":", 1)[0] for line in redemptions}
    assert len(without_date) == 2_075, "the same coupon is redeemed again on another day"
    assert all(line["source_id"].endswith(str(_new_york_midnight(line["occurred_at"]))) for line in redemptions)
    assert "24" not in {line["campaign"] for line in redemptions}


def test_redeeming_pairs_by_type_of_campaign(data: Path) -> None:
    """604 of 3,647, 154 of 2,368 and 34 of 574 targeted pairs redeemed something."""
    targeted = _objects(mapping.targeted(data))
    redeemed = {_pair(line) for line in _objects(mapping.redemptions(data))}
    all_pairs = Counter(line["properties"]["campaign_type"] for line in targeted)
    redeeming = Counter(line["properties"]["campaign_type"] for line in targeted if _pair(line) in redeemed)
    assert all_pairs == {"Type A": 3_647, "Type B": 2_368, "Type C": 574}
    assert redeeming == {"Type A": 604, "Type B": 154, "Type C": 34}


def _pair(line: dict[str, Any]) -> tuple[str, str]:
    return line["customer"]["external_id"], line["campaign"]


def test_no_touchpoint_has_the_source_id_of_another(data: Path, orders: pl.DataFrame) -> None:
    others = [line["source_id"] for feed in (mapping.targeted, mapping.redemptions) for line in _objects(feed(data))]
    assert len(set(others) | set(orders["source_id"])) == 155_848 + 6_589 + 2_102


def test_each_coupon_within_a_campaign_is_an_offer(data: Path) -> None:
    offers = mapping.offers(data)
    assert len(offers) == len({offer.code for offer in offers}) == 1_197
    assert sum(len(offer.skus) for offer in offers) == 116_204 - 4_872
    assert all(len(set(offer.skus)) == len(offer.skus) for offer in offers)
    assert max(len(offer.skus) for offer in offers) == 14_477
    first = offers[0]
    assert [orjson.loads(line)["sku"] for line in first.products().splitlines()] == first.skus


def test_every_redemption_falls_into_the_window_of_its_offer(data: Path) -> None:
    offers = {offer.code: offer.body for offer in mapping.offers(data)}
    for line in _objects(mapping.redemptions(data)):
        offer = offers[line["properties"]["offer_code"]]
        assert offer["valid_from"] <= line["occurred_at"] < offer["valid_until"]


def test_an_offer_is_for_those_whom_its_campaign_was_sent_to(data: Path) -> None:
    tree: TypeAdapter[Any] = TypeAdapter(Audience)
    for offer in mapping.offers(data):
        eligibility = offer.body["eligibility"]
        assert eligibility["count"]["where"] == {"field": "campaign", "eq": offer.code.split("-")[0]}
        assert type(tree.validate_python(eligibility)).__name__ == "TouchpointCount"


@pytest.mark.parametrize("value", [1.005, -0.01])
def test_money_that_is_no_whole_number_of_cents_is_refused(data: Path, tmp_path: Path, value: float) -> None:
    (tmp_path / "products.parquet").symlink_to(data / "products.parquet")
    few = pl.read_parquet(data / "transactions.parquet", n_rows=10)
    few.with_columns(pl.lit(value).alias("sales_value")).write_parquet(tmp_path / "transactions.parquet")
    with pytest.raises(mapping.DataMissing, match=r"sales_value .* on 10 lines"):
        mapping.orders(tmp_path)
