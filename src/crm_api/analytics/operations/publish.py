"""Publish a run: compare what is stored with what the worker computed, and make it current, all in one transaction."""

import hashlib
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.db import driver
from ...core.problems import Problem, finding
from ...core.trail import record
from ..models import AnalyticsRun, AnalyticsRunPart
from ..outputs import OUTPUTS
from ..problems import InsufficientData, NotConverged, NotIdentified, OutputMismatch, RunNotOpen
from ..rules import ENDED_WELL
from ..schemas import PublishWish
from ..score_queries import all_rows
from ..score_tables import score_table
from .approve import keep_backtest, wait_for_approval, wanted_approval
from .current import make_current
from .drift import note_drift
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
    await note_drift(session, run, wish)
    compared = keep_backtest(session, run, wish.backtest) if wish.backtest else None
    if told.scored_count:
        run.approval = await wanted_approval(session, run, compared)
        if run.approval is None:
            await make_current(session, run, by)
        else:
            wait_for_approval(session, run, by)
    else:
        _end_without_scores(session, run, by, told.status, told.reason)
    await _check_output(session, run)
    return run


def _same(run: AnalyticsRun, wish: PublishWish) -> AnalyticsRun:
    if (run.row_count, run.output_hash) != (wish.row_count, wish.output_hash):
        raise RunNotOpen(f"It is {run.state} already, with {run.row_count} rows and the hash {run.output_hash}")
    return run


def _end_without_scores(session: AsyncSession, run: AnalyticsRun, by: str, status: str | None, why: str | None) -> None:
    """End a run in the state of its rows, or without any as one that had nothing to go by."""
    run.state = status or "insufficient_data"
    found = OUTPUTS[run.model].empty.format(as_of=run.as_of)
    nothing = f"{found} among what had been recorded by the run's watermark"
    problem = _STATES[run.state](why or nothing)
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
    # The rows of a run stand in the order of their key. The planner knows how the table lies as a whole, or nothing
    # yet, and would sort them, on disk when they are many. One process reads them, as with streams out (core.streams).
    await connection.execute("SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0")
    await connection.copy_from_query(
        rows.sql, *rows.arguments({"run_id": run.id}), output=take_in, format="csv", header=True
    )
    if digest.hexdigest() != run.output_hash:
        raise _mismatch("output_hash", digest.hexdigest(), run.output_hash)


def _mismatch(name: str, stored: Any, told: Any) -> OutputMismatch:
    fault = finding(f"/{name}", "mismatch", f"stored is {stored}, told is {told}")
    return OutputMismatch(f"{name}: stored is {stored}, told is {told}", errors=[fault])
