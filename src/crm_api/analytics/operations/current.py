"""Make a run the one that scores are read from."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.changes import mark_everybody
from ...core.clock import now
from ...core.trail import emit, record
from ..models import AnalyticsModel, AnalyticsRun
from ..problems import RunSuperseded


async def make_current(session: AsyncSession, run: AnalyticsRun, by: str) -> None:
    """Move the pointer forward, never back. Errors: RunSuperseded."""
    run.state = "published"
    await session.flush()
    pointer = select(AnalyticsModel).where(AnalyticsModel.model == run.model).with_for_update()
    before = await session.scalar(pointer)
    row = insert(AnalyticsModel).values(
        model=run.model, current_run_id=run.id, requested_at=run.created_at, published_at=now()
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
