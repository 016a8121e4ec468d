"""Building a segment: range by range, seen by nobody until the last step publishes all of it at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Catalog, Moment, condition, read_tree
from ...audience.problems import audience_at
from ...core.clock import now
from ...core.trail import emit, record
from ...customers.catalog import with_custom_fields
from ...customers.models import Customer
from ...jobs.kinds import JobKind, Step
from ...jobs.models import Job
from ...jobs.operations import enqueue
from ...jobs.rules import added
from .. import queries
from ..models import Segment, SegmentVersion
from ..problems import SegmentArchived, SegmentNotFound
from ..queries import Range

BUILD: Final = "segment-build"
RANGE_SIZE: Final = 50_000


def segment_build(catalog: Catalog, range_size: int = RANGE_SIZE) -> JobKind:
    """Make the kind of job that builds segments; a step looks at so many customers."""
    return JobKind(BUILD, "set", step=partial(_step, catalog, range_size), on_end=_end)


async def request_build(session: AsyncSession, who: Principal, kind: JobKind, segment_id: UUID, zone: ZoneInfo) -> Job:
    """Queue a build of the segment as it is defined now; while one is under way, that one is answered.

    The job's row is locked before the segment's, as it is when a job ends, and the segment's only for a new job.
    Errors: SegmentNotFound, SegmentArchived.
    """
    segment = await session.get(Segment, segment_id)
    if segment is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    if segment.archived_at is not None:
        raise SegmentArchived(f"{segment.name} was archived")
    arguments = {
        "segment_id": str(segment_id),
        "definition_version": segment.definition_version,
        "as_of": now().isoformat(),
        "time_zone": zone.key,
    }
    job = await enqueue(session, kind, arguments, by=who.client_id, singleton_key=f"{BUILD}:{segment_id}")
    begun = (
        update(Segment)
        .where(Segment.id == segment_id, Segment.job_id.is_distinct_from(job.id))
        .values(job_id=job.id, status="building", version=Segment.version + 1, updated_at=now())
    )
    if segment.job_id != job.id and await session.scalar(begun.returning(Segment.id)) is not None:
        record(session, who.client_id, "segment.build-requested", ("segment", segment_id), changes={"job": str(job.id)})
    return job


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all steps of one build share."""

    segment_id: UUID
    definition_version: int
    moment: Moment
    before: int
    """The published build that this one follows."""
    customer_count: int

    @property
    def build(self) -> int:
        return self.before + 1


async def _step(catalog: Catalog, range_size: int, session: AsyncSession, job: Job) -> Step:
    """Bring one range of customers to what the audience says; the last step publishes."""
    plan = await _plan(session, job)
    cursor = job.cursor or {"after": None, "seen": 0}
    after = None if cursor["after"] is None else UUID(cursor["after"])
    last: UUID | None = await session.scalar(queries.end_of_range(after, range_size))
    entered, left = await _bring_up(session, plan, Range(after, last), catalog)
    counts = {"entered": entered, "left": left}
    if last is None:
        return Step(done=True, counts=counts, result=await _publish(session, job, plan, added(job.counts, counts)))
    seen = cursor["seen"] + range_size
    following = {"after": str(last), "seen": seen, "before": plan.before, "customer_count": plan.customer_count}
    return Step(done=False, cursor=following, progress=min(seen / max(plan.customer_count, 1), 0.99), counts=counts)


async def _plan(session: AsyncSession, job: Job) -> _Plan:
    """Read the plan, of the arguments and the first step's cursor; no other build of the segment is under way."""
    told = job.arguments
    segment_id = UUID(told["segment_id"])
    cursor = job.cursor or {}
    before = cursor.get("before")
    if before is None:
        before = (await session.scalars(select(Segment.current_build).where(Segment.id == segment_id))).one()
    return _Plan(
        segment_id,
        told["definition_version"],
        Moment(datetime.fromisoformat(told["as_of"]), ZoneInfo(told["time_zone"])),
        before,
        cursor.get("customer_count") or (await session.scalars(select(func.count()).select_from(Customer))).one(),
    )


async def _bring_up(session: AsyncSession, plan: _Plan, part: Range, catalog: Catalog) -> tuple[int, int]:
    """Write who enters and who leaves in a range, after taking back what a build that ended early left there."""
    version = await session.get_one(SegmentVersion, (plan.segment_id, plan.definition_version))
    with audience_at("/definition"):
        meant = condition(read_tree(version.definition), await with_custom_fields(session, catalog), plan.moment)
    for statement in queries.undoing(plan.segment_id, plan.before, part):
        await session.execute(statement, execution_options={"synchronize_session": False})
    found = await session.execute(queries.difference(plan.segment_id, plan.before, meant, part))
    entering, leaving = found.one()
    if entering:
        await session.execute(queries.entries(plan.segment_id, plan.build, entering, plan.moment.now))
    if leaving:
        exits = queries.exits(plan.segment_id, plan.build, leaving, plan.moment.now)
        await session.execute(exits, execution_options={"synchronize_session": False})
    return len(entering or ()), len(leaving or ())


async def _publish(session: AsyncSession, job: Job, plan: _Plan, counts: Mapping[str, int]) -> dict[str, Any]:
    """Let everybody see the build, in one transaction with its last range."""
    members = (await session.scalars(queries.member_count(plan.segment_id, plan.build))).one()
    flip = (
        update(Segment)
        .where(Segment.id == plan.segment_id, Segment.archived_at.is_(None))
        .values(
            current_build=plan.build,
            built_version=plan.definition_version,
            built_at=plan.moment.now,
            member_count=members,
            status="built",
            version=Segment.version + 1,
            updated_at=now(),
        )
    )
    if await session.scalar(flip.returning(Segment.id)) is None:
        raise SegmentArchived("The segment was archived while it was built")
    told = {
        "build": plan.build,
        "definition_version": plan.definition_version,
        "entered": counts["entered"],
        "left": counts["left"],
        "members": members,
    }
    record(session, job.created_by, "segment.published", ("segment", plan.segment_id), changes=told)
    emit(session, "segment.published", {"id": str(plan.segment_id), **told})
    return told


async def _end(session: AsyncSession, job: Job) -> None:
    """After a build that failed or was cancelled, take back what it wrote; the published members were never touched."""
    if job.state == "succeeded":
        return
    segment_id = UUID(job.arguments["segment_id"])
    before = (await session.scalars(select(Segment.current_build).where(Segment.id == segment_id))).one()
    for statement in queries.undoing(segment_id, before, Range(None, None)):
        await session.execute(statement, execution_options={"synchronize_session": False})
    await session.execute(
        update(Segment)
        .where(Segment.id == segment_id, Segment.job_id == job.id)
        .values(status="built" if before else "draft", version=Segment.version + 1, updated_at=now()),
        execution_options={"synchronize_session": False},
    )
