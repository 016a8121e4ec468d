"""The two set jobs of a campaign: writing down who gets it, and cancelling what waits when it is stopped."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, DateTime, Text, case, exists, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Moment
from ..core.clock import now, written
from ..core.db import driver
from ..core.read import Prepared
from ..core.trail import emit, record
from ..customers.catalog import LivingCatalog, with_custom_fields
from ..customers.models import Customer
from ..customers.ranges import Range, end_of_range
from ..jobs.kinds import Due, JobKind, Step
from ..jobs.models import Job
from ..segments.rules import next_size
from ..settings import Settings
from . import recipients
from .campaign_models import Campaign, MessageDue

PLANNING: Final = "campaign-plan"
CANCELLING: Final = "campaign-cancel"
RANGE_SIZE: Final = 50_000
FIRST_SIZE: Final = 10_000
_CANCELLED_IN_A_STEP: Final = 20_000
OCCURRENCE: Final = 1
_BEFORE_NEXT_PLAN: Final = timedelta(minutes=1)

# The id is made of what is unique, so that a range planned twice makes the same rows: a UUIDv8 of SHA-256.
_INSERT: Final = """
WITH judged AS ({judged}),
numbered AS (
  SELECT *, encode(
    sha256(uuid_send({campaign}::uuid) || uuid_send(customer_id) || int4send({occurrence}::int)), 'hex'
  ) AS digest
  FROM judged
),
made AS (
  INSERT INTO message (
    customer_id, id, campaign_id, purpose, occurrence, state, reason, address, due_at, planned_at, ended_at
  )
  SELECT customer_id,
    (substr(digest, 1, 12) || '8' || substr(digest, 14, 3) || '8' || substr(digest, 18, 15))::uuid,
    {campaign}::uuid, {purpose}::text, {occurrence}::int,
    CASE WHEN reason IS NULL THEN 'pending' ELSE 'skipped' END, reason, address, due_at, {at}::timestamptz,
    CASE WHEN reason IS NULL THEN NULL ELSE {at}::timestamptz END
  FROM numbered
  ON CONFLICT DO NOTHING
  RETURNING customer_id, id, due_at, state
),
queued AS (
  INSERT INTO message_due (message_id, customer_id, campaign_id, due_at, state, attempt)
  SELECT id, customer_id, {campaign}::uuid, due_at, 'waiting', 0 FROM made WHERE state = 'pending'
  RETURNING 1
)
SELECT (SELECT count(*) FROM made) AS planned, (SELECT count(*) FROM queued) AS queued
"""
_CANCEL: Final = """
WITH waiting AS (
  SELECT message_id, customer_id FROM message_due
  WHERE campaign_id = $1 AND lease_id IS NULL LIMIT $2 FOR UPDATE SKIP LOCKED
),
gone AS (DELETE FROM message_due d USING waiting w WHERE d.message_id = w.message_id RETURNING d.message_id)
UPDATE message m SET state = 'cancelled', reason = 'campaign_stopped', ended_at = $3
FROM waiting w WHERE m.customer_id = w.customer_id AND m.id = w.message_id
"""


def planning(catalog: LivingCatalog, settings: Settings, range_size: int = RANGE_SIZE) -> JobKind:
    """Make the kind of job that plans a campaign whose time has come."""
    return JobKind(
        PLANNING, "set", step=partial(_plan_step, catalog, settings, range_size), due=_due_plans, on_end=_end_plan
    )


def cancelling() -> JobKind:
    """Make the kind of job that cancels what waits of a stopped campaign."""
    return JobKind(CANCELLING, "set", step=_cancel_step, due=_due_cancellations)


async def _due_plans(session: AsyncSession) -> Sequence[Due]:
    ready = select(Campaign.id).where(Campaign.status.in_(("scheduled", "planning")), Campaign.starts_at <= now())
    return [_due(PLANNING, id) for id in await session.scalars(ready)]


async def _end_plan(session: AsyncSession, job: Job) -> None:
    """After a plan that did not succeed, let it be seen at its campaign, and wait a little before the next."""
    if job.state == "succeeded":
        return
    waits = update(Campaign).where(
        Campaign.id == UUID(job.arguments["campaign_id"]), Campaign.status.in_(("scheduled", "planning"))
    )
    at = now()
    await session.execute(
        waits.values(job_id=job.id, starts_at=at + _BEFORE_NEXT_PLAN, version=Campaign.version + 1, updated_at=at)
    )


async def _due_cancellations(session: AsyncSession) -> Sequence[Due]:
    waiting = exists().where(MessageDue.campaign_id == Campaign.id, MessageDue.lease_id.is_(None))
    return [
        _due(CANCELLING, id)
        for id in await session.scalars(select(Campaign.id).where(Campaign.status == "stopping", waiting))
    ]


def _due(kind: str, campaign_id: UUID) -> Due:
    return Due({"campaign_id": str(campaign_id)}, singleton_key=f"{kind}:{campaign_id}")


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a plan is: what a step leaves in the job's cursor for the next."""

    as_of: datetime
    customer_count: int
    size: int
    seen: int = 0
    after: UUID | None = None

    def cursor(self) -> dict[str, Any]:
        after = None if self.after is None else str(self.after)
        told = {"customer_count": self.customer_count, "size": self.size, "seen": self.seen}
        return {"as_of": written(self.as_of), **told, "after": after}


