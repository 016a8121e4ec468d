"""Kinds of jobs with which the laws of jobs are tested; each step leaves an outbox event, so that effects can be
counted.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.core.problems import InvalidRequest
from crm_api.core.trail import OutboxEvent, emit
from crm_api.jobs.kinds import Due, JobKind, Step
from crm_api.jobs.models import Job


async def _count_on(session: AsyncSession, job: Job) -> Step:
    """Count to `steps`, one a step, pausing `pause_seconds` inside of the transaction."""
    number = (job.cursor or {"number": 0})["number"] + 1
    emit(session, "tests.counted", {"job": str(job.id), "number": number})
    await session.flush()
    if pause := job.arguments.get("pause_seconds"):
        await session.execute(select(func.pg_sleep(pause)))
    last: int = job.arguments["steps"]
    return Step(
        done=number == last,
        cursor={"number": number},
        progress=number / last,
        counts={"numbers": 1},
        result={"last": number} if number == last else None,
    )


async def _fail(session: AsyncSession, job: Job) -> Step:
    """Leave an effect that must be undone, then fail as the arguments say."""
    emit(session, "tests.failed", {"job": str(job.id)})
    await session.flush()
    match job.arguments["how"]:
        case "problem":
            raise InvalidRequest("The definition cannot be built")
        case "slow":
            await session.execute(text("SET LOCAL statement_timeout = '50ms'"))
            await session.execute(select(func.pg_sleep(5)))
        case "sql":
            await session.execute(text("SELECT 1 / 0"))
    raise RuntimeError("no such way")


async def _note_end(session: AsyncSession, job: Job) -> None:
    emit(session, "tests.ended", {"job": str(job.id), "state": job.state})


async def _due(session: AsyncSession) -> Sequence[Due]:
    """As many jobs as there are unheard wishes, but one at a time."""
    wished = await session.scalar(select(OutboxEvent.id).where(OutboxEvent.type == "tests.wished").limit(1))
    return [Due({"steps": 1}, singleton_key="tests.recurring")] if wished else []


async def _broken_due(session: AsyncSession) -> Sequence[Due]:
    if await session.scalar(select(OutboxEvent.id).where(OutboxEvent.type == "tests.break-due").limit(1)):
        await session.execute(text("SELECT 1 / 0"))
    return []


COUNTING = JobKind("tests.counting", "set", step=_count_on, on_end=_note_end)
FAILING = JobKind("tests.failing", "set", step=_fail, most_attempts=2, on_end=_note_end)
CARRYING = JobKind("tests.carrying", "hands", most_attempts=2, on_end=_note_end)
BROKEN = JobKind("tests.broken", "set", step=_fail, due=_broken_due)
RECURRING = JobKind("tests.recurring", "set", step=_count_on, due=_due)
KINDS = (COUNTING, FAILING, CARRYING, BROKEN, RECURRING)
