"""Statements about jobs."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, any_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.read import Prepared, Reader, raw_json
from . import rules
from .models import Job, JobAttempt, WorkerSeen

Document = dict[str, Any]

_LAST_SEEN: Final = select(func.max(WorkerSeen.seen_at)).scalar_subquery()
_JOB: Final[Select[Any]] = select(
    Job.id,
    Job.kind,
    Job.nature,
    Job.state,
    Job.arguments,
    Job.progress,
    Job.counts,
    Job.result,
    Job.problem,
    Job.created_by,
    Job.created_at,
    Job.run_after,
    Job.started_at,
    Job.finished_at,
    Job.cancel_requested_at,
    _LAST_SEEN.label("worker_seen_at"),
)
_ATTEMPTS: Final[Select[*tuple[Any, ...]]] = (
    select(
        JobAttempt.job_id,
        JobAttempt.number,
        JobAttempt.worker,
        JobAttempt.started_at,
        JobAttempt.ended_at,
        JobAttempt.outcome,
        JobAttempt.reason,
    )
    .where(JobAttempt.job_id == any_(bindparam("job_ids", type_=ARRAY(Uuid))))
    .order_by(JobAttempt.job_id, JobAttempt.number)
)
_ONE: Final = Prepared(_JOB.where(Job.id == bindparam("job_id", type_=Uuid)))
_TRIES: Final = Prepared(_ATTEMPTS)


@lru_cache
def listed(*, by_state: bool, by_kind: bool, after: bool) -> Prepared:
    """List jobs, the newest first; binds `state`, `kind`, `after` (an id) as wanted, and `limit`."""
    statement = _JOB.order_by(Job.id.desc()).limit(bindparam("limit"))
    if by_state:
        statement = statement.where(Job.state == bindparam("state"))
    if by_kind:
        statement = statement.where(Job.kind == bindparam("kind"))
    if after:
        statement = statement.where(Job.id < bindparam("after", type_=Uuid))
    return Prepared(statement)


def claimable(at: datetime, hands: list[str] | None, job_id: UUID | None, limit: int) -> Select[Job]:
    """Queued jobs whose time has come, the longest waiting first, locked for whoever asks and skipped by others."""
    statement = select(Job).where(Job.state == "queued", Job.run_after <= at)
    if hands is not None:
        statement = statement.where(or_(Job.nature == "set", Job.kind == any_(bindparam(None, hands, ARRAY(Text)))))
    if job_id is not None:
        statement = statement.where(Job.id == job_id)
    return statement.order_by(Job.run_after, Job.id).limit(limit).with_for_update(skip_locked=True)


def abandoned(at: datetime, limit: int) -> Select[Job]:
    """Running jobs whose lease has ended, locked."""
    statement = select(Job).where(Job.state == "running", Job.leased_until < at)
    return statement.order_by(Job.run_after, Job.id).limit(limit).with_for_update(skip_locked=True)


async def read_jobs(reader: Reader, statement: Prepared, **values: Any) -> list[Document]:
    """Read jobs with their attempts, as they are answered."""
    rows = await reader.rows(statement, **values)
    tries = await reader.rows(_TRIES, job_ids=[row["id"] for row in rows]) if rows else []
    return _documents(rows, tries)


async def read_job(reader: Reader, job_id: UUID) -> Document | None:
    """Read one job, or nothing."""
    found = await read_jobs(reader, _ONE, job_id=job_id)
    return found[0] if found else None


async def written_job(session: AsyncSession, job_id: UUID) -> Document:
    """Read a job inside the transaction that changed it."""
    await session.flush()
    rows = (await session.execute(_JOB.where(Job.id == job_id))).mappings().all()
    tries = (await session.execute(_ATTEMPTS, {"job_ids": [job_id]})).mappings().all()
    return _documents(rows, tries)[0]


def _documents(rows: Iterable[Any], tries: Iterable[Any]) -> list[Document]:
    at = now()
    attempts: dict[Any, list[Document]] = {}
    for attempt in tries:
        told = dict(attempt)
        attempts.setdefault(told.pop("job_id"), []).append(told)
    return [_document(dict(row), attempts.get(row["id"], []), at) for row in rows]


def _document(row: Document, attempts: list[Document], at: datetime) -> Document:
    seen_at = row.pop("worker_seen_at")
    row["waiting_reason"] = rules.waiting_reason(row["state"], row["run_after"], seen_at, at)
    row["attempts"] = attempts
    for name in ("arguments", "counts", "result", "problem"):
        if isinstance(row[name], str):
            row[name] = raw_json(row[name])
    return row
