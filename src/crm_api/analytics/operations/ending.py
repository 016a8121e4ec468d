"""What becomes of a run when its job ends without having published it."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.trail import record
from ...jobs.kinds import JobKind
from ...jobs.models import Job
from ..models import AnalyticsRun
from ..problems import NotPublished
from ..rules import OPEN


async def end_run(session: AsyncSession, job: Job) -> None:
    """Close the run of a job that has ended, in the same transaction; a published one stays what it is."""
    run = await session.get(AnalyticsRun, UUID(job.arguments["run_id"]), with_for_update=True, populate_existing=True)
    if run is None or run.state not in OPEN:
        return
    run.state = "cancelled" if job.state == "cancelled" else "failed"
    run.finished_at = now()
    if run.state == "failed":
        run.problem = job.problem or NotPublished().document(f"/v1/analytics/runs/{run.id}")
    changes = {"state": run.state}
    record(session, job.leased_by or job.created_by, "analytics.run_ended", ("analytics_run", run.id), changes=changes)


RUN: Final = JobKind("analytics-run", "hands", on_end=end_run)
