"""Cancel a job: at once while it waits, at its worker's next sign of life while it runs."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.trail import record
from ..models import Job
from ..problems import JobEnded, JobNotFound
from .endings import Kinds, end


async def cancel(session: AsyncSession, kinds: Kinds, job_id: UUID, *, by: str) -> None:
    """Cancel a job; cancelling it again changes nothing. Errors: JobNotFound, JobEnded."""
    job = await session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise JobNotFound(f"No job {job_id}")
    if job.state in ("succeeded", "failed"):
        raise JobEnded(f"It {job.state} at {job.finished_at:%Y-%m-%dT%H:%M:%SZ}")
    if job.cancel_requested_at is not None:
        return
    job.cancel_requested_at = now()
    if job.state == "queued":
        await end(session, kinds, job, "cancelled")
    record(session, by, "job.cancelled", ("job", job.id))
