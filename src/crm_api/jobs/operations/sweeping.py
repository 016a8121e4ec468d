"""What every tick of a worker puts in order: lost leases, recurring work, rows that have served their time."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Delete, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from ...core.clock import now
from ...core.idempotency import IdempotencyRecord
from ...core.trail import savepoint
from .. import queries
from ..kinds import JobKind
from ..models import Job, WorkerSeen
from .endings import Kinds, explained, fail_attempt, traceable
from .queueing import enqueue

BY_ITSELF: Final = "crm-api"
"""Who wanted the jobs that fell due."""
_SWEEPING: Final = 0x4A4F4253  # advisory lock: one worker's tick sweeps, the others go on to their claim
_MOST_LEASES: Final = 100
_MOST_ROWS: Final = 5_000
_SILENT_WORKER_KEPT: Final = timedelta(days=1)
log = structlog.get_logger()


async def sweep(session: AsyncSession, kinds: Kinds) -> None:
    """Put the queue in order, unless another tick is doing so; each part is bounded."""
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_SWEEPING))):
        return
    at = now()
    for job in (await session.scalars(queries.abandoned(at, _MOST_LEASES))).all():
        await _take_back(session, kinds, job)
    for kind in kinds.values():
        if kind.due is not None:
            await _queue_due(session, kind)
    await session.execute(_expired(IdempotencyRecord.key_hash, IdempotencyRecord.expires_at, at))
    await session.execute(_expired(Job.id, Job.expires_at, at))
    await session.execute(_expired(WorkerSeen.worker, WorkerSeen.seen_at, at - _SILENT_WORKER_KEPT))


async def _take_back(session: AsyncSession, kinds: Kinds, job: Job) -> None:
    """Queue a job again whose worker fell silent. One that cannot be ended must not keep the others from it."""
    name = str(job.id)
    try:
        async with savepoint(session):
            reason = f"the worker {job.leased_by} gave no sign of life until {job.leased_until:%H:%M:%S} UTC"
            await fail_attempt(session, kinds, job, reason, outcome="lease-expired")
            await session.flush()
    except Exception as error:
        log.error("job_not_taken_back", job=name, error=explained(error), exc_info=traceable(error))


async def _queue_due(session: AsyncSession, kind: JobKind) -> None:
    """Queue what a kind says is due. One kind that fails at this must not stop all work."""
    assert kind.due is not None  # noqa: S101  # the caller looked
    try:
        async with savepoint(session):
            for due in await kind.due(session):
                await enqueue(session, kind, due.arguments, by=BY_ITSELF, singleton_key=due.singleton_key)
    except Exception as error:
        log.error("due_jobs_not_asked", kind=kind.name, error=explained(error), exc_info=traceable(error))


def _expired(key: InstrumentedAttribute[object], time: InstrumentedAttribute[object], at: datetime) -> Delete:
    chosen = select(key).where(time < at).limit(_MOST_ROWS).with_for_update(skip_locked=True)
    return delete(key.class_).where(key.in_(chosen)).execution_options(synchronize_session=False)
