"""Keeping members right between builds: whoever changed is looked at again, for the segments that depend on it.

Marks (core.changes) become stale memberships, a few customers for each segment that depends on their topic, and those
who live with them where it asks the members of households; they are brought to what the segment means, with an event
each. So are memberships whose window of hours or minutes moved on. Whatever concerns everybody, or too many, becomes a
build: scores were published, a day has begun. A segment that is being built is left alone until then; what changed
meanwhile waits.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Moment, condition
from ...audience.problems import InvalidAudience, audience_at
from ...core.changes import mark
from ...core.clock import now
from ...core.trail import emit, savepoint
from ...customers.catalog import LivingCatalog, with_custom_fields
from ...jobs.kinds import Due, JobKind, Step
from ...jobs.models import Job
from .. import live_queries, queries
from ..models import Segment
from .build import refresh
from .watching import meaning, note_windows

LIVE: Final = "segment-live"
MOST_AT_ONCE: Final = 10_000
"""Customers of one segment that are looked at by themselves; more are a build."""
_MARKS_IN_A_STEP: Final = 20_000
_TOO_LONG: Final = "57014"  # query_canceled, which is what the end of statement_timeout is told as
log = structlog.get_logger()


def live_segments(catalog: LivingCatalog, build: JobKind, zone: ZoneInfo, most: int = MOST_AT_ONCE) -> JobKind:
    """Make the kind of job that keeps members right."""
    step = partial(_step, catalog, build, zone, most)
    return JobKind(LIVE, "set", step=step, due=_due, kept=timedelta(hours=1))


async def _due(session: AsyncSession) -> Sequence[Due]:
    is_due = await session.scalar(live_queries.IS_ANYTHING_DUE, {"at": now()})
    return [Due(singleton_key=LIVE)] if is_due else []


async def _step(
    catalog: LivingCatalog, build: JobKind, zone: ZoneInfo, most: int, session: AsyncSession, job: Job
) -> Step:
    """Take what was marked and what is due, and look at some of it; done when nothing is left."""
    moment = Moment(now(), zone)
    taken = await _take_marks(session)
    await session.execute(live_queries.DUE_BECOMES_STALE, {"at": moment.now})
    for segment_id in await session.scalars(live_queries.DUE_SEGMENTS, {"at": moment.now}):
        await refresh(session, build, segment_id, moment, by=job.created_by)
    entered = left = seen = 0
    stale = (await session.execute(live_queries.STALE)).all()
    for segment_id in [segment_id for segment_id, count in stale if count > most]:
        await session.execute(live_queries.FORGET_STALE, {"segment_id": segment_id})
        await refresh(session, build, segment_id, moment, by=job.created_by)
    # Jobs come before segments, as when a job ends, so that nobody waits in a circle.
    for segment_id in [segment_id for segment_id, count in stale if count <= most]:
        entering, leaving, looked_at = await _follow(session, catalog, segment_id, moment)
        entered, left, seen = entered + entering, left + leaving, seen + looked_at
    counts = {"marks": taken, "looked_at": seen, "entered": entered, "left": left}
    # Whoever moved may be asked for by other segments; the marks of it are written when this step ends.
    is_still = entered + left == 0
    is_over = is_still and not await session.scalar(live_queries.IS_ANYTHING_DUE, {"at": moment.now})
    return Step(done=is_over, counts=counts)


async def _take_marks(session: AsyncSession) -> int:
    """Turn marks into what is to be looked at; answers how many there were."""
    marks = (await session.execute(live_queries.TAKE_MARKS, {"limit": _MARKS_IN_A_STEP})).all()
    alone = [each for each in marks if each.customer_id is not None]
    if alone:
        told = {"topics": [each.topic for each in alone], "customer_ids": [each.customer_id for each in alone]}
        await session.execute(live_queries.MARKS_BECOME_STALE, told)
        await session.execute(live_queries.MARKS_OF_MEMBERS_BECOME_STALE, told)
    if everybody := {each.topic for each in marks if each.customer_id is None}:
        await session.execute(live_queries.SEGMENTS_ARE_DUE, {"topics": list(everybody), "at": now()})
    return len(marks)


async def _follow(
    session: AsyncSession, catalog: LivingCatalog, segment_id: UUID, moment: Moment
) -> tuple[int, int, int]:
    """Look again, as `_look_again` does; a segment of which that is refused, or takes too long, is built instead, so
    that it hinders no other, and its build says what is wrong.
    """
    try:
        async with savepoint(session):
            return await _look_again(session, catalog, segment_id, moment)
    except (InvalidAudience, DBAPIError) as error:
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) != _TOO_LONG:
            raise
        log.warning("segment_not_followed", segment_id=str(segment_id), reason=type(error).__name__)
    await session.execute(live_queries.FORGET_STALE, {"segment_id": segment_id})
    await session.execute(live_queries.SEGMENT_IS_DUE, {"segment_id": segment_id, "at": moment.now})
    return 0, 0, 0


async def _look_again(
    session: AsyncSession, catalog: LivingCatalog, segment_id: UUID, moment: Moment
) -> tuple[int, int, int]:
    """Bring some customers of a segment to what it means; answers how many entered, left and were looked at."""
    segment = await session.get_one(Segment, segment_id, with_for_update=True, populate_existing=True)
    if segment.status != "built" or segment.archived_at is not None:
        return 0, 0, 0  # it was asked to be built a moment ago
    ids = list(await session.scalars(live_queries.TAKE_STALE, {"segment_id": segment_id}))
    tree = await meaning(session, segment_id, segment.built_version)
    with audience_at("/definition"):
        meant = condition(tree, await with_custom_fields(session, catalog), moment)
    found = await session.execute(queries.difference(segment_id, segment.current_build, meant, queries.Some(ids)))
    entering, leaving = (list(each or ()) for each in found.one())
    await write_moves(session, segment, entering, leaving, moment)
    await note_windows(session, segment_id, tree, queries.Some(ids), moment)
    return len(entering), len(leaving), len(ids)


async def write_moves(
    session: AsyncSession, segment: Segment, entering: Sequence[UUID], leaving: Sequence[UUID], moment: Moment
) -> None:
    """Let customers in and out at once: as a build of its own that is published in the same transaction."""
    if not entering and not leaving:
        return
    following = segment.current_build + 1
    if entering:
        await session.execute(queries.entries(segment.id, following, entering, moment.now))
    if leaving:
        exits = queries.exits(segment.id, following, leaving, moment.now)
        await session.execute(exits, execution_options={"synchronize_session": False})
    segment.current_build = following
    segment.member_count = (segment.member_count or 0) + len(entering) - len(leaving)
    segment.changed_at = moment.now
    for what, customer_ids in (("entered", entering), ("exited", leaving)):
        for customer_id in customer_ids:
            told = {"id": str(segment.id), "customer_id": str(customer_id), "at": moment.now, "build": following}
            emit(session, f"segment.{what}", told, customer_id=customer_id)
    mark(session, f"segment:{segment.id}", {*entering, *leaving})
