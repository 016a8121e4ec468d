"""Give jobs to a worker that asks, each to one only."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.ids import new_id
from .. import queries
from ..models import Job, JobAttempt, WorkerSeen
from ..schemas import ClaimWish
from .endings import Kinds
from .sweeping import sweep


async def claim(session: AsyncSession, kinds: Kinds, wish: ClaimWish, lease: timedelta) -> Sequence[Job]:
    """Note that the worker lives, tidy the queue, and lease the jobs that waited longest.

    Rows that another worker is looking at are skipped, so that no two get the same job and none waits.
    """
    await _note_life(session, wish.worker, now())
    if wish.job_id is None:
        await sweep(session, kinds)
    at = now()
    jobs = (await session.scalars(queries.claimable(at, wish.hands, wish.job_id, wish.limit))).all()
    for job in jobs:
        _lease(session, job, wish.worker, at, lease)
    await session.flush()
    return jobs


def _lease(session: AsyncSession, job: Job, worker: str, at: datetime, lease: timedelta) -> None:
    job.state = "running"
    job.lease_id, job.leased_by, job.leased_until = new_id(), worker, at + lease
    job.started_at = job.started_at or at
    job.attempt_count += 1
    session.add(
        JobAttempt(job_id=job.id, number=job.attempt_count, worker=worker, lease_id=job.lease_id, started_at=at)
    )


async def _note_life(session: AsyncSession, worker: str, at: datetime) -> None:
    row = insert(WorkerSeen).values(worker=worker, seen_at=at)
    await session.execute(row.on_conflict_do_update(index_elements=["worker"], set_={"seen_at": row.excluded.seen_at}))
