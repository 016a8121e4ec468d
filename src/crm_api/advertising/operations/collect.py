"""Making an export: members range by range, and in the last step what has come and gone."""

from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.trail import emit, record
from ...customers.ranges import Range
from ...jobs.kinds import JobKind, Step
from ...jobs.models import Job
from .. import queries
from ..models import AdvertisingAudience, AdvertisingExport

EXPORT: Final = "advertising-export"
RANGE_SIZE: Final = 50_000
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def advertising_export(range_size: int = RANGE_SIZE) -> JobKind:
    """Make the kind of job that makes exports; a step looks at so many members."""
    return JobKind(EXPORT, "set", step=partial(_step, range_size), on_end=_end)


async def _step(range_size: int, session: AsyncSession, job: Job) -> Step:
    """Note the hashes of a range of members; the last step counts, and lets the export be read."""
    number = job.arguments["number"]
    audience = await session.get_one(AdvertisingAudience, UUID(job.arguments["audience_id"]))
    is_over = job.cursor is not None and job.cursor["after"] is None
    if audience.ended_at is not None or is_over:
        return await _finish(session, job, number)
    after = None if job.cursor is None else UUID(job.cursor["after"])
    size = max(range_size >> 2 * job.failure_count, 1)
    last: UUID | None = await session.scalar(queries.end_of_range(audience, after, size))
    read = (await session.scalars(queries.last_read(audience))).one()
    found = queries.found(audience, number, read, Range(after, last))
    await session.execute(found, execution_options=_UNSYNCHRONIZED)
    return Step(done=False, cursor={"after": None if last is None else str(last)})


async def _finish(session: AsyncSession, job: Job, number: int) -> Step:
    """Count, and let the export be read; whoever ends the audience does so before or after it."""
    audience_id = UUID(job.arguments["audience_id"])
    audience = await session.get_one(AdvertisingAudience, audience_id, with_for_update=True, populate_existing=True)
    if audience.ended_at is not None:
        await session.execute(queries.unwanted(audience, number), execution_options=_UNSYNCHRONIZED)
    await session.execute(queries.untold(audience, number), execution_options=_UNSYNCHRONIZED)
    additions, removals = (await session.execute(queries.counted(audience, number))).one()
    counts = {"addition_count": additions, "removal_count": removals}
    await _become(session, job, "ready", ready_at=now(), **counts)
    told = {"audience_id": str(audience.id), "number": number, **counts}
    record(session, job.created_by, "advertising-export.made", ("advertising_audience", audience.id), changes=told)
    emit(session, "advertising-export.ready", told)
    return Step(done=True, result=told)


async def _end(session: AsyncSession, job: Job) -> None:
    """After a job that failed or was cancelled there is nothing to read; the next export finds all of it again."""
    if job.state != "succeeded":
        await _become(session, job, "failed")


async def _become(session: AsyncSession, job: Job, status: str, **more: object) -> None:
    export = update(AdvertisingExport).where(
        AdvertisingExport.audience_id == UUID(job.arguments["audience_id"]),
        AdvertisingExport.number == job.arguments["number"],
    )
    await session.execute(export.values(status=status, **more), execution_options=_UNSYNCHRONIZED)
