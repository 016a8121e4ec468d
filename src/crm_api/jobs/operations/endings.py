"""The ways in which an attempt, and with it perhaps the job, comes to its end; the caller locked the job's row."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.metrics import count
from ...core.problems import Problem
from ..kinds import STEP_SECONDS, JobKind
from ..metrics import ENDED, FAILED_ATTEMPTS
from ..models import Job, JobAttempt
from ..problems import JobFailed
from ..rules import pause_before_retry

Kinds = Mapping[str, JobKind]
Failure = Literal["failed", "lease-expired"]
_KEPT: Final = timedelta(days=30)
_QUERY_CANCELED: Final = "57014"


async def end(
    session: AsyncSession, kinds: Kinds, job: Job, state: Literal["succeeded", "failed", "cancelled"]
) -> None:
    """End a job for good, and let its kind clear up in the same transaction."""
    kind = kinds.get(job.kind)
    await _close_attempt(session, job, state)
    job.state, job.finished_at = state, now()
    job.expires_at = job.finished_at + (_KEPT if kind is None else kind.kept)
    job.lease_id = job.leased_by = job.leased_until = None
    if state == "succeeded":
        job.progress = 1.0
    count(session, ENDED, job.kind, state)
    await session.flush()
    if kind is not None and kind.on_end is not None:
        await kind.on_end(session, job)


async def release(session: AsyncSession, job: Job) -> None:
    """Queue a running job again without counting a failure; the next worker goes on at its cursor."""
    await _close_attempt(session, job, "released")
    _queue_again(job, timedelta(0))


async def fail_attempt(
    session: AsyncSession,
    kinds: Kinds,
    job: Job,
    reason: str,
    *,
    outcome: Failure = "failed",
    retry: bool = True,
    problem: Problem | None = None,
) -> None:
    """Count a failed attempt of a running job: it is tried again, or has failed for good, with `problem` if one is
    given.
    """
    await _close_attempt(session, job, outcome, reason)
    job.failure_count += 1
    count(session, FAILED_ATTEMPTS, job.kind, outcome)
    if job.cancel_requested_at is not None:
        await end(session, kinds, job, "cancelled")
    elif retry and job.failure_count < job.most_attempts:
        # That a worker died is no fault of the job's: another may go on at once.
        died = outcome == "lease-expired"
        _queue_again(job, timedelta(0) if died else pause_before_retry(job.failure_count))
    else:
        told = problem or JobFailed(f"Attempt {job.attempt_count} was the last one: {reason}")
        job.problem = told.document(f"/v1/jobs/{job.id}")
        await end(session, kinds, job, "failed")


def explained(error: Exception) -> str:
    """Say why work failed, without the values an error may quote."""
    if isinstance(error, Problem):
        return error.code
    state = _sqlstate(error)
    if state == _QUERY_CANCELED:
        return f"a statement took longer than {STEP_SECONDS} s"
    return type(error).__name__ + (f" (SQLSTATE {state})" if state else "")


def traceable(error: Exception) -> Exception | None:
    """Answer an error whose traceback may be logged: not one whose text quotes what was stored or sent."""
    return None if isinstance(error, Problem) or _sqlstate(error) else error


def _sqlstate(error: Exception) -> str | None:
    """Read the code of PostgreSQL from an error of SQLAlchemy's or of the driver's own."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)


def _queue_again(job: Job, pause: timedelta) -> None:
    job.state, job.run_after = "queued", now() + pause
    job.lease_id = job.leased_by = job.leased_until = None


async def _close_attempt(session: AsyncSession, job: Job, outcome: str, reason: str | None = None) -> None:
    attempt = await session.get(JobAttempt, (job.id, job.attempt_count))
    if attempt is not None and attempt.ended_at is None:
        attempt.ended_at, attempt.outcome, attempt.reason = now(), outcome, reason