async def _plan_step(
    catalog: LivingCatalog, settings: Settings, range_size: int, session: AsyncSession, job: Job
) -> Step:
    """Write down one range of customers; whoever stops the campaign meanwhile ends the plan."""
    campaign_id = UUID(job.arguments["campaign_id"])
    campaign = await session.scalar(select(Campaign).where(Campaign.id == campaign_id).with_for_update(key_share=True))
    if campaign is None or campaign.status not in ("scheduled", "planning"):
        return Step(done=True, result={"status": None if campaign is None else campaign.status})
    progress = await _progress(session, job, range_size)
    if job.cursor is None:
        campaign.status, campaign.job_id = "planning", job.id
        await session.flush()
    began = time.monotonic()
    size = max(progress.size >> 2 * job.failure_count, 1)
    last: UUID | None = await session.scalar(end_of_range(progress.after, size))
    counts = await _write_range(session, campaign, catalog, settings, progress, Range(progress.after, last))
    if last is None:
        _begin(session, campaign, job, counts)
        return Step(done=True, counts=counts, result={"status": "running"})
    wanted = next_size(size, time.monotonic() - began, range_size)
    following = replace(progress, after=last, seen=progress.seen + size, size=wanted)
    share = min(following.seen / max(following.customer_count, 1), 0.99)
    return Step(done=False, cursor=following.cursor(), progress=share, counts=counts)


async def _progress(session: AsyncSession, job: Job, range_size: int) -> _Progress:
    told = job.cursor
    if told is None:
        count = (await session.scalars(select(func.count()).select_from(Customer))).one()
        return _Progress(now(), count, min(FIRST_SIZE, range_size))
    after = None if told["after"] is None else UUID(told["after"])
    return _Progress(datetime.fromisoformat(told["as_of"]), told["customer_count"], told["size"], told["seen"], after)


def _begin(session: AsyncSession, campaign: Campaign, job: Job, last_counts: dict[str, int]) -> None:
    campaign.status, campaign.planned_at = "running", now()
    campaign.version += 1
    campaign.updated_at = campaign.planned_at
    told = {name: job.counts.get(name, 0) + count for name, count in last_counts.items()}
    record(session, job.created_by, "campaign.planned", ("campaign", campaign.id), changes=told)
    emit(session, "campaign.planned", {"id": str(campaign.id), **told})


async def _write_range(
    session: AsyncSession,
    campaign: Campaign,
    catalog: LivingCatalog,
    settings: Settings,
    progress: _Progress,
    part: Range,
) -> dict[str, int]:
    fields = await with_custom_fields(session, catalog)
    meant = recipients.meant(campaign, fields, Moment(progress.as_of, settings.zone))
    judged = recipients.judged(await recipients.terms_of(session, campaign), meant, part).subquery()
    statement = Prepared(
        select(
            judged.c.customer_id, judged.c.address, judged.c.reason, _due_at(campaign, judged, settings).label("due_at")
        )
    )
    arguments = statement.arguments({})
    first = len(arguments) + 1
    places = {name: f"${first + number}" for number, name in enumerate(("campaign", "purpose", "occurrence", "at"))}
    connection: asyncpg.Connection = await driver(session)
    row = await connection.fetchrow(
        _INSERT.format(judged=statement.sql, **places), *arguments, campaign.id, campaign.purpose, OCCURRENCE, now()
    )
    return {"planned": row["planned"], "queued": row["queued"]}


def _due_at(campaign: Campaign, judged: Any, settings: Settings) -> ColumnElement[datetime]:
    """Say when a customer is due: at the campaign's start, or at its local time where the customer lives."""
    time_type = DateTime(timezone=True)
    assert campaign.starts_at is not None and campaign.launch_at is not None  # noqa: S101  # it was launched
    if campaign.launch_zone == "business":
        # It has begun, by the clock of this process; the queue goes by the database's, which may be behind.
        return func.least(literal(campaign.starts_at, time_type), func.statement_timestamp(), type_=time_type)
    names = select(func.pg_timezone_names().table_valued("name", "abbrev", "utc_offset", "is_dst").c.name)
    zone = case((judged.c.time_zone.in_(names), judged.c.time_zone), else_=literal(settings.zone.key, Text))
    local = campaign.launch_at.astimezone(UTC).replace(tzinfo=None)
    return func.timezone(zone, literal(local, DateTime()), type_=time_type)


async def _cancel_step(session: AsyncSession, job: Job) -> Step:
    """Cancel some of what waits."""
    campaign_id = UUID(job.arguments["campaign_id"])
    connection: asyncpg.Connection = await driver(session)
    answer = await connection.execute(_CANCEL, campaign_id, _CANCELLED_IN_A_STEP, now())
    count = int(answer.rpartition(" ")[2])
    return Step(done=count < _CANCELLED_IN_A_STEP, counts={"cancelled": count})
