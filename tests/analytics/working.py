"""Trade to be scored, and a worker that scores it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import polars as pl

from crm_api.client import ApiClient, jobs
from workers import analytics
from workers.doing import do_by_hand
from workers.work import Handler

from ..calling import Api

AS_OF = "2024-01-01"
NDJSON = {"Content-Type": "application/x-ndjson"}
Fact = tuple[int, str, str, str | None]
"""Number of the customer, kind, time, amount."""
Compute = Callable[..., Awaitable[dict[str, Any]]]


async def work(hands: ApiClient, run: dict[str, Any], handler: Handler = analytics.compute_run) -> None:
    """Do one attempt at a run's job."""
    [job] = await jobs.claim_jobs(hands, "tests", 1, job_id=run["job_id"])
    await do_by_hand(hands, job, handler)


def in_ranges_of(customers: int) -> Handler:
    return partial(analytics.compute_run, customers=customers)


async def register(api: Api, count: int) -> list[str]:
    """Ids of new customers, in order."""
    wishes = [{"kind": "organization", "organization_name": f"Shop {number}"} for number in range(count)]
    made = await asyncio.gather(*(api.post("/v1/customers", wish, expect=201) for wish in wishes))
    return sorted(customer["id"] for customer in made)


async def record(api: Api, customers: list[str], facts: list[Fact], currency: str = "USD") -> None:
    """Record what happened."""
    lines = [
        {
            "customer_id": customers[number],
            "kind": kind,
            "occurred_at": at,
            "amount": None if amount is None else {"amount": amount, "currency": currency},
        }
        for number, kind, at, amount in facts
    ]
    await load(api, "touchpoints", [orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines])


async def load(api: Api, what: str, lines: list[bytes]) -> None:
    """Load lines in requests of 20,000; all must be taken."""
    for first in range(0, len(lines), 20_000):
        some = lines[first : first + 20_000]
        answer = await api.send("POST", f"/v1/{what}/batch", content=b"".join(some), headers=NDJSON, expect=200)
        assert orjson.loads(answer.text.splitlines()[-1])["summary"]["created"] == len(some), answer.text[:2000]


def purchases(customers: int) -> list[Fact]:
    """A year of trade: some buy often, some much, some late; some took things back."""
    facts: list[Fact] = []
    for number in range(customers):
        for time in range(number % 7 + 1):
            at = datetime(2023, 1 + (number + time) % 12, 1 + number % 28, 9, time, tzinfo=UTC)
            facts.append((number, "order.placed", at.isoformat(), f"{number * 7 + time}.{time}5"))
        if number % 5 == 0:
            facts.append((number, "order.refunded", "2023-11-30T10:00:00.250Z", "3.10"))
    return facts


async def streamed(api: Api) -> pl.DataFrame:
    """All current scores."""
    answer = await api.send("GET", "/v1/scores/rfm", headers={"Accept": "text/csv"}, expect=200)
    return pl.read_csv(answer.content)
