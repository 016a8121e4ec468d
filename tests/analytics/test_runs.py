"""Runs over HTTP: what is asked for is fixed, what is stored is checked, what is published is whole."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text, update

from crm_api.analytics.models import SCORES, AnalyticsRunPart
from crm_api.analytics.outputs import OUTPUTS
from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.jobs.models import Job

from ..calling import Api, problem
from .conftest import Computing, Start, csv_of, scored, unscored

Publish = Callable[..., Awaitable[Computing]]
RfmScore = SCORES["rfm"]
TODAY = datetime.now(ZoneInfo("America/New_York")).date()


def wish(**parameters: Any) -> dict[str, Any]:
    return {"model": "rfm", "parameters": {"currency": "EUR", **parameters}}


async def count(database: Database, table: Any, *conditions: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


async def current(api: Api) -> Any:
    return (await api.get("/v1/scores/rfm"))["run"]["id"]


async def test_what_a_run_depends_on_is_fixed_when_it_is_asked_for(api: Api) -> None:
    answer = await api.send("POST", "/v1/analytics/runs", wish(), expect=202)
    run = answer.json()
    assert answer.headers["location"] == run["job"] == f"/v1/jobs/{run['job_id']}"
    assert run["state"] == "queued"
    assert run["as_of"] == run["parameters"]["as_of"] == TODAY.isoformat()
    assert run["parameters"] == {
        "as_of": TODAY.isoformat(),
        "kinds": ["order.placed", "order.refunded"],
        "currency": "EUR",
        "time_zone": "America/New_York",
    }
    assert datetime.now(UTC) - datetime.fromisoformat(run["watermark"]) < timedelta(seconds=10)
    assert await api.get(f"/v1/analytics/runs/{run['id']}") == run
    job = await api.get(run["job"])
    assert (job["kind"], job["nature"]) == ("analytics-run", "hands")


async def test_the_same_key_starts_one_run(api: Api) -> None:
    key = {"Idempotency-Key": "nightly"}
    first = await api.post("/v1/analytics/runs", wish(), headers=key)
    assert await api.post("/v1/analytics/runs", wish(), headers=key) == first
    assert len((await api.get("/v1/analytics/runs"))["data"]) == 1


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"currency": "EURO"}, "/parameters/currency"),
        ({"currency": "XYZ"}, "/parameters/currency"),
        ({"currency": None}, "/parameters/currency"),
        ({"as_of": "1899-12-31"}, "/parameters/as_of"),
        ({"as_of": "2018-02-30"}, "/parameters/as_of"),
        ({"as_of": (TODAY + timedelta(days=3)).isoformat()}, "/parameters/as_of"),
        ({"kinds": []}, "/parameters/kinds"),
        ({"kinds": ["order.placed", "order.placed"]}, "/parameters/kinds"),
        ({"kinds": ["Order Placed"]}, "/parameters/kinds/0"),
        ({"quantiles": 5}, "/parameters/quantiles"),
    ],
)
async def test_a_wrong_parameter_is_pointed_at(api: Api, parameters: dict[str, Any], pointer: str) -> None:
    refused = await api.post("/v1/analytics/runs", wish(**parameters), expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer
    assert (await api.get("/v1/analytics/runs"))["data"] == []


async def test_tomorrow_can_be_asked_for_so_that_today_counts(api: Api) -> None:
    tomorrow = (datetime.now(ZoneInfo("America/New_York")).date() + timedelta(days=1)).isoformat()
    assert (await api.post("/v1/analytics/runs", wish(as_of=tomorrow), expect=202))["as_of"] == tomorrow


async def test_runs_are_listed_newest_first_page_by_page(api: Api) -> None:
    started = [(await api.post("/v1/analytics/runs", wish()))["id"] for _ in range(3)]
    first = await api.get("/v1/analytics/runs", params={"limit": 2, "model": "rfm", "state": "queued"})
    rest = await api.get(
        "/v1/analytics/runs",
        params={"limit": 2, "model": "rfm", "state": "queued", "cursor": first["next_cursor"]},
    )
    assert [run["id"] for run in (*first["data"], *rest["data"])] == started[::-1]
    assert rest["next_cursor"] is None
    assert (await api.get("/v1/analytics/runs", params={"state": "published"}))["data"] == []


async def test_an_unknown_run_is_told(api: Api) -> None:
    unknown = "/v1/analytics/runs/0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
    await api.get(unknown, expect=problem("run-not-found", 404))
    await api.get(f"{unknown}/facts", expect=problem("run-not-found", 404))
    await api.get("/v1/analytics/runs/first", expect=problem("not-found", 404))


async def test_publishing_makes_everything_visible_at_once(
    api: Api, database: Database, start: Start, customers: list[str]
) -> None:
    lines = [scored(customers[0], 5), unscored(customers[1]), scored(customers[2], 1)]
    run = await start(as_of="2018-01-01")
    assert (await run.read())["state"] == "running"
    assert await run.send(0, lines[:2]) == {"run_id": run.run["id"], "part": 0, "row_count": 2}
    await run.send(1, lines[2:])
    await api.get("/v1/scores/rfm", expect=problem("nothing-published", 404))
    published = await run.publish(lines)
    assert (published["state"], published["is_current"], published["row_count"]) == ("published", True, 3)
    assert published["quality"] == {"facts_read": 7}
    assert published["timing"] == {"feed_seconds": 0.5}
    assert published["problem"] is None
    page = await api.get("/v1/scores/rfm")
    assert [(score["recency_score"], score["status"]) for score in page["data"]] == [
        (5, "ok"),
        (None, "insufficient_data"),
        (1, "ok"),
    ]
    assert page["run"]["id"] == run.run["id"]
    assert await count(database, OutboxEvent, OutboxEvent.type == "analytics.run_published") == 1
    assert await count(database, AuditEntry, AuditEntry.action == "analytics.run_published") == 1


async def test_publishing_again_is_the_same_answer_and_no_second_event(
    database: Database, start: Start, customers: list[str]
) -> None:
    run = await start()
    lines = [scored(customers[0])]
    await run.send(0, lines)
    first = await run.publish(lines)
    assert await run.publish(lines) == first
    await run.publish([], expect=problem("run-not-open", 409))
    await run.report("PUT", "result", result={})
    assert await run.publish(lines) == first
    assert await count(database, OutboxEvent, OutboxEvent.type == "analytics.run_published") == 1


async def test_the_hash_of_a_run_is_that_of_its_stream(api: Api, publish: Publish, customers: list[str]) -> None:
    lines = [scored(customers[0], amount="0.05"), unscored(customers[1]), scored(customers[2], amount="1234567.89")]
    run = await publish(lines)
    text = (await api.send("GET", "/v1/scores/rfm", headers={"Accept": "text/csv"}, expect=200)).text
    cut = "".join(line.split(",", 2)[2] + "\n" for line in text.splitlines())
    assert cut == csv_of(lines)
    assert (await run.read())["output_hash"]


async def test_ranges_hold_every_customer_once(api: Api, start: Start, customers: list[str]) -> None:
    at = {"kind": "order.placed", "occurred_at": "2025-01-02T03:04:05.678901Z", "source": "shop", "source_id": "1"}
    for customer in customers:
        await api.post(
            "/v1/touchpoints", {**at, "customer_id": customer, "amount": {"amount": "12.30", "currency": "EUR"}}
        )
    run = await start(settled=False)
    for size, number in ((1, 5), (2, 3), (5, 1), (100, 1)):
        ranges = (await run.begin(customers=size))["ranges"]
        assert len(ranges) == number
        assert ranges[0]["first"] is None
        assert ranges[-1]["before"] is None
        assert all(one["before"] == other["first"] for one, other in pairwise(ranges))
        found: list[str] = []
        for each in ranges:
            bounds = {"customer_from": each["first"], "customer_before": each["before"]}
            params = {name: bound for name, bound in bounds.items() if bound}
            header, *lines = (await api.send("GET", f"{run.path}/facts", params=params)).text.split()
            assert header == "customer_id,kind,occurred_us,amount_minor,currency"
            found += sorted(lines)
        assert found == [f"{customer},order.placed,1735787045678901,1230,EUR" for customer in customers]


async def test_a_run_begins_when_its_watermark_is_settled(start: Start, database: Database) -> None:
    async with database.session() as session:
        await session.execute(select(1))  # it began before the run, and could have stored something by now
        run = await start(settled=False)
        early = await run.begin(expect=problem("watermark-open", 409))
        assert "under way" in early["detail"]
    assert (await run.begin())["run"]["state"] == "running"


async def test_what_is_stored_must_be_what_was_computed(
    api: Api, database: Database, publish: Publish, start: Start, customers: list[str]
) -> None:
    before = await publish([scored(customers[0], 2)])
    run = await start()
    lines = [scored(customers[0]), scored(customers[1])]
    await run.send(0, lines)
    mismatch = problem("output-mismatch", 409)
    assert (await run.publish(lines[:1], expect=mismatch))["errors"][0]["pointer"] == "/row_count"
    assert (await run.publish(lines, expect=mismatch, output_hash="1" * 64))["errors"][0]["pointer"] == "/output_hash"
    other = [scored(customers[0], 4), lines[1]]
    assert (await run.publish(other, expect=mismatch))["errors"][0]["pointer"] == "/output_hash"
    assert await current(api) == before.run["id"]
    assert (await run.read())["state"] == "running"
    assert await count(database, OutboxEvent, OutboxEvent.type == "analytics.run_published") == 1
    await run.publish(lines)
    assert await current(api) == run.run["id"]
    assert not (await before.read())["is_current"]


async def test_rows_changed_in_the_table_are_noticed(database: Database, start: Start, customers: list[str]) -> None:
    run = await start()
    lines = [scored(customers[0]), scored(customers[1])]
    await run.send(0, lines)
    async with database.session() as session:
        await session.execute(update(RfmScore).where(RfmScore.c.customer_id == customers[1]).values(amount_minor=1))
    await run.publish(lines, expect=problem("output-mismatch", 409))


async def test_a_part_that_came_while_the_rows_were_read_is_not_published_unread(
    database: Database, start: Start, customers: list[str]
) -> None:
    """Publishing waits for the job after it has read the rows; meanwhile a part came again."""
    run = await start()
    lines = [scored(customers[0]), scored(customers[1])]
    await run.send(0, lines)
    came_again = update(AnalyticsRunPart).values(received_at=AnalyticsRunPart.received_at + timedelta(seconds=1))
    async with database.session() as holding:
        await holding.execute(select(Job.id).where(Job.id == UUID(run.job["id"])).with_for_update())
        publishing = asyncio.create_task(run.publish(lines, expect=problem("not-available", 503)))
        async with asyncio.timeout(10):
            while not await count(database, text("pg_stat_activity"), text("wait_event_type = 'Lock'")):
                await asyncio.sleep(0.01)
        await holding.execute(came_again)
    assert "publish again" in (await publishing)["detail"]
    assert (await run.publish(lines))["state"] == "published"


async def test_a_worker_that_lost_its_lease_can_do_nothing(
    api: Api, database: Database, publish: Publish, start: Start, customers: list[str]
) -> None:
    before = await publish([scored(customers[0], 2)])
    run = await start()
    lines = [scored(customers[0]), scored(customers[1])]
    await run.send(0, lines)
    async with database.session() as session:
        job = await session.get_one(Job, run.job["id"])
        job.leased_until = datetime(2000, 1, 1, tzinfo=UTC)
    claimed = await api.post("/v1/jobs/claim", {"worker": "second", "limit": 1})
    for each in (run.begin, lambda expect: run.send(1, lines, expect), lambda expect: run.publish(lines, expect)):
        await each(expect=problem("lease-lost", 409))
    second = Computing(api, database, run.run, claimed["data"][0])
    assert await current(api) == before.run["id"]
    await second.begin()
    assert await count(database, RfmScore, RfmScore.c.run_id == run.run["id"]) == 0, "what the first left is dropped"
    await second.send(0, lines[:1])
    await second.publish(lines[:1])
    assert await current(api) == run.run["id"]


async def test_a_run_published_by_a_worker_that_died_is_left_as_it_is(
    api: Api, database: Database, start: Start, customers: list[str]
) -> None:
    run = await start()
    lines = [scored(customers[0])]
    await run.send(0, lines)
    await run.publish(lines)
    async with database.session() as session:
        (await session.get_one(Job, run.job["id"])).leased_until = datetime(2000, 1, 1, tzinfo=UTC)
    [job] = (await api.post("/v1/jobs/claim", {"worker": "second", "limit": 1}))["data"]
    work = await Computing(api, database, run.run, job).begin()
    assert work["ranges"] == []
    assert (work["run"]["state"], work["run"]["row_count"]) == ("published", 1)
    assert len((await api.get("/v1/scores/rfm"))["data"]) == 1


async def test_a_cancelled_run_stays_unpublished(
    api: Api, database: Database, publish: Publish, start: Start, customers: list[str]
) -> None:
    before = await publish([scored(customers[0], 2)])
    run = await start()
    lines = [scored(customers[0]), scored(customers[1])]
    await run.send(0, lines)
    await api.post(f"{run.run['job']}/cancel")
    await run.publish(lines, expect=problem("run-not-open", 409))
    await run.send(1, lines, expect=problem("run-not-open", 409))
    await run.report("POST", "heartbeat")
    ended = await run.read()
    assert ended["state"] == "cancelled"
    assert ended["finished_at"]
    await run.publish(lines, expect=problem("run-not-open", 409))
    assert await current(api) == before.run["id"]


async def test_a_queued_run_is_cancelled_with_its_job(api: Api) -> None:
    run = await api.post("/v1/analytics/runs", wish())
    await api.post(f"{run['job']}/cancel")
    assert (await api.get(f"/v1/analytics/runs/{run['id']}"))["state"] == "cancelled"


async def test_an_older_run_does_not_take_the_place_of_a_newer_one(
    api: Api, publish: Publish, start: Start, customers: list[str]
) -> None:
    older = await start()
    newer = await publish([scored(customers[0], 5)])
    lines = [scored(customers[0], 1)]
    await older.send(0, lines)
    await older.publish(lines, expect=problem("run-superseded", 409))
    assert await current(api) == newer.run["id"]
    assert (await older.read())["state"] == "running"
    await older.report("PUT", "failure", reason="a newer one was first", retry=False)
    assert (await older.read())["state"] == "failed"


async def test_two_runs_published_at_once_leave_the_newer_one_current(
    api: Api, start: Start, customers: list[str]
) -> None:
    lines = [scored(customers[0])]
    runs = [await start() for _ in range(4)]
    for run in runs:
        await run.send(0, lines)
    hashes = [run.publish(lines, expect=None) for run in reversed(runs)]  # type: ignore[arg-type]
    answers = await asyncio.gather(*hashes, return_exceptions=True)
    assert not isinstance(answers[0], BaseException)
    assert await current(api) == runs[-1].run["id"]


@pytest.mark.parametrize("refunds", [0, 1])
async def test_nobody_to_score_publishes_nothing_and_says_so(
    api: Api, database: Database, publish: Publish, start: Start, customers: list[str], refunds: int
) -> None:
    before = await publish([scored(customers[0], 2)])
    run = await start()
    lines = [unscored(customer) for customer in customers[:refunds]]
    if lines:
        await run.send(0, lines)
    ended = await run.publish(lines)
    assert ended["state"] == "insufficient_data"
    assert ended["problem"]["code"] == "insufficient-data"
    assert not ended["is_current"]
    assert await run.publish(lines) == ended
    await run.report("PUT", "result", result={})
    assert (await run.read())["state"] == "insufficient_data"
    assert await current(api) == before.run["id"]
    assert await count(database, OutboxEvent, OutboxEvent.type == "analytics.run_published") == 1


async def test_a_failed_job_fails_its_run_and_tells_why(api: Api, start: Start) -> None:
    run = await start()
    await run.report("PUT", "failure", reason="The run is in EUR; the purchases also hold CHF.", retry=False)
    ended = await run.read()
    assert ended["state"] == "failed"
    assert "also hold CHF" in ended["problem"]["detail"]


async def test_a_result_without_publication_is_a_failure(start: Start) -> None:
    run = await start()
    await run.report("PUT", "result", result={})
    ended = await run.read()
    assert (ended["state"], ended["problem"]["code"]) == ("failed", "run-not-published")


async def test_rows_of_outlived_runs_are_dropped_by_the_worker(
    api: Api, database: Database, publish: Publish, start: Start, customers: list[str]
) -> None:
    failed = await start()
    await failed.send(0, [scored(customers[0])])
    await failed.report("PUT", "failure", reason="x", retry=False)
    runs = [await publish([scored(customers[0]), scored(customers[1])]) for _ in range(12)]
    for _ in range(2):
        [job] = (await api.post("/v1/jobs/claim", {"worker": "tests", "limit": 5}))["data"] or [None]
        if job is None:
            break
        assert job["kind"] == "analytics-drop-rows"
        while not (await api.post(f"/v1/jobs/{job['id']}/steps", {"lease_id": job["lease_id"]}))["done"]:
            pass
    assert await count(database, RfmScore) == 20
    kept = [(await run.read())["rows_dropped_at"] is None for run in runs]
    assert kept == [False, False, *[True] * 10]
    gone = {"run_id": runs[0].run["id"]}
    await api.get("/v1/scores/rfm", params=gone, expect=problem("rows-dropped", 410))
    assert (await runs[0].read())["row_count"] == 2


@pytest.mark.parametrize("model", [{"model": "astrology"}, {"model": 5}, {"model": ["rfm"]}, {}])
async def test_who_names_no_model_is_told_all_of_them(api: Api, model: dict[str, Any]) -> None:
    wish = {**model, "parameters": {"currency": "EUR"}}
    refused = await api.post("/v1/analytics/runs", wish, expect=problem("invalid-request", 422))
    [wrong] = refused["errors"]
    assert wrong["pointer"] == "/model"
    assert not model or wrong["detail"] == f"models are {', '.join(OUTPUTS)}"


async def test_a_day_among_the_parameters_is_kept_as_it_is_written(api: Api) -> None:
    wish = {"model": "contract_churn", "parameters": {"as_of": "2026-01-31", "watched_from": "2025-03-01"}}
    run = await api.post("/v1/analytics/runs", wish, expect=202)
    assert run["parameters"]["watched_from"] == "2025-03-01"
