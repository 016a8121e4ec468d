"""Publish a run: compare what is stored with what the worker computed, and make it current, all in one transaction."""

import hashlib
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.changes import mark_everybody
from ...core.clock import now
from ...core.db import driver
from ...core.problems import Problem, finding
from ...core.trail import emit, record
from ..models import AnalyticsModel, AnalyticsRun, AnalyticsRunPart
from ..problems import InsufficientData, NotConverged, NotIdentified, OutputMismatch, RunNotOpen, RunSuperseded
from ..rules import ENDED_WELL
from ..schemas import PublishWish
from ..score_queries import all_rows
from ..score_tables import score_table
from .hold import find, take

_REPORTED: Final = (
    "row_count",
    "output_hash",
    "input_hash",
    "code_version",
    "timing",
    "peak_memory_bytes",
    "quality",
)


_TOLD: Final = select(
    func.coalesce(func.sum(AnalyticsRunPart.row_count), 0).label("row_count"),
    func.sum(AnalyticsRunPart.scored_count).label("scored_count"),
    func.max(AnalyticsRunPart.unscored_status).label("status"),
    func.max(AnalyticsRunPart.unscored_reason).label("reason"),
)
_STATES: Final[dict[str, type[Problem]]] = {
    "insufficient_data": InsufficientData,
    "not_converged": NotConverged,
    "not_identified": NotIdentified,
}


async def publish_run(session: AsyncSession, run_id: UUID, wish: PublishWish, *, by: str) -> AnalyticsRun:
    """Make a run current. Saying it again, because the answer was lost, changes nothing.

    When nobody could be scored, nothing is published and the run ends in the state that says why.
    Errors: RunNotFound, LeaseLost, RunNotOpen, RunSuperseded, OutputMismatch.
    """
    run = await find(session, run_id)
    if run.state in ENDED_WELL:
        return _same(run, wish)
    await take(session, run, wish.lease_id)
    told = (await session.execute(_TOLD.where(AnalyticsRunPart.run_id == run_id))).one()
    if told.row_count != wish.row_count:
        raise _mismatch("row_count", told.row_count, wish.row_count)
    for name in _REPORTED:
        setattr(run, name, getattr(wish, name))
    run.finished_at = now()
    if told.scored_count:
        await _make_current(session, run, by)
    else:
        _end_without_scores(session, run, by, told.status, told.reason)
    await _check_output(session, run)
    return run


def _same(run: AnalyticsRun, wish: PublishWish) -> AnalyticsRun:
    if (run.row_count, run.output_hash) != (wish.row_count, wish.output_hash):
        raise RunNotOpen(f"It is {run.state} already, with {run.row_count} rows and the hash {run.output_hash}")
    return run


async def _make_current(session: AsyncSession, run: AnalyticsRun, by: str) -> None:
    """Move the pointer forward, never back. Errors: RunSuperseded."""
    run.state = "published"
    await session.flush()
    pointer = select(AnalyticsModel).where(AnalyticsModel.model == run.model).with_for_update()
    before = await session.scalar(pointer)
    row = insert(AnalyticsModel).values(
        model=run.model, current_run_id=run.id, requested_at=run.created_at, published_at=run.finished_at
    )
    names = ("current_run_id", "requested_at", "published_at")
    moved = row.on_conflict_do_update(
        index_elements=["model"],
        set_={name: row.excluded[name] for name in names},
        where=AnalyticsModel.requested_at < row.excluded.requested_at,
    )
    if await session.scalar(moved.returning(AnalyticsModel.model)) is None:
        raise RunSuperseded("A run that was asked for later is current already")
    told: dict[str, Any] = {
        "run_id": str(run.id),
        "model": run.model,
        "as_of": run.as_of.isoformat(),
        "row_count": run.row_count,
        "previous_run_id": None if before is None else str(before.current_run_id),
    }
    record(session, by, "analytics.run_published", ("analytics_run", run.id), changes=told)
    emit(session, "analytics.run_published", told)
    mark_everybody(session, f"score:{run.model}")


def _end_without_scores(session: AsyncSession, run: AnalyticsRun, by: str, status: str | None, why: str | None) -> None:
    """End a run in the state of its rows, or without any as one that had nothing to go by."""
    run.state = status or "insufficient_data"
    if run.state == "insufficient_data":
        what = "Nothing but refunds was found" if run.row_count else "No purchase was found"
        why = f"{what} before {run.as_of} among what had been recorded by the run's watermark"
    problem = _STATES[run.state](why or "")
    run.problem = problem.document(f"/v1/analytics/runs/{run.id}")
    record(session, by, "analytics.run_ended", ("analytics_run", run.id), changes={"state": run.state})


async def _check_output(session: AsyncSession, run: AnalyticsRun) -> None:
    """Hash what is really stored. Errors: OutputMismatch.

    It comes last: a cluster does not write small tables after it read the rows of all customers.
    """
    digest = hashlib.sha256()

    async def take_in(piece: bytes) -> None:
        digest.update(piece)

    rows = all_rows(score_table(run.model, run.parameters))
    connection = await driver(session)
    await connection.copy_from_query(
        rows.sql, *rows.arguments({"run_id": run.id}), output=take_in, format="csv", header=True
    )
    if digest.hexdigest() != run.output_hash:
        raise _mismatch("output_hash", digest.hexdigest(), run.output_hash)


def _mismatch(name: str, stored: Any, told: Any) -> OutputMismatch:
    fault = finding(f"/{name}", "mismatch", f"stored is {stored}, told is {told}")
    return OutputMismatch(f"{name}: stored is {stored}, told is {told}", errors=[fault])
