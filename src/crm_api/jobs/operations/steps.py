"""Run the next step of a set job: its work and its cursor are one transaction, so that a kill costs one step."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.problems import Problem
from ...core.trail import savepoint
from ..kinds import STEP_SECONDS, JobKind, RunStep, Step
from ..models import Job
from ..problems import JobNotFound, LeaseLost, NoStepToRun, StepUnderWay
from ..rules import added
from .endings import Kinds, end, explained, fail_attempt, traceable
from .leases import ended_under, held

log = structlog.get_logger()


async def run_step(session: AsyncSession, kinds: Kinds, job_id: UUID, lease_id: UUID, lease: timedelta) -> Job:
    """Run one step and answer the job after it, which has ended or is queued again when the step failed.

    The row is not locked while the step runs, so that heartbeats and cancellations never wait for it: the cursor is
    moved at the end and only under the same lease, else all of the step is undone.
    Errors: JobNotFound, LeaseLost, StepUnderWay, NoStepToRun.
    """
    await _one_at_a_time(session, job_id)
    if (ended := await ended_under(session, job_id, lease_id)) is not None:
        return ended
    job = await session.get(Job, job_id)
    if job is None:
        raise JobNotFound(f"No job {job_id}")
    if job.lease_id != lease_id:
        raise LeaseLost(f"The job is {job.state}, and not under this lease")
    if job.cancel_requested_at is not None:
        job = await held(session, job_id, lease_id)
        await end(session, kinds, job, "cancelled")
        return job
    session.expunge(job)  # what a step does to its copy changes nothing
    return await _attempt_step(session, kinds, job, lease_id, lease)


async def _one_at_a_time(session: AsyncSession, job_id: UUID) -> None:
    key = int.from_bytes(job_id.bytes[8:], "big", signed=True)
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(key))):
        raise StepUnderWay("A step of this job has not ended", headers={"Retry-After": "1"})


async def _attempt_step(session: AsyncSession, kinds: Kinds, job: Job, lease_id: UUID, lease: timedelta) -> Job:
    run = _step_of(kinds.get(job.kind), job)
    try:
        async with savepoint(session):
            await session.execute(select(func.set_config("statement_timeout", f"{STEP_SECONDS}s", True)))
            step = await run(session, job)
            moved = await _move_cursor(session, job, step, lease_id, lease)
    except LeaseLost:
        raise
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        problem, reason = error if isinstance(error, Problem) else None, explained(error)
        log.error("step_failed", job=str(job.id), kind=job.kind, error=reason, exc_info=traceable(error))
        job = await held(session, job.id, lease_id)
        await fail_attempt(session, kinds, job, reason, retry=problem is None, problem=problem)
        return job
    if step.done:
        moved.result = step.result
        await end(session, kinds, moved, "succeeded")
    return moved


def _step_of(kind: JobKind | None, job: Job) -> RunStep:
    if job.nature != "set":
        raise NoStepToRun(f"{job.kind} is done by hands")
    if kind is None or kind.step is None:
        return _unknown
    return kind.step


async def _unknown(_session: AsyncSession, job: Job) -> Step:
    raise NoStepToRun(f"This version of the service knows no kind {job.kind}")


async def _move_cursor(session: AsyncSession, job: Job, step: Step, lease_id: UUID, lease: timedelta) -> Job:
    values = {
        "cursor": step.cursor,
        "progress": step.progress,
        "counts": added(job.counts, step.counts),
        "leased_until": now() + lease,
    }
    moved = update(Job).where(Job.id == job.id, Job.lease_id == lease_id).values(values).returning(Job)
    after = await session.scalar(moved, execution_options={"synchronize_session": False, "populate_existing": True})
    if after is None:
        raise LeaseLost("The lease ended while the step ran, and the step was undone")
    return after
