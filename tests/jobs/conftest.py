"""The service with kinds of jobs made for tests beside its own, and a worker that does nothing by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from crm_api.app import JOB_KINDS, create_app
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.trail import OutboxEvent
from crm_api.jobs.kinds import JobKind
from crm_api.jobs.models import Job
from crm_api.jobs.operations import enqueue
from crm_api.settings import Settings

from ..calling import Api
from .kinds import KINDS

Start = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service, started, with the kinds of the tests."""
    made = create_app(settings, (*JOB_KINDS, *KINDS))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def start(database: Database) -> Start:
    """Queue a job as an operation of a domain would: `await start(COUNTING, steps=3)`."""

    async def start(kind: JobKind, *, key: str | None = None, **arguments: Any) -> str:
        async with database.session() as session:
            return str((await enqueue(session, kind, arguments, by="tests", singleton_key=key)).id)

    return start


class Worker:
    """Speaks to the API as a worker does."""

    def __init__(self, api: Api, name: str) -> None:
        self.api, self.name = api, name

    async def claim(self, limit: int = 10, **wish: Any) -> list[dict[str, Any]]:
        """Ask for work."""
        answer = await self.api.post("/v1/jobs/claim", {"worker": self.name, "limit": limit, **wish})
        claimed: list[dict[str, Any]] = answer["data"]
        return claimed

    async def claim_one(self, **wish: Any) -> dict[str, Any]:
        """Ask for the one job there is."""
        [job] = await self.claim(**wish)
        return job

    async def report(self, method: str, job: dict[str, Any], what: str, expect: Any = 200, **more: Any) -> Any:
        """Report under the lease of a claimed job: `await worker.report("PUT", job, "result", result={})`."""
        body = {"lease_id": job["lease_id"], **more}
        answer = await self.api.send(method, f"/v1/jobs/{job['id']}/{what}", body, expect=expect)
        return answer.json()

    async def step(self, job: dict[str, Any], expect: Any = 200) -> Any:
        """Run the next step."""
        return await self.report("POST", job, "steps", expect)


@pytest.fixture
def worker(api: Api) -> Worker:
    """A worker."""
    return Worker(api, "first")


@pytest.fixture
def other_worker(api: Api) -> Worker:
    """Another worker."""
    return Worker(api, "second")


@pytest.fixture
def effects(database: Database) -> Callable[[str], Awaitable[int]]:
    """Count outbox events of a type: what steps really did."""

    async def count(event_type: str) -> int:
        wanted = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.type == event_type)
        async with database.session() as session:
            return await session.scalar(wanted) or 0

    return count


@pytest.fixture
def pass_time(database: Database) -> Callable[..., Awaitable[None]]:
    """Make a moment of a job's row lie in the past: `await pass_time(id, "leased_until")`."""

    async def pass_time(job_id: str, *columns: str) -> None:
        async with database.session() as session:
            job = await session.get_one(Job, job_id)
            for column in columns:
                setattr(job, column, now().replace(year=2000))

    return pass_time
