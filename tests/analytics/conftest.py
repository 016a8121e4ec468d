"""Runs as a worker goes through them, one call at a time."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.analytics.models import AnalyticsRun
from crm_api.client import ApiClient
from crm_api.core.clock import now
from crm_api.core.db import Database
from workers import analytics
from workers.hands import SCOPES
from workers.work import Handler

from ..calling import Api, ExpectedProblem
from .working import AS_OF, Compute, work

HEADER = (
    "customer_id,recency_score,frequency_score,monetary_score,recency_days,order_count,amount,currency,"
    "observation_count,status,reason\n"
)
REFUNDED = '0,-0.50,EUR,1,insufficient_data,"No purchase, only refunds."'
Expect = int | ExpectedProblem


def scored(customer_id: str, score: int = 3, amount: str = "12.30", currency: str = "EUR") -> str:
    """A line of a scored customer."""
    return f"{customer_id},{score},{score},{score},10,2,{amount},{currency},2,ok,"


def unscored(customer_id: str) -> str:
    """A line of a customer with nothing but a refund."""
    return f"{customer_id},,,,,{REFUNDED}"


def given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is None: a model without money takes no currency."""
    return {name: value for name, value in parameters.items() if value is not None}


def csv_of(lines: Sequence[str], header: str = HEADER) -> str:
    """Lines under their header."""
    return header + "".join(f"{line}\n" for line in lines)


class Computing:
    """A run, and the worker that has its job."""

    def __init__(self, api: Api, database: Database, run: dict[str, Any], job: dict[str, Any]) -> None:
        self.api, self.database, self.run, self.job = api, database, run, job
        self.path = f"/v1/analytics/runs/{run['id']}"

    async def settle(self) -> None:
        """Let a minute pass since the run was asked for."""
        async with self.database.session() as session:
            run = await session.get_one(AnalyticsRun, UUID(self.run["id"]))
            run.watermark = now() - timedelta(seconds=61)

    async def begin(self, expect: Expect = 200, customers: int = 50_000) -> Any:
        """Begin to work."""
        body = {"lease_id": self.job["lease_id"], "customers": customers}
        return await self.api.put(f"{self.path}/work", body, expect=expect)

    async def send(
        self, part: int, content: str | Sequence[str], expect: Expect = 200, *, kind: str = "text/csv", lease: str = ""
    ) -> Any:
        """Send a part: lines, or the whole text."""
        text = content if isinstance(content, str) else csv_of(content)
        return await self.api.put(
            f"{self.path}/rows",
            params={"lease_id": lease or self.job["lease_id"], "part": part},
            content=text.encode(),
            headers={"Content-Type": kind},
            expect=expect,
        )

    async def publish(self, lines: Sequence[str], expect: Expect = 200, *, header: str = HEADER, **other: Any) -> Any:
        """Publish, saying that these are all lines."""
        ordered = sorted(lines)
        body = {
            "lease_id": self.job["lease_id"],
            "row_count": len(lines),
            "output_hash": hashlib.sha256(csv_of(ordered, header).encode()).hexdigest(),
            "input_hash": "0" * 64,
            "code_version": "test",
            "timing": {"feed_seconds": 0.5},
            "peak_memory_bytes": 1000,
            "quality": {"facts_read": 7},
            **other,
        }
        return await self.api.post(f"{self.path}/publish", body, expect=expect)

    async def read(self) -> Any:
        """Read the run."""
        return await self.api.get(self.path)

    async def report(self, method: str, what: str, **more: Any) -> Any:
        """Report on the job."""
        return await self.api.send(
            method, f"/v1/jobs/{self.job['id']}/{what}", {"lease_id": self.job["lease_id"], **more}, expect=200
        )


Start = Callable[..., Awaitable[Computing]]


@pytest.fixture
def start(api: Api, database: Database) -> Start:
    """Start a run and take its job as a worker: `run = await start(currency="USD")`."""

    async def start(*, model: str = "rfm", settled: bool = True, begun: bool = True, **parameters: Any) -> Computing:
        wish = {"model": model, "parameters": given({"currency": "EUR", **parameters})}
        run = await api.post("/v1/analytics/runs", wish, expect=202)
        claimed = await api.post("/v1/jobs/claim", {"worker": "tests", "limit": 1, "job_id": run["job_id"]})
        computing = Computing(api, database, run, claimed["data"][0])
        if settled:
            await computing.settle()
            if begun:
                await computing.begin()
        return computing

    return start


@pytest.fixture
def publish(start: Start) -> Callable[..., Awaitable[Computing]]:
    """Publish a run with these lines."""

    async def publish(lines: Sequence[str], **parameters: Any) -> Computing:
        computing = await start(**parameters)
        await computing.send(0, lines)
        await computing.publish(lines)
        await computing.report("PUT", "result", result={})
        return computing

    return publish


@pytest.fixture
async def customers(api: Api) -> list[str]:
    """Ids of five customers, in order."""
    ids = []
    for number in range(5):
        wish = {"kind": "organization", "organization_name": f"Shop {number}"}
        ids.append((await api.post("/v1/customers", wish, expect=201))["id"])
    return sorted(ids)


@pytest.fixture
async def hands(app: FastAPI, credentials: tuple[str, str], api: Api) -> AsyncIterator[ApiClient]:
    """The worker's session with the service."""
    transport = ASGITransport(app)
    scope = " ".join(SCOPES)
    async with ApiClient("http://crm.test", *credentials, transport=transport, scope=scope) as client:
        yield client


@pytest.fixture
def compute(api: Api, hands: ApiClient) -> Compute:
    """Start a run, have it done by a worker, and read it."""

    async def compute(
        handler: Handler = analytics.compute_run, *, model: str = "rfm", audience: Any = None, **parameters: Any
    ) -> dict[str, Any]:
        asked = given({"as_of": AS_OF, "currency": "USD", **parameters})
        wish = {"model": model, "parameters": asked, "audience": audience}
        run = await api.post("/v1/analytics/runs", wish, expect=202)
        await work(hands, run, handler)
        found: dict[str, Any] = await api.get(f"/v1/analytics/runs/{run['id']}")
        return found

    return compute
