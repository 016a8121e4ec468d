"""HTTP of jobs, for the workers that do them."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize_once
from ..core.db import Session
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from . import operations
from .models import Job
from .problems import JobNotFound, LeaseLost, NoStepToRun, NotForHands, StepUnderWay
from .schemas import (
    Claimed,
    ClaimWish,
    FailureWish,
    Lease,
    LeaseState,
    ProgressWish,
    ResultWish,
    StepDone,
)

router = APIRouter(prefix="/v1/jobs", tags=["Workers"], route_class=Route)
CanWork = Annotated[Principal, Security(authorize_once, scopes=["jobs:work"])]
_HEARTBEATS_A_LEASE = 3
_LOST = problems(JobNotFound, LeaseLost)
_REFUSED = problems(JobNotFound, LeaseLost, NotForHands)


@router.post("/claim", summary="Ask for work", response_model=Claimed)
async def claim_jobs(request: Request, wish: ClaimWish, session: Session, who: CanWork) -> Response:
    """Lease jobs that are due, the longest waiting first; nobody else gets them until the lease ends. Ask every 2
    seconds, with `limit` 0 when there is enough to do: it also says that the worker lives, takes jobs back from workers
    that do not, and queues recurring work. Scope: `jobs:work`.
    """
    state = request.app.state
    lease = _lease(request)
    jobs = await operations.claim(session, state.job_kinds, wish, lease)
    return answer({"data": [_claimed(job, lease) for job in jobs]})


@router.post("/{job_id:uuid}/heartbeat", summary="Keep a lease", response_model=LeaseState, responses=_LOST)
async def keep_lease(request: Request, job_id: UUID, lease: Lease, session: Session, who: CanWork) -> Response:
    """Say that the work goes on. When the job was cancelled it ends here, and the answer says so. Scope:
    `jobs:work`.
    """
    kinds = request.app.state.job_kinds
    return _lease_state(await operations.heartbeat(session, kinds, job_id, lease.lease_id, _lease(request)))


@router.post(
    "/{job_id:uuid}/steps",
    summary="Run the next step of a set job",
    response_model=StepDone,
    responses=problems(JobNotFound, LeaseLost, StepUnderWay, NoStepToRun),
)
async def run_job_step(request: Request, job_id: UUID, lease: Lease, session: Session, who: CanWork) -> Response:
    """Have the API do the next bounded part of a set job, within 30 seconds; the lease is renewed by it. Repeat until
    `done`. A step that fails is undone, and the job is queued again or has failed: `state` says which. Scope:
    `jobs:work`.
    """
    job = await operations.run_step(session, request.app.state.job_kinds, job_id, lease.lease_id, _lease(request))
    done = job.state != "running"
    return answer({"done": done, "state": job.state, "progress": job.progress, "counts": job.counts})


@router.put("/{job_id:uuid}/progress", summary="Report progress", response_model=LeaseState, responses=_REFUSED)
async def report_job_progress(
    request: Request, job_id: UUID, wish: ProgressWish, session: Session, who: CanWork
) -> Response:
    """Say how far the work of hands has come; keeps the lease too. Scope: `jobs:work`."""
    kinds = request.app.state.job_kinds
    return _lease_state(await operations.report_progress(session, kinds, job_id, wish, _lease(request)))


@router.put("/{job_id:uuid}/result", summary="Report the result", response_model=LeaseState, responses=_REFUSED)
async def report_job_result(
    request: Request, job_id: UUID, wish: ResultWish, session: Session, who: CanWork
) -> Response:
    """End the job with its result. A repeat under the same lease replaces it. Scope: `jobs:work`."""
    return _lease_state(await operations.report_result(session, request.app.state.job_kinds, job_id, wish))


@router.put("/{job_id:uuid}/failure", summary="Report a failure", response_model=LeaseState, responses=_LOST)
async def report_job_failure(
    request: Request, job_id: UUID, wish: FailureWish, session: Session, who: CanWork
) -> Response:
    """End this attempt with a reason. With `retry` the job is queued again after a pause that doubles each time, as
    long as its kind allows further attempts. Scope: `jobs:work`.
    """
    return _lease_state(await operations.report_failure(session, request.app.state.job_kinds, job_id, wish))


@router.post("/{job_id:uuid}/release", summary="Give a job back", response_model=LeaseState, responses=_LOST)
async def release_job(request: Request, job_id: UUID, lease: Lease, session: Session, who: CanWork) -> Response:
    """Queue the job again for another worker, because this one is going away; it does not count as a failure. Scope:
    `jobs:work`.
    """
    return _lease_state(await operations.release(session, request.app.state.job_kinds, job_id, lease.lease_id))


def _lease(request: Request) -> timedelta:
    return timedelta(seconds=request.app.state.settings.lease_seconds)


def _lease_state(job: Job) -> Response:
    cancelled = job.cancel_requested_at is not None and job.state != "succeeded"
    return answer({"state": job.state, "cancel_requested": cancelled, "leased_until": job.leased_until})


def _claimed(job: Job, lease: timedelta) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "nature": job.nature,
        "arguments": job.arguments,
        "attempt": job.attempt_count,
        "created_by": job.created_by,
        "lease_id": job.lease_id,
        "leased_until": job.leased_until,
        "heartbeat_seconds": lease.total_seconds() / _HEARTBEATS_A_LEASE,
    }
