"""Drift: what went into a run and came out is compared with the run before."""

from random import Random

import polars as pl
import pytest

from crm_api.analytics.distributions import described, sampled
from crm_api.analytics.rules import DRIFTED, stability_index

from ..calling import Api
from .working import Compute, Fact, purchases, record, register

CUSTOMERS = 150


async def test_a_run_of_other_customers_is_told(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    await record(api, customers, purchases(CUSTOMERS))
    first = await compute()
    assert "drift" not in first["quality"]
    again = await compute()
    assert set(again["quality"]["drift"]) == {"recency_days", "order_count", "amount_minor"}
    assert max(again["quality"]["drift"].values()) < 0.001
    many: list[Fact] = [
        (number, "order.placed", f"2023-12-{day:02}T12:00:00Z", "500.00")
        for number in range(CUSTOMERS)
        for day in range(1, 6)
    ]
    await record(api, customers, many)
    drifted = await compute()
    assert drifted["quality"]["drift_against_run_id"] == again["id"]
    assert min(drifted["quality"]["drift"].values()) > DRIFTED
    [found] = (await api.get("/v1/events", params={"type": "analytics.drift_found"}))["data"]
    event = found["data"]
    assert (event["run_id"], event["against_run_id"]) == (drifted["id"], again["id"])
    assert event["columns"] == drifted["quality"]["drift"]


def lying(values: list[float | None]) -> dict[str, list[float]]:
    return described(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}), {})["x"]


@pytest.mark.parametrize(("shift", "drifts"), [(0.0, False), (0.05, False), (1.0, True)])
def test_the_index_grows_with_the_distance(shift: float, drifts: bool) -> None:
    random = Random(3)
    before = lying([random.gauss(0, 1) for _ in range(5000)])
    after = pl.DataFrame({"x": [random.gauss(shift, 1) for _ in range(5000)]})
    counts = described(after, {"x": before["edges"]})["x"]["counts_before"]
    index = stability_index(counts, [int(count) for count in before["counts"]])
    assert index is not None
    assert (index > DRIFTED) == drifts


def test_nulls_and_ties_are_counted_and_nothing_is_lost() -> None:
    told = lying([None, None, 1.0, 1.0, 1.0, 2.0])
    assert (told["edges"], told["counts"]) == ([1.0], [3, 1, 2])
    assert lying([None])["counts"] == [0, 1]
    assert lying([])["counts"] == [0, 0]
    assert stability_index([10, 10], [5, 5]) is None
    assert stability_index([100, 100], [100, 100, 5]) is None


def test_a_sample_is_small_and_the_same() -> None:
    frame = pl.DataFrame({"x": range(250_000)})
    assert sampled(frame).height == 83_334
    assert sampled(frame.head(5)).height == 5
    assert sampled(frame.clear()).height == 0
