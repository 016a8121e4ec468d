"""A job is a row first: made with what wants it, once per singleton key."""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.core.db import Database
from crm_api.jobs.kinds import JobKind, Step
from crm_api.jobs.models import Job
from crm_api.jobs.operations import enqueue


async def _step(_session: AsyncSession, _job: Job) -> Step:
    return Step(done=True)


KIND = JobKind("tests.nothing", "set", step=_step)


async def _start(database: Database, key: str | None) -> Any:
    async with database.session() as session:
        return (await enqueue(session, KIND, {"from": 1}, by="tests", singleton_key=key)).id


async def _count(database: Database) -> int | None:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(Job))


async def test_a_key_stands_for_one_live_job(database: Database, clean: AsyncIterator[None]) -> None:
    first = await _start(database, "facts")
    assert await _start(database, "facts") == first
    assert await _start(database, "others") != first
    assert await _count(database) == 2


async def test_jobs_without_a_key_stand_side_by_side(database: Database, clean: AsyncIterator[None]) -> None:
    assert await _start(database, None) != await _start(database, None)
    assert await _count(database) == 2
