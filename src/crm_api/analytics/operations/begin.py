"""Begin the work on a run, or begin anew after a worker that died."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.read import Reader
from ...core.watermark import is_final
from ...jobs.operations.leases import held
from .. import queries, staging
from ..models import AnalyticsRun, AnalyticsRunPart
from ..problems import RunNotFound, WatermarkOpen
from ..rules import ENDED_WELL
from ..schemas import BeginWish
from .hold import find, take


async def begin_run(session: AsyncSession, reader: Reader, run_id: UUID, wish: BeginWish) -> Sequence[UUID]:
    """Note that a worker is at it, drop what an earlier attempt left, and answer the first ids of its ranges.

    A run that has come to its end already, because a worker died just after it, is left as it is, and has no ranges.
    Errors: RunNotFound, LeaseLost, RunNotOpen, WatermarkOpen.
    """
    asked = await reader.row(queries.OPENED_RUN, run_id=run_id)
    if asked is None:
        raise RunNotFound(f"No run {run_id}")
    # Ranges leave nobody out, whatever is written meanwhile; to cut them takes a part of the time that has to pass.
    ranges = await reader.rows(queries.FIRST_IDS_OF_RANGES, customers=wish.customers)
    if not await is_final(reader, asked["watermark"]):  # before this transaction begins, which would count too
        raise WatermarkOpen("Writes that began before the watermark are under way", headers={"Retry-After": "1"})
    run = await find(session, run_id)
    if run.state in ENDED_WELL:
        await held(session, run.job_id, wish.lease_id)
        return []
    await take(session, run, wish.lease_id)
    run.state = "running"
    run.started_at = run.started_at or now()
    await _drop_rows(session, run)
    return [each["customer_id"] for each in ranges]


async def _drop_rows(session: AsyncSession, run: AnalyticsRun) -> None:
    parts = (await session.scalars(select(AnalyticsRunPart).where(AnalyticsRunPart.run_id == run.id))).all()
    for part in parts:
        await session.delete(part)
    await session.flush()
    for part in parts:
        await session.execute(staging.drop_part(part, run.model))
