"""Tables of runs, of what is current, and of the scores that runs wrote."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from ..core.db import Base
from .outputs import DIGITS, OUTPUTS, Kind, Output, stored_name


class AnalyticsRun(Base):
    """One computation of one model: what it was asked, what it read, what came out."""

    __tablename__ = "analytics_run"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'awaiting_approval', 'published', 'rejected', 'insufficient_data', "
            "'not_converged', 'not_identified', 'failed', 'cancelled')",
            name="state",
        ),
        Index("ix_analytics_run_model_id", "model", "id"),
        Index("uq_analytics_run_job_id", "job_id", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    model: Mapped[str]
    state: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    audience: Mapped[dict[str, Any] | None]
    """About which customers; none: everybody."""
    as_of: Mapped[date]
    watermark: Mapped[datetime]
    """Facts recorded later are not in the run, whenever they happened."""
    code_version: Mapped[str | None]
    input_hash: Mapped[str | None]
    output_hash: Mapped[str | None]
    row_count: Mapped[int | None]
    timing: Mapped[dict[str, Any] | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    quality: Mapped[dict[str, Any] | None]
    job_id: Mapped[UUID]
    """No foreign key: jobs are forgotten after a while, runs are kept."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    rows_dropped_at: Mapped[datetime | None]
    problem: Mapped[dict[str, Any] | None]
    approval: Mapped[dict[str, Any] | None]
    """Why somebody had to agree to its publication, and who did or did not."""
    distributions: Mapped[dict[str, Any] | None]
    """How its inputs and outputs lie, by column; the next run is compared with it."""


class AnalyticsBacktest(Base):
    """How the method of a run did on what had been held back from it."""

    __tablename__ = "analytics_backtest"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("analytics_run.id", ondelete="CASCADE"), primary_key=True)
    cut_on: Mapped[date | None]
    until: Mapped[date | None]
    status: Mapped[str]
    reason: Mapped[str | None]
    title: Mapped[str | None]
    loss: Mapped[float | None] = mapped_column(Double)
    loss_name: Mapped[str | None]
    figures: Mapped[dict[str, Any]]
    calibration: Mapped[list[Any]]
    vega_lite: Mapped[dict[str, Any] | None]
    svg: Mapped[str | None]


class AnalyticsModel(Base):
    """Which run of a model is current. Publishing a run moves this pointer and nothing else."""

    __tablename__ = "analytics_model"
    __table_args__ = (Index("uq_analytics_model_current_run_id", "current_run_id", unique=True),)

    model: Mapped[str] = mapped_column(primary_key=True)
    current_run_id: Mapped[UUID] = mapped_column(ForeignKey("analytics_run.id"))
    requested_at: Mapped[datetime]
    """When the current run was asked for; the pointer never moves to a run that was asked for earlier."""
    published_at: Mapped[datetime]


class AnalyticsPlan(Base):
    """When a model is run by itself."""

    __tablename__ = "analytics_plan"
    __table_args__ = (Index("ix_analytics_plan_next_at", "next_at"),)

    model: Mapped[str] = mapped_column(primary_key=True)
    parameters: Mapped[dict[str, Any]]
    audience: Mapped[dict[str, Any] | None]
    """About which customers its runs are; none: everybody."""
    at: Mapped[str]
    """Time of day, HH:MM, in the business's zone."""
    enabled: Mapped[bool]
    next_at: Mapped[datetime | None]
    last_run_id: Mapped[UUID | None]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime]


class AnalyticsRunPart(Base):
    """One upload of a run's rows. Its bounds let the key of the score table find its rows again."""

    __tablename__ = "analytics_run_part"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("analytics_run.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    row_count: Mapped[int]
    scored_count: Mapped[int]
    """Rows with status `ok`."""
    unscored_status: Mapped[str | None]
    """A status of the other rows: the last by name, so that what is wrong with a whole fit stands before what a single
    customer lacks."""
    unscored_reason: Mapped[str | None]
    first_customer_id: Mapped[UUID | None]
    last_customer_id: Mapped[UUID | None]
    received_at: Mapped[datetime]


def _score_table(output: Output) -> Table:
    """Make the table of a model's rows: what one run says of one customer, or of one by key; never changed.

    Customers are checked set-wise when rows arrive; a foreign key would look each of a million up again, one by one.
    """
    scored = [stored_name(value) for value in output.values if value.given == "scored"]
    return Table(
        f"{output.model}_score",
        Base.metadata,
        *([Column("customer_id", Uuid, nullable=False)] if output.subject is None else []),
        Column("run_id", Uuid, nullable=False),
        Column("part", Integer, nullable=False),
        *(
            Column(stored_name(value), _TYPES[value.kind], nullable=value.given != "always")
            for value in output.all_values
        ),
        *([Column("currency", Text, nullable=False)] if output.has_money else []),
        Column("observation_count", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason", Text),
        CheckConstraint(f"status IN ({', '.join(map(repr, output.statuses))})", name="status"),
        *(
            [CheckConstraint(f"(status = 'ok') = (num_nonnulls({', '.join(scored)}) = {len(scored)})", name="scored")]
            if scored
            else []
        ),
        CheckConstraint("(status = 'ok') = (reason IS NULL)", name="reason"),
        # In this order a run's rows stand together: they are added at the end of the key, and read and dropped as a
        # range of it. The other order spread each run over all pages of the runs before it, and took a fifth longer.
        PrimaryKeyConstraint("run_id", *output.identity),
        info={"on_erase": "delete"} if output.subject is None else {},
    )


_TYPES: Final[dict[Kind, TypeEngine[Any]]] = {
    "score": SmallInteger(),
    "count": Integer(),
    "days": Integer(),
    "number": Numeric(18, DIGITS),
    "rate": Numeric(7, DIGITS),
    "money": BigInteger(),
    "choice": Text(),
    "name": Text(collation="C"),
    "text": Text(collation="C"),
    "texts": JSONB(),
}
SCORES: Final = {output.model: _score_table(output) for output in OUTPUTS.values()}
"""The scores of each model, one row per run, customer and key, where there is one."""
