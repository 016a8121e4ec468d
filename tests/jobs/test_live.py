"""Real processes: work is finished once, whoever dies on the way."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_api.client import jobs
from crm_api.core.trail import OutboxEvent
from crm_api.jobs.hints import Hints
from crm_api.jobs.kinds import JobKind
from crm_api.jobs.operations import enqueue
from crm_api.jobs.schemas import JobRead

from ..live import Service
from .kinds import CARRYING, COUNTING

pytestmark = pytest.mark.xdist_group("live")
PROGRAMS = "tests.jobs.live_programs"


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all tests of this file; each leaves it whole."""
    folder = tmp_path_factory.mktemp("service")
    async with Service(folder, application=f"{PROGRAMS}:make_app", worker=PROGRAMS) as started:
        yield started


async def _start(service: Service, kind: JobKind, **arguments: Any) -> UUID:
    async with service.database() as database, database.session() as session:
        return (await enqueue(session, kind, arguments, by="tests")).id


async def _ended(service: Service, job_id: UUID, seconds: float = 40) -> JobRead:
    async with service.client() as api:
        return await jobs.wait_for_job(api, job_id, seconds=seconds, pause_seconds=0.1)


async def _past(service: Service, job_id: UUID, name: str, count: int) -> None:
    """Wait until a job has counted that far."""
    async with service.client() as api:
        while (await jobs.get_job(api, job_id)).counts.get(name, 0) < count:
            await asyncio.sleep(0.05)


async def _steps_done(service: Service, job_id: UUID) -> list[int]:
    number = OutboxEvent.data["number"].as_integer()
    wanted = select(number).where(OutboxEvent.type == "tests.counted", OutboxEvent.data["job"].astext == str(job_id))
    async with service.database() as database, database.session() as session:
        return sorted((await session.scalars(wanted)).all())


async def test_a_worker_lets_the_api_go_first(service: Service) -> None:
    assert os.getpriority(os.PRIO_PROCESS, service.worker.pid) > os.getpriority(os.PRIO_PROCESS, service.api.pid)


async def test_both_natures_are_worked_to_their_end(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=5)
    carrying = await _start(service, CARRYING, boxes=3, pause_seconds=0.05)
    assert (await _ended(service, counting)).result == {"last": 5}
    carried = await _ended(service, carrying)
    assert carried.result == {"carried": 3, "attempt": 1}
    assert carried.counts == {"boxes": 3}


async def test_a_watcher_is_told_as_it_goes(service: Service) -> None:
    job_id = await _start(service, COUNTING, steps=4, pause_seconds=0.6)
    async with service.client() as api:
        seen = [(job.state, job.progress) async for job in jobs.watch_job(api, job_id)]
    assert seen[-1] == ("succeeded", 1.0)
    assert {progress for state, progress in seen if state == "running"} >= {0.25, 0.5}


async def test_a_killed_worker_loses_one_step_at_most(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=10, pause_seconds=0.2)
    carrying = await _start(service, CARRYING, boxes=10, pause_seconds=0.2)
    await _past(service, counting, "numbers", 3)
    await _past(service, carrying, "boxes", 2)
    service.kill_worker()
    await service.start_worker()
    counted = await _ended(service, counting)
    assert [attempt.outcome for attempt in counted.attempts] == ["lease-expired", "succeeded"]
    assert counted.counts == {"numbers": 10}
    assert await _steps_done(service, counting) == list(range(1, 11))
    assert (await _ended(service, carrying)).result == {"carried": 10, "attempt": 2}


async def test_a_flushed_redis_loses_nothing(service: Service) -> None:
    started = [await _start(service, COUNTING, steps=6, pause_seconds=0.2) for _ in range(3)]
    await _past(service, started[0], "numbers", 1)
    service.flush_redis()
    started.append(await _start(service, COUNTING, steps=1))
    for job_id in started:
        job = await _ended(service, job_id)
        assert [attempt.outcome for attempt in job.attempts] == ["succeeded"]


