"""Hands jobs: progress, results that replace themselves, failures with reasons."""

from collections.abc import Awaitable, Callable

from ..calling import Api
from .conftest import Start, Worker
from .kinds import CARRYING

Effects = Callable[[str], Awaitable[int]]
PassTime = Callable[..., Awaitable[None]]


async def test_progress_is_told_and_keeps_the_lease(api: Api, start: Start, worker: Worker) -> None:
    job_id = await start(CARRYING, to="the shelf")
    job = await worker.claim_one()
    assert job["arguments"] == {"to": "the shelf"}
    answer = await worker.report("PUT", job, "progress", progress=0.25, counts={"boxes": 5})
    assert answer["leased_until"] >= job["leased_until"]
    told = await api.get(f"/v1/jobs/{job_id}")
    assert told["state"] == "running"
    assert told["progress"] == 0.25
    assert told["counts"] == {"boxes": 5}


async def test_a_repeated_result_replaces_itself(api: Api, start: Start, worker: Worker, effects: Effects) -> None:
    job_id = await start(CARRYING)
    job = await worker.claim_one()
    await worker.report("PUT", job, "result", result={"version": 1}, counts={"rows": 1})
    await worker.report("PUT", job, "result", result={"version": 2}, counts={"rows": 2})
    told = await api.get(f"/v1/jobs/{job_id}")
    assert (told["result"], told["counts"], told["progress"]) == ({"version": 2}, {"rows": 2}, 1)
    assert len(told["attempts"]) == 1
    assert await effects("tests.ended") == 1


async def test_a_failure_is_tried_again_until_it_is_enough(
    api: Api, start: Start, worker: Worker, pass_time: PassTime
) -> None:
    job_id = await start(CARRYING)
    for state in ("queued", "failed"):
        job = await worker.claim_one()
        for _ in range(2):  # the second time is a repeat whose first answer was lost
            answer = await worker.report("PUT", job, "failure", reason="the door was shut", retry=True)
            assert answer["state"] == state
        await pass_time(job_id, "run_after")
    told = await api.get(f"/v1/jobs/{job_id}")
    assert [attempt["reason"] for attempt in told["attempts"]] == 2 * ["the door was shut"]
    assert told["problem"]["type"] == "/docs/problems/job-failed"


async def test_a_failure_that_cannot_be_mended_is_final(api: Api, start: Start, worker: Worker) -> None:
    await start(CARRYING)
    answer = await worker.report("PUT", await worker.claim_one(), "failure", reason="no such shelf", retry=False)
    assert answer["state"] == "failed"
    assert await worker.claim() == []


async def test_a_cancelled_job_ends_at_the_next_heartbeat(
    api: Api, start: Start, worker: Worker, effects: Effects
) -> None:
    job_id = await start(CARRYING)
    job = await worker.claim_one()
    asked = await api.post(f"/v1/jobs/{job_id}/cancel")
    assert asked["state"] == "running"
    assert asked["cancel_requested_at"]
    answer = await worker.report("POST", job, "heartbeat")
    assert answer == {"state": "cancelled", "cancel_requested": True, "leased_until": None}
    assert [a["outcome"] for a in (await api.get(f"/v1/jobs/{job_id}"))["attempts"]] == ["cancelled"]
    assert await effects("tests.ended") == 1


async def test_a_result_that_comes_before_the_cancellation_is_heard_stands(
    api: Api, start: Start, worker: Worker
) -> None:
    job_id = await start(CARRYING)
    job = await worker.claim_one()
    await api.post(f"/v1/jobs/{job_id}/cancel")
    assert (await worker.report("PUT", job, "result", result={"done": True}))["state"] == "succeeded"


async def test_a_cancelled_job_whose_worker_died_ends_in_the_sweep(
    api: Api, start: Start, worker: Worker, pass_time: PassTime
) -> None:
    job_id = await start(CARRYING)
    await worker.claim_one()
    await api.post(f"/v1/jobs/{job_id}/cancel")
    await pass_time(job_id, "leased_until")
    assert await worker.claim() == []
    assert (await api.get(f"/v1/jobs/{job_id}"))["state"] == "cancelled"
