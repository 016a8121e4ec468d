"""Say how far the inputs and outputs of a run are from those of the run before."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.trail import emit
from ..models import AnalyticsModel, AnalyticsRun
from ..rules import DRIFTED, stability_index
from ..schemas import PublishWish


async def read_reference(session: AsyncSession, model: str) -> dict[str, Any] | None:
    """Answer the current run of a model, as a worker is told of it."""
    is_current = select(AnalyticsRun).join(AnalyticsModel, AnalyticsModel.current_run_id == AnalyticsRun.id)
    run = await session.scalar(is_current.where(AnalyticsModel.model == model))
    if run is None or not run.distributions:
        return None
    return {"run_id": run.id, "edges": {name: told["edges"] for name, told in run.distributions.items()}}


async def note_drift(session: AsyncSession, run: AnalyticsRun, wish: PublishWish) -> None:
    """Keep how the run's columns lie, and in `quality` how far each moved; above a limit an event tells."""
    run.distributions = {
        name: told.model_dump(include={"edges", "counts"}) for name, told in wish.distributions.items()
    }
    before = await _distributions_of(session, run.model, wish.reference_run_id)
    found = {
        name: stability_index(told.counts_before, before[name]["counts"])
        for name, told in sorted(wish.distributions.items())
        if told.counts_before is not None and name in before
    }
    drift = {name: round(index, 6) for name, index in found.items() if index is not None}
    if not drift:
        return
    run.quality = {**wish.quality, "drift": drift, "drift_against_run_id": str(wish.reference_run_id)}
    if moved := {name: index for name, index in drift.items() if index > DRIFTED}:
        told = {"run_id": str(run.id), "model": run.model, "against_run_id": str(wish.reference_run_id)}
        emit(session, "analytics.drift_found", {**told, "columns": moved})


async def _distributions_of(session: AsyncSession, model: str, run_id: UUID | None) -> dict[str, Any]:
    run = None if run_id is None else await session.get(AnalyticsRun, run_id)
    return {} if run is None or run.model != model else run.distributions or {}