async def test_work_goes_on_without_redis(service: Service) -> None:
    await asyncio.to_thread(service.valkey.stop)
    try:
        job_id = await _start(service, COUNTING, steps=2)
        assert (await _ended(service, job_id, seconds=10)).state == "succeeded"
        assert service.worker.pid is not None
    finally:
        await asyncio.to_thread(service.valkey.start)
    await service.ready()


async def test_a_killed_api_is_awaited(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=10, pause_seconds=0.2)
    carrying = await _start(service, CARRYING, boxes=8, pause_seconds=0.3)
    await _past(service, counting, "numbers", 3)
    service.kill_api()
    await asyncio.sleep(1)
    await service.start_api()
    assert (await _ended(service, counting)).state == "succeeded"
    assert await _steps_done(service, counting) == list(range(1, 11))
    assert (await _ended(service, carrying)).state == "succeeded"
    await service.ready()


async def test_a_killed_postgres_is_awaited(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=10, pause_seconds=0.2)
    await _past(service, counting, "numbers", 3)
    service.kill_postgres()
    await asyncio.sleep(0.5)
    await service.start_postgres()
    assert (await _ended(service, counting)).state == "succeeded"
    assert await _steps_done(service, counting) == list(range(1, 11))
    await service.ready(10)


async def test_a_worker_told_to_stop_gives_back_what_it_has(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=30, pause_seconds=0.2)
    carrying = await _start(service, CARRYING, boxes=40, pause_seconds=0.2)
    await _past(service, counting, "numbers", 1)
    await _past(service, carrying, "boxes", 1)
    began = time.monotonic()
    await asyncio.to_thread(service.worker.stop)
    assert time.monotonic() - began < 10
    assert service.worker.returncode == 0
    async with service.client() as api:
        for job_id in (counting, carrying):
            job = await jobs.get_job(api, job_id)
            assert (job.state, [attempt.outcome for attempt in job.attempts]) == ("queued", ["released"])
        await asyncio.sleep(5.5)
        assert (await jobs.get_job(api, counting)).waiting_reason == "no-worker-alive"
        for job_id in (counting, carrying):
            assert (await jobs.cancel_job(api, job_id)).state == "cancelled"
    await service.start_worker()


async def test_cancelled_work_stops(service: Service) -> None:
    counting = await _start(service, COUNTING, steps=100, pause_seconds=0.2)
    carrying = await _start(service, CARRYING, boxes=100, pause_seconds=0.5)
    await _past(service, carrying, "boxes", 1)
    async with service.client() as api:
        for job_id in (counting, carrying):
            await jobs.cancel_job(api, job_id)
    for job_id in (counting, carrying):
        assert (await _ended(service, job_id, seconds=5)).state == "cancelled"
    done = len(await _steps_done(service, counting))
    await asyncio.sleep(1)
    assert len(await _steps_done(service, counting)) == done


async def test_hands_that_fail_try_again_or_say_why_not(service: Service) -> None:
    once = await _start(service, CARRYING, boxes=1, pause_seconds=0, fail="once")
    never = await _start(service, CARRYING, boxes=1, pause_seconds=0, fail="for good")
    refused = await _ended(service, never)
    assert refused.problem
    assert "nailed to the floor" in refused.problem["detail"]
    carried = await _ended(service, once)
    assert [(a.outcome, a.reason) for a in carried.attempts] == [("failed", "ConnectionError"), ("succeeded", None)]


async def test_a_hint_starts_a_job_before_the_tick_would(service: Service) -> None:
    """The tick would let a job wait for a second on the average; a quarter of them for less than half of one."""
    hints, waits = Hints(service.valkey.url), []
    async with service.database() as database:
        hints.serve(database)
        for _ in range(8):
            async with database.session() as session:
                job_id = (await enqueue(session, COUNTING, {"steps": 1}, by="tests")).id
            job = await _ended(service, job_id)
            assert job.started_at
            waits.append((job.started_at - job.created_at).total_seconds())
    await hints.close()
    assert sorted(waits)[4] < 0.5
