"""What the holder of a lease reports: life, progress, result, failure, or that it gives the job back."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ..hints import tell_after_commit
from ..models import Job, JobAttempt
from ..problems import JobNotFound, LeaseLost, NotForHands
from ..schemas import FailureWish, ProgressWish, ResultWish
from . import endings
from .endings import Kinds, end


async def heartbeat(session: AsyncSession, kinds: Kinds, job_id: UUID, lease_id: UUID, lease: timedelta) -> Job:
    """Renew a lease, or end the job when it was cancelled. Errors: JobNotFound, LeaseLost."""
    job = await held(session, job_id, lease_id)
    if job.cancel_requested_at is not None:
        await end(session, kinds, job, "cancelled")
    else:
        job.leased_until = now() + lease
    return job


async def report_progress(
    session: AsyncSession, kinds: Kinds, job_id: UUID, wish: ProgressWish, lease: timedelta
) -> Job:
    """Note how far the work has come; a sign of life too. Errors: JobNotFound, LeaseLost, NotForHands."""
    job = await heartbeat(session, kinds, job_id, wish.lease_id, lease)
    _check_hands(job)
    if job.state == "running":
        job.progress, job.counts = wish.progress, dict(wish.counts)
    return job


async def report_result(session: AsyncSession, kinds: Kinds, job_id: UUID, wish: ResultWish) -> Job:
    """End a job with what came out; the same lease may report again and replaces what it said. A cancellation that
    came while the work was being finished came too late. Errors: JobNotFound, LeaseLost, NotForHands.
    """
    job = await _locked(session, job_id)
    _check_hands(job)
    if job.state == "succeeded" and await _was_last(session, job, wish.lease_id):
        job.result, job.counts = wish.result, dict(wish.counts)
        return job
    _check_lease(job, wish.lease_id)
    job.result, job.counts = wish.result, dict(wish.counts)
    await end(session, kinds, job, "succeeded")
    return job


async def report_failure(session: AsyncSession, kinds: Kinds, job_id: UUID, wish: FailureWish) -> Job:
    """Fail the attempt; saying it again changes nothing. Errors: JobNotFound, LeaseLost."""
    job = await _locked(session, job_id)
    if job.lease_id is None and await _was_last(session, job, wish.lease_id):
        return job
    _check_lease(job, wish.lease_id)
    await endings.fail_attempt(session, kinds, job, wish.reason, retry=wish.retry)
    return job


async def release(session: AsyncSession, kinds: Kinds, job_id: UUID, lease_id: UUID) -> Job:
    """Take a job back from a worker that goes away in order, and hint at it; saying it again changes nothing. Errors:
    JobNotFound, LeaseLost.
    """
    job = await _locked(session, job_id)
    if job.lease_id is None and await _was_last(session, job, lease_id):
        return job
    _check_lease(job, lease_id)
    if job.cancel_requested_at is not None:
        await end(session, kinds, job, "cancelled")
    else:
        await endings.release(session, job)
        tell_after_commit(session, job.id)
    return job


async def held(session: AsyncSession, job_id: UUID, lease_id: UUID) -> Job:
    """Lock the job that a lease is for. Errors: JobNotFound, LeaseLost."""
    job = await _locked(session, job_id)
    _check_lease(job, lease_id)
    return job


async def goes_on(session: AsyncSession, job_id: UUID, lease_id: UUID) -> bool:
    """Look whether the work under a lease goes on or was cancelled; locks nothing. Errors: LeaseLost."""
    look = select(Job.lease_id, Job.cancel_requested_at).where(Job.id == job_id)
    row = (await session.execute(look)).one_or_none()
    if row is None or row.lease_id != lease_id:
        raise LeaseLost("The job is not under this lease")
    return row.cancel_requested_at is None


async def ended_under(session: AsyncSession, job_id: UUID, lease_id: UUID) -> Job | None:
    """Answer a job that ended under this lease: its worker asks again, having missed the answer that said so."""
    job = await session.get(Job, job_id)
    return job if job is not None and job.lease_id is None and await _was_last(session, job, lease_id) else None


def _check_lease(job: Job, lease_id: UUID) -> None:
    if job.lease_id != lease_id:
        raise LeaseLost(f"The job is {job.state}, and not under this lease")


def _check_hands(job: Job) -> None:
    if job.nature != "hands":
        raise NotForHands(f"{job.kind} is a set kind")


async def _locked(session: AsyncSession, job_id: UUID) -> Job:
    job = await session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise JobNotFound(f"No job {job_id}")
    return job


async def _was_last(session: AsyncSession, job: Job, lease_id: UUID) -> bool:
    attempt = await session.get(JobAttempt, (job.id, job.attempt_count))
    return attempt is not None and attempt.lease_id == lease_id
