"""The published RFM figures of a real grocer's year, read, computed and written back through the API."""

import os
from datetime import UTC, timedelta

import polars as pl
import pytest
from sqlalchemy import insert

from crm_api.cli.completejourney import DataMissing, folder
from crm_api.core.clock import now
from crm_api.core.db import Database, driver
from crm_api.core.ids import new_id
from crm_api.customers.models import Customer

from ..calling import Api
from .working import Compute, in_ranges_of, streamed

# Counts of the scores 1 to 5 at 2018-01-01 in New York.
PUBLISHED = {
    "recency_score": [500, 513, 415, 615, 426],
    "frequency_score": [477, 517, 492, 484, 499],
    "monetary_score": [494, 494, 493, 494, 494],
}


@pytest.fixture(scope="module")
def baskets() -> pl.DataFrame:
    """One row per basket: household, naive UTC time, cents."""
    try:
        lines = pl.scan_parquet(folder() / "transactions.parquet")
    except DataMissing as missing:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    cents = (pl.col("sales_value") * 100).round().cast(pl.Int64).sum().alias("cents")
    return lines.group_by("basket_id", "household_id", "transaction_timestamp").agg(cents).collect()


async def plant(database: Database, baskets: pl.DataFrame) -> None:
    """Put households and baskets where a load through the API would have put them."""
    at = now() - timedelta(minutes=5)
    ids = {household: new_id() for household in baskets["household_id"].unique().sort()}
    household = {"kind": "organization", "custom_fields": {}, "custom_normalized": {}, "tags": [], "version": 1}
    names = {"display_name": "Household", "display_name_normalized": "household", "tags_normalized": []}
    rows = [{**household, **names, "customer_id": each, "created_at": at, "updated_at": at} for each in ids.values()]
    touchpoints = (
        (ids[household], new_id(), "order.placed", sold_at.replace(tzinfo=UTC), at, "tests", cents, "USD", "{}", b"")
        for household, sold_at, cents in baskets.select("household_id", "transaction_timestamp", "cents").iter_rows()
    )
    columns = "customer_id id kind occurred_at recorded_at recorded_by amount_minor currency properties content_hash"
    async with database.session() as session:
        await session.execute(insert(Customer), rows)
        connection = await driver(session)
        await connection.copy_records_to_table("touchpoint", records=touchpoints, columns=columns.split())


async def test_the_published_counts_come_out_exactly(
    api: Api, database: Database, compute: Compute, baskets: pl.DataFrame
) -> None:
    await plant(database, baskets)
    one = await compute(as_of="2018-01-01")
    scores = await streamed(api)
    counts = {name: scores[name].value_counts().sort(name)["count"].to_list() for name in PUBLISHED}
    assert counts == PUBLISHED
    assert one["quality"]["facts_used"] == 155_848
    assert (scores["amount"] * 100).round().cast(pl.Int64).sum() == 459_603_958
    four = await compute(in_ranges_of(700), as_of="2018-01-01")
    assert (four["output_hash"], four["input_hash"]) == (one["output_hash"], one["input_hash"])
