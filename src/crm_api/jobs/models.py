"""Tables of jobs: thin local queues; what they point to is the truth."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base

LIVE = "state IN ('queued', 'running')"
"""Where a job that has not ended is told from one that has, as the partial indexes say it."""


class Job(Base):
    """Long work: a row first, then a hint to a worker."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
        CheckConstraint("nature IN ('set', 'hands')", name="nature"),
        CheckConstraint("(state = 'running') = (lease_id IS NOT NULL)", name="lease"),
        Index("ix_job_due", "run_after", "id", postgresql_where=text(LIVE)),
        Index("uq_job_singleton_key", "singleton_key", unique=True, postgresql_where=text(LIVE)),
        Index("ix_job_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    nature: Mapped[str]
    state: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    cursor: Mapped[dict[str, Any] | None]
    progress: Mapped[float | None] = mapped_column(Float)
    counts: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    problem: Mapped[dict[str, Any] | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    run_after: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """When a finished job is forgotten; set when it ends."""
    cancel_requested_at: Mapped[datetime | None]
    attempt_count: Mapped[int]
    failure_count: Mapped[int]
    """Attempts that failed or whose lease expired; a job that was given back in order has lost none."""
    most_attempts: Mapped[int]
    lease_id: Mapped[UUID | None]
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    singleton_key: Mapped[str | None]
    """At most one live job has a given key, for example one recomputation of daily facts."""


class JobAttempt(Base):
    """One try at a job, and how it ended."""

    __tablename__ = "job_attempt"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    worker: Mapped[str]
    lease_id: Mapped[UUID]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]


class WorkerSeen(Base):
    """When each worker last asked for work; its absence is told to whoever waits for a job."""

    __tablename__ = "worker_seen"

    worker: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
