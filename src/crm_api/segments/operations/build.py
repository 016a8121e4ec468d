"""Building a segment: range by range, seen by nobody until the last step publishes all of it at once."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, case, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Moment, condition, next_move
from ...audience.problems import audience_at
from ...core.changes import mark_everybody
from ...core.clock import now, written
from ...core.db import driver
from ...core.read import Reader
from ...core.trail import emit, record
from ...core.watermark import have_ended
from ...customers.catalog import LivingCatalog, with_custom_fields
from ...customers.models import Customer
from ...customers.ranges import Range, end_of_range
from ...jobs.kinds import JobKind, Step
from ...jobs.models import Job
from ...jobs.operations import enqueue
from .. import queries
from ..models import Segment
from ..problems import SegmentArchived, SegmentNotFound
from ..rules import next_size, references, topics_of
from .watching import keep_watching, meaning, note_windows, watch

BUILD: Final = "segment-build"
RANGE_SIZE: Final = 250_000
FIRST_SIZE: Final = 25_000
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def segment_build(catalog: LivingCatalog, range_size: int = RANGE_SIZE) -> JobKind:
    """Make the kind of job that builds segments; a step looks at so many customers."""
    return JobKind(BUILD, "set", step=partial(_step, catalog, range_size), on_end=_end)


async def request_build(session: AsyncSession, who: Principal, kind: JobKind, segment_id: UUID, zone: ZoneInfo) -> Job:
    """Queue a build of the segment as it is defined now, after those it refers to that were never built; while one is
    under way, that one is answered.

    The job's row is locked before the segment's, as it is when a job ends, and the segment's only for a new job.
    Errors: SegmentNotFound, SegmentArchived.
    """
    segment = await session.get(Segment, segment_id)
    if segment is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    if segment.archived_at is not None:
        raise SegmentArchived(f"{segment.name} was archived")
    moment = Moment(now(), zone)
    for other in await _unbuilt_references(session, segment):
        await _enqueue(session, kind, other, other.definition_version, moment, by=who.client_id)
    return await _enqueue(session, kind, segment, segment.definition_version, moment, by=who.client_id)


async def _unbuilt_references(session: AsyncSession, segment: Segment) -> list[Segment]:
    """Answer the segments that one refers to, over however many others, and that were never built: those that refer to
    none of the others first. Once they are published, the segments that refer to them are looked at again.
    """
    found: dict[UUID, Segment] = {}
    waiting = [segment]
    for each in waiting:
        tree = await meaning(session, each.id, each.definition_version)
        for _, other_id in references(tree):
            other = await session.get_one(Segment, other_id)
            if other.status == "draft" and other.archived_at is None:
                found.pop(other_id, None)
                found[other_id] = other
                waiting.append(other)
    return list(reversed(found.values()))


async def refresh(session: AsyncSession, kind: JobKind, segment_id: UUID, moment: Moment, *, by: str) -> None:
    """Queue a build of what is published, since too much has changed to look at it one by one."""
    segment = await session.get_one(Segment, segment_id, populate_existing=True)
    if segment.built_version is not None and segment.status == "built":
        await _enqueue(session, kind, segment, segment.built_version, moment, by=by)


async def _enqueue(
    session: AsyncSession, kind: JobKind, segment: Segment, version: int, moment: Moment, *, by: str
) -> Job:
    arguments = {
        "segment_id": str(segment.id),
        "definition_version": version,
        "as_of": written(moment.now),
        "time_zone": moment.zone.key,
    }
    job = await enqueue(session, kind, arguments, by=by, singleton_key=f"{BUILD}:{segment.id}")
    begun = (
        update(Segment)
        .where(Segment.id == segment.id, Segment.job_id.is_distinct_from(job.id))
        .values(job_id=job.id, status="building", due_at=None, version=Segment.version + 1, updated_at=now())
    )
    if segment.job_id != job.id and await session.scalar(begun.returning(Segment.id)) is not None:
        record(session, by, "segment.build-requested", ("segment", segment.id), changes={"job": str(job.id)})
    return job


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all steps of one build share, and how far it is: what a step leaves in the job's cursor for the next."""

    segment_id: UUID
    definition_version: int
    moment: Moment
    before: int
    """The published build that this one follows."""
    customer_count: int
    size: int
    """Customers to look at in a step."""
    seen: int = 0
    after: UUID | None = None

    @property
    def build(self) -> int:
        return self.before + 1

    @property
    def progress(self) -> float:
        return min(self.seen / max(self.customer_count, 1), 0.99)

    def cursor(self, **more: Any) -> dict[str, Any]:
        """Write what changes from step to step."""
        after = None if self.after is None else str(self.after)
        told = {"before": self.before, "customer_count": self.customer_count, "size": self.size, "seen": self.seen}
        return {**told, "after": after, **more}


async def _step(catalog: LivingCatalog, range_size: int, session: AsyncSession, job: Job) -> Step:
    """Bring one range of customers to what the audience says; the last step publishes, and does nothing else.

    Before the first range, whatever the audience depends on is watched, and writes that know nothing of it have ended.
    A range that took too long is tried again as a smaller one, and the next range follows the time of the last.
    """
    if (waiting := await _waiting(session, job, catalog)) is not None:
        return Step(done=False, cursor=waiting)
    plan = await _plan(session, job, range_size)
    if job.cursor is not None and "members" in job.cursor:
        return Step(done=True, result=await _publish(session, job, plan, catalog, job.cursor["members"]))
    began = time.monotonic()
    size = max(plan.size >> 2 * job.failure_count, 1)
    last: UUID | None = await session.scalar(end_of_range(plan.after, size))
    entered, left = await _bring_up(session, plan, Range(plan.after, last), catalog)
    counts = {"entered": entered, "left": left}
    if last is None:
        members = (await session.scalars(queries.member_count(plan.segment_id, plan.build))).one()
        return Step(done=False, cursor=plan.cursor(members=members), progress=0.99, counts=counts)
    wanted = next_size(size, time.monotonic() - began, range_size)
    following = replace(plan, after=last, seen=plan.seen + size, size=wanted)
    return Step(done=False, cursor=following.cursor(), progress=following.progress, counts=counts)


