"""A run whose backtest is worse than that of the current one waits until somebody agrees."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now, written
from ...core.trail import emit, record
from ..models import AnalyticsBacktest, AnalyticsModel, AnalyticsRun
from ..problems import NothingToApprove, RunNotFound
from ..rules import worse_by
from ..schemas import ToldBacktest
from .current import make_current


def keep_backtest(session: AsyncSession, run: AnalyticsRun, told: ToldBacktest) -> AnalyticsBacktest:
    """Keep what a worker says of its method."""
    backtest = AnalyticsBacktest(run_id=run.id, **told.model_dump())
    session.add(backtest)
    return backtest


async def wanted_approval(
    session: AsyncSession, run: AnalyticsRun, backtest: AnalyticsBacktest | None
) -> dict[str, Any] | None:
    """Say why somebody has to agree to a run's publication, and by how much it is worse; nothing when nobody has to."""
    of_current = select(AnalyticsBacktest).join(
        AnalyticsModel, AnalyticsModel.current_run_id == AnalyticsBacktest.run_id
    )
    current = await session.scalar(of_current.where(AnalyticsModel.model == run.model))
    if current is None or current.loss is None:
        return None
    compared = {"current_run_id": str(current.run_id), "loss_name": current.loss_name, "current_loss": current.loss}
    if backtest is None or backtest.loss is None:
        why = "It has no backtest that could be compared with that of the current run."
        return {**compared, "loss": None, "worse_by": None, "reason": why, "decision": None}
    share = worse_by(backtest.loss, current.loss) if backtest.loss_name == current.loss_name else None
    if share is None:
        return None
    why = (
        f"Its backtest is {share:.1%} worse than that of the current run: {backtest.loss:.4g}, not {current.loss:.4g}."
    )
    return {**compared, "loss": backtest.loss, "worse_by": share, "reason": why, "decision": None}


def wait_for_approval(session: AsyncSession, run: AnalyticsRun, by: str) -> None:
    """Let a run wait, and tell it."""
    run.state = "awaiting_approval"
    told = {"run_id": str(run.id), "model": run.model, "reason": (run.approval or {}).get("reason", "")}
    record(session, by, "analytics.approval_wanted", ("analytics_run", run.id), changes=told)
    emit(session, "analytics.approval_wanted", told)


async def decide_run(session: AsyncSession, run_id: UUID, note: str | None, *, approved: bool, by: str) -> None:
    """Publish a run that waits, or do not. Errors: RunNotFound, NothingToApprove, RunSuperseded."""
    run = await session.get(AnalyticsRun, run_id, with_for_update={"key_share": True})
    if run is None:
        raise RunNotFound(f"No run {run_id}")
    if run.state != "awaiting_approval":
        raise NothingToApprove(f"It is {run.state}")
    decision = "approved" if approved else "rejected"
    run.approval = {**(run.approval or {}), "decision": decision, "by": by, "at": written(now()), "note": note}
    if approved:
        await make_current(session, run, by)
        return
    run.state = "rejected"
    record(session, by, "analytics.run_ended", ("analytics_run", run.id), changes={"state": run.state, "note": note})
