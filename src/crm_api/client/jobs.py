"""Typed calls about jobs: for those who wait for one, and for the workers that do them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any
from uuid import UUID

from ..jobs.schemas import Claimed, ClaimedJob, JobPage, JobRead, LeaseState, StepDone
from .problems import ApiInterrupted
from .server_events import stream_events
from .session import ApiClient

ENDED = frozenset({"succeeded", "failed", "cancelled"})


async def get_job(api: ApiClient, job_id: UUID | str) -> JobRead:
    """Read how far a job is."""
    return JobRead.model_validate(await api.get(f"/v1/jobs/{job_id}"))


async def list_jobs(
    api: ApiClient, *, state: str | None = None, kind: str | None = None, limit: int = 50, cursor: str | None = None
) -> JobPage:
    """List jobs, the newest first."""
    params = {"state": state, "kind": kind, "limit": limit, "cursor": cursor}
    return JobPage.model_validate(await api.get("/v1/jobs", params))


async def cancel_job(api: ApiClient, job_id: UUID | str) -> JobRead:
    """Cancel a job; one that runs ends a little later."""
    return JobRead.model_validate(await api.post(f"/v1/jobs/{job_id}/cancel"))


async def watch_job(api: ApiClient, job_id: UUID | str) -> AsyncIterator[JobRead]:
    """Yield a job whenever it changes, its end last; a stream that breaks off or runs out is opened again."""
    job: JobRead | None = None
    while job is None or job.state not in ENDED:
        try:
            async for event in stream_events(api, f"/v1/jobs/{job_id}/events"):
                told = JobRead.model_validate(event.data)
                if told != job:
                    job = told
                    yield job
        except ApiInterrupted:
            await asyncio.sleep(1)


async def wait_for_job(api: ApiClient, job_id: UUID | str, *, seconds: float, pause_seconds: float = 0.5) -> JobRead:
    """Poll until a job has ended, and answer it. Errors: TimeoutError, with its state and why it waits."""
    until = monotonic() + seconds
    while (job := await get_job(api, job_id)).state not in ENDED:
        if monotonic() > until:
            raise TimeoutError(f"the job {job_id} is {job.state} after {seconds:.0f} s ({job.waiting_reason})")
        await asyncio.sleep(pause_seconds)
    return job


async def claim_jobs(
    api: ApiClient, worker: str, limit: int, *, hands: Sequence[str] | None = None, job_id: UUID | None = None
) -> list[ClaimedJob]:
    """Ask for work; also says that the worker lives. `hands` are the hands kinds it can do, none for all."""
    wish = {"worker": worker, "limit": limit, "hands": None if hands is None else list(hands)}
    wish["job_id"] = None if job_id is None else str(job_id)
    return Claimed.model_validate(await api.post("/v1/jobs/claim", wish)).data


async def heartbeat(api: ApiClient, job: ClaimedJob) -> LeaseState:
    """Keep a lease. Errors: ApiProblem `lease-lost`."""
    return LeaseState.model_validate(await api.post(f"/v1/jobs/{job.id}/heartbeat", _lease(job)))


async def run_step(api: ApiClient, job: ClaimedJob) -> StepDone:
    """Have the API do the next step of a set job. Errors: ApiProblem `lease-lost`."""
    return StepDone.model_validate(await api.post(f"/v1/jobs/{job.id}/steps", _lease(job)))


async def report_progress(
    api: ApiClient, job: ClaimedJob, progress: float | None, counts: Mapping[str, int] | None = None
) -> LeaseState:
    """Say how far hands have come. Errors: ApiProblem `lease-lost`."""
    body = {**_lease(job), "progress": progress, "counts": dict(counts or {})}
    return LeaseState.model_validate(await api.put(f"/v1/jobs/{job.id}/progress", body))


async def report_result(
    api: ApiClient, job: ClaimedJob, result: Mapping[str, Any], counts: Mapping[str, int] | None = None
) -> LeaseState:
    """End a job with its result. Errors: ApiProblem `lease-lost`."""
    body = {**_lease(job), "result": dict(result), "counts": dict(counts or {})}
    return LeaseState.model_validate(await api.put(f"/v1/jobs/{job.id}/result", body))


async def report_failure(api: ApiClient, job: ClaimedJob, reason: str, *, retry: bool) -> LeaseState:
    """End an attempt with a reason that holds no personal data. Errors: ApiProblem `lease-lost`."""
    body = {**_lease(job), "reason": reason[:1000], "retry": retry}
    return LeaseState.model_validate(await api.put(f"/v1/jobs/{job.id}/failure", body))


async def release_job(api: ApiClient, job: ClaimedJob) -> LeaseState:
    """Give a job back for another worker. Errors: ApiProblem `lease-lost`."""
    return LeaseState.model_validate(await api.post(f"/v1/jobs/{job.id}/release", _lease(job)))


def _lease(job: ClaimedJob) -> dict[str, Any]:
    return {"lease_id": str(job.lease_id)}