async def _waiting(session: AsyncSession, job: Job, catalog: LivingCatalog) -> dict[str, Any] | None:
    """Watch what the audience depends on; answers the cursor to come back with while older writes are under way."""
    if job.cursor is None:
        segment_id, version = UUID(job.arguments["segment_id"]), job.arguments["definition_version"]
        tree = await meaning(session, segment_id, version)
        topics = topics_of(tree, await with_custom_fields(session, catalog))
        return {"unaware_before": None} if await watch(session, segment_id, topics) else None
    if "unaware_before" not in job.cursor:
        return None
    told = job.cursor["unaware_before"]
    # This transaction began after the watch was committed, and so do all that begin after it.
    before = datetime.fromisoformat(told) if told else (await session.scalars(select(func.now()))).one()
    if await have_ended(Reader(await driver(session)), before):
        return None
    return {"unaware_before": written(before)}


async def _plan(session: AsyncSession, job: Job, range_size: int) -> _Plan:
    """Read the plan, of the arguments and the cursor; no other build of the segment is under way."""
    told, cursor = job.arguments, job.cursor
    segment_id = UUID(told["segment_id"])
    moment = Moment(datetime.fromisoformat(told["as_of"]), ZoneInfo(told["time_zone"]))
    if cursor is None or "unaware_before" in cursor:
        before = (await session.scalars(select(Segment.current_build).where(Segment.id == segment_id))).one()
        count = await _about_how_many(session)
        return _Plan(segment_id, told["definition_version"], moment, before, count, min(FIRST_SIZE, range_size))
    after = None if cursor["after"] is None else UUID(cursor["after"])
    known = (cursor["before"], cursor["customer_count"], cursor["size"], cursor["seen"], after)
    return _Plan(segment_id, told["definition_version"], moment, *known)


async def _about_how_many(session: AsyncSession) -> int:
    """Answer how many customers there are, which only the progress is told by: at a million, counting them takes as
    long as looking at 50,000.
    """
    known: int = (await session.scalars(queries.KNOWN_CUSTOMERS)).one()
    return known if known > 0 else (await session.scalars(select(func.count()).select_from(Customer))).one()


async def _bring_up(session: AsyncSession, plan: _Plan, part: Range, catalog: LivingCatalog) -> tuple[int, int]:
    """Write who enters and who leaves in a range, after taking back what a build that ended early left there."""
    tree = await meaning(session, plan.segment_id, plan.definition_version)
    with audience_at("/definition"):
        meant = condition(tree, await with_custom_fields(session, catalog), plan.moment)
    for statement in queries.undoing(plan.segment_id, plan.before, part):
        await session.execute(statement, execution_options=_UNSYNCHRONIZED)
    found = await session.execute(queries.difference(plan.segment_id, plan.before, meant, part))
    entering, leaving = found.one()
    if entering:
        await session.execute(queries.entries(plan.segment_id, plan.build, entering, plan.moment.now))
    if leaving:
        exits = queries.exits(plan.segment_id, plan.build, leaving, plan.moment.now)
        await session.execute(exits, execution_options=_UNSYNCHRONIZED)
    await note_windows(session, plan.segment_id, tree, part, plan.moment)
    return len(entering or ()), len(leaving or ())


async def _publish(
    session: AsyncSession, job: Job, plan: _Plan, catalog: LivingCatalog, members: int
) -> dict[str, Any]:
    """Let everybody see the build."""
    tree = await meaning(session, plan.segment_id, plan.definition_version)
    fields = await with_custom_fields(session, catalog)
    flip = (
        update(Segment)
        .where(Segment.id == plan.segment_id, Segment.archived_at.is_(None))
        .values(
            current_build=plan.build,
            built_version=plan.definition_version,
            built_at=plan.moment.now,
            member_count=members,
            status="built",
            due_at=func.least(Segment.due_at, literal(next_move(tree, fields, plan.moment), DateTime(timezone=True))),
            version=Segment.version + 1,
            updated_at=now(),
        )
    )
    if await session.scalar(flip.returning(Segment.id)) is None:
        raise SegmentArchived("The segment was archived while it was built")
    await keep_watching(session, plan.segment_id, topics_of(tree, fields))
    if any(job.counts.values()):
        mark_everybody(session, f"segment:{plan.segment_id}")
    told = {"build": plan.build, "definition_version": plan.definition_version, **job.counts, "members": members}
    record(session, job.created_by, "segment.published", ("segment", plan.segment_id), changes=told)
    emit(session, "segment.published", {"id": str(plan.segment_id), **told})
    return told


async def _end(session: AsyncSession, job: Job) -> None:
    """After a build that failed or was cancelled, take back what it wrote; the published members were never touched."""
    if job.state == "succeeded":
        return
    segment_id = UUID(job.arguments["segment_id"])
    status = case((Segment.current_build > 0, "built"), else_="draft")
    ended = update(Segment).where(Segment.id == segment_id, Segment.job_id == job.id)
    await session.execute(
        ended.values(status=status, version=Segment.version + 1, updated_at=now()), execution_options=_UNSYNCHRONIZED
    )
    before = (await session.scalars(select(Segment.current_build).where(Segment.id == segment_id))).one()
    for statement in queries.undoing(segment_id, before, Range(None, None)):
        await session.execute(statement, execution_options=_UNSYNCHRONIZED)
