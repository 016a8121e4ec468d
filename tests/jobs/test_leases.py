"""A job is leased to one worker at a time, and comes back from one that falls silent."""

import asyncio
from collections.abc import Awaitable, Callable

from ..calling import Api, problem
from .conftest import Start, Worker
from .kinds import CARRYING, COUNTING

Effects = Callable[[str], Awaitable[int]]
PassTime = Callable[..., Awaitable[None]]
LOST = problem("lease-lost", 409)


async def test_racing_workers_share_jobs_without_overlap(api: Api, start: Start) -> None:
    started = {await start(CARRYING) for _ in range(20)}
    answers = await asyncio.gather(*(Worker(api, f"worker-{number}").claim(limit=5) for number in range(8)))
    claimed = [job["id"] for jobs in answers for job in jobs]
    assert sorted(claimed) == sorted(started)


async def test_one_job_is_given_to_one_of_many(api: Api, start: Start) -> None:
    job_id = await start(CARRYING)
    answers = await api.race(8, "POST", "/v1/jobs/claim", {"worker": "racer", "job_id": job_id})
    assert sorted(len(answer.json()["data"]) for answer in answers) == [0] * 7 + [1]


async def test_a_job_of_a_silent_worker_goes_to_another(
    api: Api, start: Start, worker: Worker, other_worker: Worker, pass_time: PassTime
) -> None:
    job_id = await start(CARRYING)
    lost = await worker.claim_one()
    assert await other_worker.claim() == []
    await pass_time(job_id, "leased_until")
    taken = await other_worker.claim_one()
    assert taken["attempt"] == 2
    for method, what, more in (
        ("POST", "heartbeat", {}),
        ("PUT", "progress", {"progress": 0.5}),
        ("PUT", "result", {"result": {"from": "the first"}}),
        ("PUT", "failure", {"reason": "late", "retry": True}),
        ("POST", "release", {}),
    ):
        await worker.report(method, lost, what, LOST, **more)
    await other_worker.report("PUT", taken, "result", result={"from": "the second"})
    job = await api.get(f"/v1/jobs/{job_id}")
    assert job["result"] == {"from": "the second"}
    assert [attempt["outcome"] for attempt in job["attempts"]] == ["lease-expired", "succeeded"]
    assert "first gave no sign of life" in job["attempts"][0]["reason"]


async def test_a_lease_expired_but_not_taken_back_still_holds(
    start: Start, worker: Worker, pass_time: PassTime
) -> None:
    job_id = await start(CARRYING)
    job = await worker.claim_one()
    await pass_time(job_id, "leased_until")
    assert (await worker.report("POST", job, "heartbeat"))["state"] == "running"
    assert await worker.claim() == []


async def test_a_job_whose_workers_all_die_fails(
    api: Api, start: Start, worker: Worker, pass_time: PassTime, effects: Effects
) -> None:
    job_id = await start(CARRYING)
    for _ in range(CARRYING.most_attempts):
        await worker.claim_one()
        await pass_time(job_id, "leased_until")
    assert await worker.claim() == []
    job = await api.get(f"/v1/jobs/{job_id}")
    assert job["state"] == "failed"
    assert job["problem"]["code"] == "job-failed"
    assert "no sign of life" in job["problem"]["detail"]
    assert await effects("tests.ended") == 1


async def test_a_job_given_back_waits_for_nobody_and_loses_nothing(
    api: Api, start: Start, worker: Worker, other_worker: Worker
) -> None:
    job_id = await start(CARRYING)
    for number in range(1, 4):
        job = await worker.claim_one()
        assert job["attempt"] == number
        for _ in range(2):  # the second time is a repeat whose first answer was lost
            assert (await worker.report("POST", job, "release"))["state"] == "queued"
    job = await other_worker.claim_one()
    await other_worker.report("PUT", job, "result", result={})
    job = await api.get(f"/v1/jobs/{job_id}")
    assert job["state"] == "succeeded"
    assert [attempt["outcome"] for attempt in job["attempts"]] == 3 * ["released"] + ["succeeded"]


async def test_workers_get_what_their_hands_can_do(start: Start, worker: Worker) -> None:
    await start(CARRYING)
    counting = await start(COUNTING, steps=1)
    assert (await worker.claim_one(hands=["others"]))["id"] == counting
    assert await worker.claim(hands=[]) == []
    assert (await worker.claim_one(hands=[CARRYING.name]))["kind"] == CARRYING.name


async def test_unknown_jobs_and_foreign_leases_are_refused(api: Api, start: Start, worker: Worker) -> None:
    await start(CARRYING)
    job = await worker.claim_one()
    nobody = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
    await api.post(f"/v1/jobs/{nobody}/heartbeat", {"lease_id": nobody}, expect=problem("job-not-found", 404))
    await api.post(f"/v1/jobs/{nobody}/steps", {"lease_id": nobody}, expect=problem("job-not-found", 404))
    await api.post(f"/v1/jobs/{job['id']}/heartbeat", {"lease_id": nobody}, expect=LOST)


async def test_work_needs_its_scope(anonymous: Api, credentials: tuple[str, str]) -> None:
    reader = anonymous.bearing(await anonymous.token(*credentials, "jobs:read"))
    await reader.post("/v1/jobs/claim", {"worker": "w"}, expect=problem("insufficient-scope", 403))
