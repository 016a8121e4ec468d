"""Publish a run: compare what is stored with what the worker computed, and make it current in one transaction.

Reading all rows may take longer than a transaction may. They are read before it, and it sees to it that they are still
the same.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Uuid, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.db import Database
from ...core.problems import NotAvailable, Problem, finding
from ...core.read import Prepared, Reader
from ...core.streams import reading
from ...core.trail import record
from ..models import AnalyticsRun, AnalyticsRunPart
from ..outputs import OUTPUTS
from ..problems import InsufficientData, NotConverged, NotIdentified, OutputMismatch, RunNotOpen
from ..queries import OPENED_RUN
from ..rules import ENDED_WELL, OPEN
from ..schemas import PublishWish
from ..score_queries import all_rows
from ..score_tables import score_table
from .approve import keep_backtest, wait_for_approval, wanted_approval
from .current import make_current
from .drift import note_drift
from .hold import find, take

Parts = Mapping[int, datetime]

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
_PARTS: Final = select(AnalyticsRunPart.part, AnalyticsRunPart.received_at)
_PARTS_OF_RUN: Final = Prepared(_PARTS.where(AnalyticsRunPart.run_id == bindparam("run_id", type_=Uuid)))
_STATES: Final[dict[str, type[Problem]]] = {
    "insufficient_data": InsufficientData,
    "not_converged": NotConverged,
    "not_identified": NotIdentified,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a run."""

    output_hash: str
    parts: Parts


async def read_output(database: Database, reads: Reader, run_id: UUID) -> Stored | None:
    """Hash all rows of an open run, as the worker did; nothing when there is no such run."""
    run = await reads.row(OPENED_RUN, run_id=run_id)
    if run is None or run["state"] not in OPEN:
        return None
    rows, digest = all_rows(score_table(run["model"], orjson.loads(run["parameters"]))), hashlib.sha256()

    async def take_in(piece: bytes) -> None:
        digest.update(piece)

    async with reading(database) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        parts = await connection.fetch(_PARTS_OF_RUN.sql, *_PARTS_OF_RUN.arguments({"run_id": run_id}))
        # The rows of a run stand in the order of their key. The planner knows how the table lies as a whole, or nothing
        # yet, and would sort them, on disk when they are many.
        await connection.execute("SET LOCAL enable_sort = off")
        arguments = rows.arguments({"run_id": run_id})
        await connection.copy_from_query(rows.sql, *arguments, output=take_in, format="csv", header=True)
    return Stored(digest.hexdigest(), {part["part"]: part["received_at"] for part in parts})


async def publish_run(
    session: AsyncSession, run_id: UUID, wish: PublishWish, stored: Stored | None, *, by: str
) -> AnalyticsRun:
    """Make a run current whose rows are what was read (`read_output`). Saying it again, because the answer was lost,
    changes nothing.

    When nobody could be scored, nothing is published and the run ends in the state that says why.
    Errors: RunNotFound, LeaseLost, RunNotOpen, RunSuperseded, OutputMismatch, NotAvailable.
    """
    run = await find(session, run_id)
    if run.state in ENDED_WELL:
        return _same(run, wish)
    await take(session, run, wish.lease_id)
    told = (await session.execute(_TOLD.where(AnalyticsRunPart.run_id == run_id))).one()
    if told.row_count != wish.row_count:
        raise _mismatch("row_count", told.row_count, wish.row_count)
    if stored is None or stored.parts != await _parts(session, run_id):
        raise NotAvailable("Rows came while the others were read; publish again", headers={"Retry-After": "1"})
    if stored.output_hash != wish.output_hash:
        raise _mismatch("output_hash", stored.output_hash, wish.output_hash)
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


async def _parts(session: AsyncSession, run_id: UUID) -> Parts:
    """Each part of a run, with when it came: sent again, it came at another time."""
    parts = await session.execute(_PARTS.where(AnalyticsRunPart.run_id == run_id))
    return {row.part: row.received_at for row in parts}


def _mismatch(name: str, stored: Any, told: Any) -> OutputMismatch:
    fault = finding(f"/{name}", "mismatch", f"stored is {stored}, told is {told}")
    return OutputMismatch(f"{name}: stored is {stored}, told is {told}", errors=[fault])
