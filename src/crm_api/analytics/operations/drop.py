"""Drop the rows of runs that nobody needs any more, a part a step."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...jobs.kinds import Due, JobKind, Step
from ...jobs.models import Job
from .. import queries, staging


async def is_due(session: AsyncSession) -> Sequence[Due]:
    """Ask for the job when rows can be dropped."""
    return [Due(singleton_key="analytics-drop-rows")] if await session.scalar(queries.IS_ANYTHING_DROPPABLE) else []


async def drop_rows(session: AsyncSession, _job: Job) -> Step:
    """Close what is outlived for readers first, so that no one ever sees half of a run; then drop one part."""
    for run in await session.scalars(queries.OUTLIVED):
        run.rows_dropped_at = now()
    await session.flush()
    found = (await session.execute(queries.DROPPABLE_PARTS.limit(1))).first()
    if found is None:
        return Step(done=True)
    part, model = found
    await session.delete(part)
    await session.execute(staging.drop_part(part, model))
    return Step(done=False, counts={"parts": 1, "rows": part.row_count})


DROP_ROWS: Final = JobKind("analytics-drop-rows", "set", step=drop_rows, due=is_due, kept=timedelta(hours=1))
