"""Comparing all members of a segment with what it means, once a day: the difference should be nothing, and is mended.

Members are kept right from one write to the next (live.py). Should something be missed there, this finds it, says how
many customers it was about, and brings them to what the segment means. Whoever waits to be looked at is left out.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Moment, condition
from ...audience.problems import audience_at
from ...core.clock import now
from ...core.trail import emit, record
from ...customers.catalog import LivingCatalog, with_custom_fields
from ...customers.ranges import Range, end_of_range
from ...jobs.kinds import Due, JobKind, Step
from ...jobs.models import Job
from .. import live_queries, queries
from ..models import Segment
from .live import write_moves
from .watching import meaning

CHECK: Final = "segment-check"
_EVERY: Final = timedelta(days=1)
_RANGE: Final = 50_000
log = structlog.get_logger()


def segment_check(catalog: LivingCatalog, zone: ZoneInfo, range_size: int = _RANGE) -> JobKind:
    """Make the kind of job that checks a segment; a step looks at so many customers."""
    step = partial(_step, catalog, zone, range_size)
    return JobKind(CHECK, "set", step=step, due=_due, kept=timedelta(days=7))


async def _due(session: AsyncSession) -> Sequence[Due]:
    """Ask for the check of the segments that were not checked, or built, for a day."""
    ids = await session.scalars(live_queries.UNCHECKED, {"at": now() - _EVERY})
    return [Due({"segment_id": str(id)}, singleton_key=f"{CHECK}:{id}") for id in ids]


async def _step(catalog: LivingCatalog, zone: ZoneInfo, range_size: int, session: AsyncSession, job: Job) -> Step:
    """Compare one range of customers; the last step says what was found."""
    segment_id = UUID(job.arguments["segment_id"])
    segment = await session.get_one(Segment, segment_id, with_for_update=True, populate_existing=True)
    moment = Moment(now(), zone)
    is_due = segment.due_at is not None and segment.due_at <= moment.now
    if segment.status != "built" or segment.archived_at is not None or is_due:
        return Step(done=True, result={"segment_id": str(segment_id), "drift": None})  # a build looks at everybody
    after = UUID(job.cursor["after"]) if job.cursor else None
    last: UUID | None = await session.scalar(end_of_range(after, range_size))
    part = Range(after, last)
    tree = await meaning(session, segment_id, segment.built_version)
    with audience_at("/definition"):
        meant = condition(tree, await with_custom_fields(session, catalog), moment)
    found = (await session.execute(queries.difference(segment_id, segment.current_build, meant, part))).one()
    entering, leaving = set(found.entering or ()), set(found.leaving or ())
    told = {"segment_id": segment_id, "at": moment.now, "customer_ids": list(entering | leaving)}
    awaited = set(await session.scalars(live_queries.AWAITED, told)) if told["customer_ids"] else set()
    entering, leaving = entering - awaited, leaving - awaited
    await write_moves(session, segment, sorted(entering), sorted(leaving), moment)
    counts = {"drift": len(entering) + len(leaving)}
    if last is not None:
        return Step(done=False, cursor={"after": str(last)}, counts=counts)
    drift = job.counts.get("drift", 0) + counts["drift"]
    await session.execute(
        update(Segment).where(Segment.id == segment_id).values(checked_at=moment.now, drift_count=drift)
    )
    if drift:
        log.warning("segment_drifted", segment_id=str(segment_id), customers=drift)
        record(session, job.created_by, "segment.drifted", ("segment", segment_id), changes={"customers": drift})
        emit(session, "segment.drifted", {"id": str(segment_id), "customers": drift})
    return Step(done=True, counts=counts, result={"segment_id": str(segment_id), "drift": drift})
