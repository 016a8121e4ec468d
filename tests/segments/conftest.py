"""The service with small build steps, and a worker that drives them by hand."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.segments.operations import BUILD, LIVE, live_segments, segment_build
from crm_api.settings import Settings

from ..calling import Api
from ..jobs.conftest import Worker

STEP = 3
"""Customers a build step looks at in these tests."""
MOST = 20
"""Customers of one segment that are looked at by themselves in these tests."""
Register = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service, started; builds of segments take a few customers a step."""
    made = create_app(settings)
    build = made.state.job_kinds[BUILD] = segment_build(made.state.catalog, range_size=STEP)
    made.state.job_kinds[LIVE] = live_segments(made.state.catalog, build, settings.zone, most=MOST)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def register(api: Api) -> Register:
    """Register a customer: `await register("Ann", country="DE")` answers its id."""

    async def register(name: str, *, country: str | None = None, **fields: Any) -> str:
        addresses = [] if country is None else [{"city": "Town", "country": country}]
        made = await api.post("/v1/customers", {"display_name": name, "addresses": addresses, **fields}, expect=201)
        return str(made["id"])

    return register


class Builder:
    """Defines segments, and builds them step by step."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.worker = Worker(api, "builder")

    async def define(self, name: str, definition: dict[str, Any]) -> str:
        """Define a segment; answers its id."""
        made = await self.api.post("/v1/segments", {"name": name, "definition": definition}, expect=201)
        return str(made["id"])

    async def request(self, segment_id: str) -> dict[str, Any]:
        """Ask for a build; answers the job as claimed by the worker."""
        job = await self.api.post(f"/v1/segments/{segment_id}/builds", expect=202)
        return await self.worker.claim_one(job_id=job["id"])

    async def catch_up(self) -> dict[str, int]:
        """Do what is due until nothing is: look at those who changed, and build what that asks for; answers the sums
        of what the live job said.
        """
        counts: Counter[str] = Counter()
        while jobs := await self.worker.claim():
            for job in jobs:
                said = await self.finish(job)
                if job["kind"] == "segment-live":
                    counts.update(said[-1]["counts"])  # those of its other steps are among them
        return dict(counts)

    async def finish(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Run all steps that are left; answers what each said."""
        said = [await self.worker.step(job)]
        while not said[-1]["done"]:
            said.append(await self.worker.step(job))
        return said

    async def build(self, segment_id: str) -> dict[str, Any]:
        """Build a segment; answers it."""
        said = await self.finish(await self.request(segment_id))
        assert said[-1]["state"] == "succeeded", said
        return await self.read(segment_id)

    async def read(self, segment_id: str) -> dict[str, Any]:
        """Read a segment."""
        segment: dict[str, Any] = await self.api.get(f"/v1/segments/{segment_id}", expect=200)
        return segment

    async def members(self, segment_id: str) -> list[str]:
        """Name the members."""
        page = await self.api.get(f"/v1/segments/{segment_id}/members?limit=200", expect=200)
        assert page["next_cursor"] is None
        return [member["display_name"] for member in page["data"]]


@pytest.fixture
def builder(api: Api) -> Builder:
    """A builder."""
    return Builder(api)
