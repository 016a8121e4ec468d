"""Whoever waits for a job is told how it goes: by polling, as a list, as events, and when nobody works."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import func, select, update

from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.trail import emit
from crm_api.jobs.models import Job, WorkerSeen

from ..calling import Api, problem
from .conftest import Start, Worker
from .kinds import CARRYING, COUNTING, RECURRING

PassTime = Callable[..., Awaitable[None]]


async def test_no_worker_alive_is_told(api: Api, start: Start, worker: Worker, database: Database) -> None:
    job_id = await start(COUNTING, steps=1)
    assert (await api.get(f"/v1/jobs/{job_id}"))["waiting_reason"] == "no-worker-alive"
    await worker.claim(limit=0)
    assert (await api.get(f"/v1/jobs/{job_id}"))["waiting_reason"] is None
    async with database.session() as session:
        await session.execute(update(WorkerSeen).values(seen_at=now().replace(year=2000)))
    assert (await api.get(f"/v1/jobs/{job_id}"))["waiting_reason"] == "no-worker-alive"
    ready = await api.get("/readyz", expect=503)
    assert not ready["checks"]["worker"]["ok"]


async def test_a_waiting_job_is_cancelled_at_once(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(COUNTING, steps=1)
    for _ in range(2):
        assert (await api.post(f"/v1/jobs/{job_id}/cancel"))["state"] == "cancelled"
    assert await worker.claim() == []


async def test_an_ended_job_cannot_be_cancelled(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(COUNTING, steps=1)
    await worker.step(await worker.claim_one())
    await api.post(f"/v1/jobs/{job_id}/cancel", expect=problem("job-ended", 409))
    await api.post(f"/v1/jobs/{new_id()}/cancel", expect=problem("job-not-found", 404))


async def test_the_list_is_paged_newest_first_and_filtered(api: Api, start: Start, worker: Worker) -> None:
    started = [await start(COUNTING, steps=1) for _ in range(5)]
    carrying = await start(CARRYING)
    first = await api.get("/v1/jobs?limit=4")
    rest = await api.get(f"/v1/jobs?limit=4&cursor={first['next_cursor']}")
    assert [job["id"] for job in first["data"] + rest["data"]] == [carrying, *reversed(started)]
    assert rest["next_cursor"] is None
    await worker.claim(limit=2)
    running = await api.get("/v1/jobs?state=running&kind=tests.counting")
    assert [job["id"] for job in running["data"]] == [started[1], started[0]]
    assert [attempt["worker"] for job in running["data"] for attempt in job["attempts"]] == ["first", "first"]
    await api.get(f"/v1/jobs?kind=others&cursor={first['next_cursor']}", expect=problem("invalid-request", 422))
    await api.get("/v1/jobs?state=lost", expect=problem("invalid-request", 422))


async def test_an_unknown_job_is_a_problem(api: Api) -> None:
    await api.get(f"/v1/jobs/{new_id()}", expect=problem("job-not-found", 404))
    await api.get(f"/v1/jobs/{new_id()}/events", expect=problem("job-not-found", 404))


def events_of(text: str) -> list[tuple[str, str, Any]]:
    """Parse server-sent events to (id, event, data)."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


async def test_events_tell_every_state_and_the_end(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(COUNTING, steps=2)
    watched = asyncio.create_task(api.send("GET", f"/v1/jobs/{job_id}/events", expect=200))
    await asyncio.sleep(0.3)
    job = await worker.claim_one()
    await worker.step(job)
    await asyncio.sleep(0.8)
    await worker.step(job)
    answer = await watched
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events_of(answer.text)
    assert [(event, data["state"]) for _, event, data in told] == [
        ("progress", "queued"),
        ("progress", "running"),
        ("end", "succeeded"),
    ]
    assert told[0][2]["waiting_reason"] == "no-worker-alive"
    assert told[1][2]["progress"] == 0.5
    assert told[2][2] == await api.get(f"/v1/jobs/{job_id}")
    returning = {"Last-Event-ID": told[2][0]}
    await api.send("GET", f"/v1/jobs/{job_id}/events", headers=returning, expect=204)
    again = await api.send("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "of-old"}, expect=200)
    assert [event for _, event, _ in events_of(again.text)] == ["end"]


async def test_due_work_is_queued_once_by_the_tick(api: Api, worker: Worker, database: Database) -> None:
    async with database.session() as session:
        emit(session, "tests.wished", {})
        emit(session, "tests.break-due", {})  # one kind that cannot say what is due does not stop the others
    job = await worker.claim_one()
    assert job["kind"] == RECURRING.name
    assert job["created_by"] == "crm-api"
    assert await worker.claim() == []
    assert (await worker.step(job))["done"]
    assert (await worker.claim_one())["id"] != job["id"]


async def test_old_jobs_and_silent_workers_are_forgotten(
    api: Api, start: Start, worker: Worker, pass_time: PassTime, database: Database
) -> None:
    job_id = await start(COUNTING, steps=1)
    await worker.step(await worker.claim_one())
    await worker.claim()
    assert (await api.get(f"/v1/jobs/{job_id}"))["state"] == "succeeded"
    await pass_time(job_id, "expires_at")
    async with database.session() as session:
        session.add(WorkerSeen(worker="long gone", seen_at=now().replace(year=2000)))
    await worker.claim()
    await api.get(f"/v1/jobs/{job_id}", expect=problem("job-not-found", 404))
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Job)) == 0
        assert (await session.scalars(select(WorkerSeen.worker))).all() == ["first"]
