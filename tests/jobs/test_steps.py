"""Set jobs move step by step; what fails is undone and told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ..calling import Api, problem
from .conftest import Start, Worker
from .kinds import CARRYING, COUNTING, FAILING

Effects = Callable[[str], Awaitable[int]]
PassTime = Callable[..., Awaitable[None]]


async def test_steps_lead_to_the_result(api: Api, start: Start, worker: Worker, effects: Effects) -> None:
    job_id = await start(COUNTING, steps=3)
    job = await worker.claim_one()
    done = [await worker.step(job) for _ in range(3)]
    assert [step["done"] for step in done] == [False, False, True]
    assert [step["counts"] for step in done] == [{"numbers": 1}, {"numbers": 2}, {"numbers": 3}]
    told = await api.get(f"/v1/jobs/{job_id}")
    assert told["state"] == "succeeded"
    assert told["progress"] == 1
    assert told["result"] == {"last": 3}
    assert told["finished_at"] >= told["started_at"] >= told["created_at"]
    assert await effects("tests.counted") == 3
    assert await effects("tests.ended") == 1


async def test_a_step_after_the_last_says_that_it_is_done(start: Start, worker: Worker, effects: Effects) -> None:
    await start(COUNTING, steps=1)
    job = await worker.claim_one()
    for _ in range(2):  # the second time is a repeat whose first answer was lost
        assert (await worker.step(job))["state"] == "succeeded"
    assert await effects("tests.counted") == 1


async def test_another_worker_goes_on_where_one_stopped(
    start: Start, worker: Worker, other_worker: Worker, pass_time: PassTime, effects: Effects
) -> None:
    job_id = await start(COUNTING, steps=3)
    lost = await worker.claim_one()
    await worker.step(lost)
    await pass_time(job_id, "leased_until")
    taken = await other_worker.claim_one()
    await worker.step(lost, problem("lease-lost", 409))
    assert (await other_worker.step(taken))["counts"] == {"numbers": 2}
    assert (await other_worker.step(taken))["done"]
    assert await effects("tests.counted") == 3


async def test_a_step_whose_lease_was_lost_meanwhile_is_undone(
    start: Start, worker: Worker, other_worker: Worker, pass_time: PassTime, effects: Effects
) -> None:
    job_id = await start(COUNTING, steps=1, pause_seconds=0.6)
    lost = await worker.claim_one()
    late = asyncio.create_task(worker.step(lost, problem("lease-lost", 409)))
    await asyncio.sleep(0.2)
    await pass_time(job_id, "leased_until")
    taken = await other_worker.claim_one()
    await other_worker.step(taken, problem("step-under-way", 409))
    await late
    assert await effects("tests.counted") == 0
    assert (await other_worker.step(taken))["done"]
    assert await effects("tests.counted") == 1


async def test_heartbeat_and_cancel_do_not_wait_for_a_step(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(COUNTING, steps=2, pause_seconds=0.8)
    job = await worker.claim_one()
    step = asyncio.create_task(worker.step(job))
    await asyncio.sleep(0.2)
    await worker.report("POST", job, "heartbeat")
    assert (await api.post(f"/v1/jobs/{job_id}/cancel"))["state"] == "running"
    assert not step.done()
    assert not (await step)["done"]
    assert (await worker.step(job))["state"] == "cancelled"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("bug", "RuntimeError"),
        ("sql", "DBAPIError (SQLSTATE 22012)"),
        ("slow", "a statement took longer than 30 s"),
    ],
)
async def test_a_failed_step_is_undone_and_tried_again(
    api: Api, start: Start, worker: Worker, pass_time: PassTime, effects: Effects, how: str, reason: str
) -> None:
    job_id = await start(FAILING, how=how)
    assert (await worker.step(await worker.claim_one()))["state"] == "queued"
    told = await api.get(f"/v1/jobs/{job_id}")
    assert told["waiting_reason"] == "retry-later"
    assert [attempt["reason"] for attempt in told["attempts"]] == [reason]
    assert await worker.claim() == []
    await pass_time(job_id, "run_after")
    assert (await worker.step(await worker.claim_one()))["state"] == "failed"
    told = await api.get(f"/v1/jobs/{job_id}")
    assert told["problem"]["detail"] == f"Attempt 2 was the last one: {reason}"
    assert await effects("tests.failed") == 0


async def test_a_problem_is_final(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(FAILING, how="problem")
    done = await worker.step(await worker.claim_one())
    assert done["done"]
    assert done["state"] == "failed"
    told = await api.get(f"/v1/jobs/{job_id}")
    assert told["problem"]["code"] == "invalid-request"
    assert told["problem"]["instance"] == f"/v1/jobs/{job_id}"


async def test_natures_do_not_mix(start: Start, worker: Worker) -> None:
    await start(CARRYING)
    await worker.step(await worker.claim_one(), problem("no-step-to-run", 422))
    await start(COUNTING, steps=1)
    job = await worker.claim_one()
    await worker.report("PUT", job, "result", problem("not-for-hands", 422), result={})
    await worker.report("PUT", job, "progress", problem("not-for-hands", 422), progress=0.1)
