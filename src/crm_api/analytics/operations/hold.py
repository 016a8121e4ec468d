"""Take a run for one change, as the worker that has its job."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...jobs.operations.leases import goes_on, held
from ..models import AnalyticsRun
from ..problems import RunNotFound, RunNotOpen
from ..rules import OPEN


async def find(session: AsyncSession, run_id: UUID) -> AnalyticsRun:
    """Look at a run. Errors: RunNotFound."""
    run = await session.get(AnalyticsRun, run_id)
    if run is None:
        raise RunNotFound(f"No run {run_id}")
    return run


async def look(session: AsyncSession, run: AnalyticsRun, lease_id: UUID) -> None:
    """See whether a change has a chance, before its work; `take` decides. Errors: LeaseLost, RunNotOpen."""
    check_open(run)
    if not await goes_on(session, run.job_id, lease_id):
        raise RunNotOpen("Somebody cancelled it")


async def take(session: AsyncSession, run: AnalyticsRun, lease_id: UUID) -> None:
    """Lock a run that is open and whose job is under this lease: the job first, as whoever ends a job does.

    Errors: LeaseLost, RunNotOpen.
    """
    check_open(run)
    job = await held(session, run.job_id, lease_id)
    if job.cancel_requested_at is not None:
        raise RunNotOpen("Somebody cancelled it")
    await session.refresh(run, with_for_update={"key_share": True})  # parts that refer to it hold its key
    check_open(run)


def check_open(run: AnalyticsRun) -> None:
    """Errors: RunNotOpen."""
    if run.state not in OPEN:
        raise RunNotOpen(f"It is {run.state} since {run.finished_at:%Y-%m-%dT%H:%M:%SZ}")
