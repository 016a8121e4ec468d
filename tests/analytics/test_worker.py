"""The hands of a run, doing the whole of it against the service: read, compute, write back, publish."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from crm_api.analytics import rfm
from crm_api.client import ApiClient
from crm_api.core.db import Database
from crm_api.jobs.models import Job
from crm_api.jobs.schemas import ClaimedJob
from workers import analytics
from workers.doing import LeaseGone
from workers.work import Report

from ..calling import Api, problem
from .working import AS_OF, Compute, Fact, in_ranges_of, purchases, record, register, streamed, work

NEW_YORK = "America/New_York"


@pytest.fixture
def pass_time(database: Database) -> Callable[[str], Awaitable[None]]:
    """Let the pause before a retry pass."""

    async def pass_time(job_id: str) -> None:
        async with database.session() as session:
            (await session.get_one(Job, job_id)).run_after = datetime(2000, 1, 1, tzinfo=UTC)

    return pass_time


def expected(customers: list[str], facts: list[Fact]) -> pl.DataFrame:
    """Scores of the same facts without any service."""
    rows = [
        (customers[number], kind, datetime.fromisoformat(at), None if amount is None else int(amount.replace(".", "")))
        for number, kind, at, amount in facts
    ]
    feed = pl.DataFrame(rows, schema=["customer_id", "kind", "occurred_at", "amount"], orient="row")
    return rfm.score(feed, rfm.Parameters(date.fromisoformat(AS_OF), NEW_YORK, "USD"))


async def test_a_worker_scores_what_the_api_knows(api: Api, compute: Compute) -> None:
    customers = await register(api, 40)
    facts = [
        *purchases(30),
        (30, "order.refunded", "2023-05-05T12:00:00Z", "9.99"),
        (31, "order.placed", "2023-05-05T12:00:00Z", None),
    ]
    await record(api, customers, [*facts, (33, "page.viewed", "2023-12-30T12:00:00Z", None)])
    run = await compute()
    assert run["state"] == "published", run
    scores, wanted = await streamed(api), expected(customers, facts)
    for column in ("customer_id", "recency_score", "frequency_score", "monetary_score", "recency_days", "status"):
        assert scores[column].to_list() == wanted[column].to_list(), column
    assert (scores["amount"] * 100).round().cast(pl.Int64).to_list() == wanted["amount_minor"].to_list()
    assert run["row_count"] == 32
    assert run["quality"] == {
        "facts_read": len(facts),
        "facts_used": len(facts),
        "customers_scored": 31,
        "customers_without_purchase": 1,
    }
    assert run["peak_memory_bytes"] > 10_000_000
    assert set(run["timing"]) >= {"feed_seconds", "compute_seconds"}
    job = await api.get(run["job"])
    assert (job["state"], job["progress"], job["counts"]["rows_written"]) == ("succeeded", 1, 32)
    assert job["result"]["output_hash"] == run["output_hash"]


async def test_the_same_inputs_give_the_same_bytes_on_any_number_of_ranges(api: Api, compute: Compute) -> None:
    customers = await register(api, 40)
    await record(api, customers, purchases(40))
    runs = [await compute(in_ranges_of(size)) for size in (1000, 10, 7)]
    assert len({run["output_hash"] for run in runs}) == 1
    assert len({run["input_hash"] for run in runs}) == 1


async def test_archived_customers_are_left_out(api: Api, compute: Compute) -> None:
    customers = await register(api, 6)
    facts = purchases(6)
    await record(api, customers, facts)
    await api.post(f"/v1/customers/{customers[5]}/archive")
    await compute()
    scores = await streamed(api)
    wanted = expected(customers, [fact for fact in facts if fact[0] != 5])
    assert scores["customer_id"].to_list() == wanted["customer_id"].to_list() == customers[:5]
    assert scores["monetary_score"].to_list() == wanted["monetary_score"].to_list()


async def test_kinds_say_what_a_purchase_is(api: Api, compute: Compute) -> None:
    customers = await register(api, 2)
    await record(
        api,
        customers,
        [(0, "order.placed", "2023-05-05T12:00:00Z", "1.00"), (1, "visit.paid", "2023-05-05T12:00:00Z", "2.00")],
    )
    await compute(kinds=["visit.paid"])
    assert (await streamed(api))["customer_id"].to_list() == [customers[1]]


async def test_what_is_recorded_after_the_watermark_is_not_in_the_run(api: Api, hands: ApiClient) -> None:
    customers = await register(api, 2)
    await record(api, customers, [(0, "order.placed", "2023-05-05T12:00:00Z", "1.00")])
    wish = {"model": "rfm", "parameters": {"as_of": AS_OF, "currency": "USD"}}
    run = await api.post("/v1/analytics/runs", wish, expect=202)
    await record(api, customers, [(1, "order.placed", "2023-05-05T12:00:00Z", "1.00")])
    await work(hands, run)
    assert (await streamed(api))["customer_id"].to_list() == [customers[0]]


async def test_the_year_ends_in_the_zone_of_the_business(api: Api, compute: Compute) -> None:
    customers = await register(api, 2)
    evening, night = "2024-01-01T04:59:59Z", "2024-01-01T05:00:00Z"
    await record(api, customers, [(0, "order.placed", evening, "1.00"), (1, "order.placed", night, "1.00")])
    await compute()
    assert (await streamed(api))["customer_id"].to_list() == [customers[0]]


async def test_another_currency_is_refused_and_named(api: Api, compute: Compute) -> None:
    customers = await register(api, 2)
    await record(api, customers, [(0, "order.placed", "2023-05-05T12:00:00Z", "1.00")])
    before = await compute()
    await record(api, customers, [(1, "order.placed", "2023-05-05T12:00:00Z", "1.00")], "CHF")
    run = await compute()
    assert run["state"] == "failed"
    assert "The run is in USD; the purchases also hold CHF." in run["problem"]["detail"]
    job = await api.get(run["job"])
    assert (job["state"], len(job["attempts"])) == ("failed", 1), "trying again would not help"
    assert (await api.get("/v1/scores/rfm"))["run"]["id"] == before["id"]


@pytest.mark.parametrize("facts", [[], [(0, "order.refunded", "2023-05-05T12:00:00Z", "1.00")]])
async def test_nobody_to_score_is_a_state_and_no_failure(api: Api, compute: Compute, facts: list[Fact]) -> None:
    customers = await register(api, 1) if facts else []
    await record(api, customers, facts)
    run = await compute()
    assert (run["state"], run["row_count"]) == ("insufficient_data", len(facts))
    assert run["problem"]["code"] == "insufficient-data"
    assert (await api.get(run["job"]))["state"] == "succeeded"
    await api.get("/v1/scores/rfm", expect=problem("nothing-published", 404))


async def test_a_worker_that_dies_before_publishing_leaves_the_old_run_current(
    api: Api, hands: ApiClient, compute: Compute, pass_time: Callable[[str], Awaitable[None]]
) -> None:
    customers = await register(api, 10)
    await record(api, customers, purchases(10))
    before = await compute()

    async def die(client: ApiClient, job: ClaimedJob, report: Report) -> dict[str, Any]:
        async def report_or_die(progress: float | None, counts: Mapping[str, int] | None = None) -> None:
            await report(progress, counts)
            if progress is not None and progress > 0.97:
                raise ConnectionError

        return await analytics.compute_run(client, job, report_or_die)

    broken = await compute(die)
    assert broken["state"] == "running"
    assert (await api.get("/v1/scores/rfm"))["run"]["id"] == before["id"]
    job = await api.get(broken["job"])
    assert (job["state"], job["attempts"][0]["reason"]) == ("queued", "ConnectionError")
    assert job["counts"]["rows_written"] == 10
    await pass_time(broken["job_id"])
    await work(hands, broken, in_ranges_of(3))
    mended = await api.get(f"/v1/analytics/runs/{broken['id']}")
    assert (mended["state"], mended["is_current"]) == ("published", True)
    assert mended["output_hash"] == before["output_hash"]


async def test_a_cancelled_run_is_given_up(api: Api, hands: ApiClient, compute: Compute) -> None:
    customers = await register(api, 10)
    await record(api, customers, purchases(10))
    before = await compute()

    async def cancel_midway(client: ApiClient, job: ClaimedJob, report: Report) -> dict[str, Any]:
        async def report_and_cancel(progress: float | None, counts: Mapping[str, int] | None = None) -> None:
            if progress is not None and progress > 0.97:
                await api.post(f"/v1/jobs/{job.id}/cancel")
            await report(progress, counts)

        return await analytics.compute_run(client, job, report_and_cancel)

    with pytest.raises(LeaseGone):
        await compute(cancel_midway)
    [cancelled, first] = (await api.get("/v1/analytics/runs"))["data"]
    assert (cancelled["state"], first["state"]) == ("cancelled", "published")
    assert (await api.get("/v1/scores/rfm"))["run"]["id"] == before["id"]
