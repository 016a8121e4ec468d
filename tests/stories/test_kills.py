"""Killed by process id: what was acknowledged is there once, nothing is half done, and sending again mends the rest."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import HTTPError
from sqlalchemy import text

from ..calling import Api
from ..live import Service

ORDERS = 30_000
ITEMS = 2
pytestmark = pytest.mark.xdist_group("live")
NDJSON = {"Content-Type": "application/x-ndjson"}


def order(number: int) -> bytes:
    document = {
        "customer": {"system": "shop", "external_id": str(number % 50)},
        "kind": "order.placed",
        "occurred_at": f"2026-01-{number % 28 + 1:02}T12:00:00Z",
        "source": "shop",
        "source_id": f"order-{number}",
        "amount": {"amount": "3.00", "currency": "USD"},
        "items": [
            {"sku": f"sku-{line}", "quantity": "1", "paid_amount": "1.50", "list_amount": "2.00"}
            for line in range(ITEMS)
        ],
    }
    return json.dumps(document).encode() + b"\n"


async def customers(api: Api) -> None:
    lines = [
        {"kind": "person", "display_name": f"C {n}", "external_ids": [{"system": "shop", "external_id": str(n)}]}
        for n in range(50)
    ]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    await api.send("POST", "/v1/customers/batch", content=content, headers=NDJSON, expect=200)


async def upload(killed: asyncio.Event) -> AsyncIterator[bytes]:
    """Send half of it, and the rest when something has been killed."""
    for start in range(0, ORDERS, 1000):
        if start == ORDERS // 2:
            await killed.wait()
        yield b"".join(order(number) for number in range(start, start + 1000))


async def stored(service: Service) -> dict[str, Any]:
    """Look into the tables: orders, their items, the audit's and the outbox's count of them."""
    async with service.database() as database, database.session() as session:
        row = await session.execute(
            text(
                """
                SELECT (SELECT count(*) FROM touchpoint) AS orders, (SELECT count(*) FROM order_item) AS items,
                  (SELECT coalesce(sum((changes->>'created')::int), 0) FROM audit_entry
                     WHERE action = 'touchpoints.loaded') AS audited,
                  (SELECT coalesce(sum((data->>'created')::int), 0) FROM outbox_event
                     WHERE type = 'touchpoints.loaded') AS told
                """
            )
        )
        return dict(row.mappings().one())


async def send_all(api: Api) -> dict[str, int]:
    content = b"".join(order(number) for number in range(ORDERS))
    answer = await api.send("POST", "/v1/touchpoints/batch", content=content, headers=NDJSON, expect=200)
    return dict(json.loads(answer.text.splitlines()[-1])["summary"])


async def killed_in_a_batch(service: Service, kill: Callable[[], None]) -> None:
    async with service.caller() as api:
        await customers(api)
        killed = asyncio.Event()
        sending = asyncio.create_task(
            api.client.post("/v1/touchpoints/batch", content=upload(killed), headers={**api.headers, **NDJSON})
        )
        while not (await stored(service))["orders"]:
            await asyncio.sleep(0.01)
        kill()
        killed.set()
        try:
            answer = await sending
        except HTTPError:
            return  # the connection broke: nothing was acknowledged
        assert answer.status_code in (500, 503), answer.text


async def check(service: Service) -> None:
    """What is there is whole; sending everything again adds exactly the rest; daily facts end up exact."""
    before = await stored(service)
    assert 0 < before["orders"] < ORDERS
    assert before["items"] == before["orders"] * ITEMS
    assert before["orders"] == before["audited"] == before["told"]
    async with service.caller() as api:
        summary = await send_all(api)
        assert summary == {
            "received": ORDERS,
            "created": ORDERS - before["orders"],
            "repeated": before["orders"],
            "rejected": 0,
        }
        after = await stored(service)
        assert (after["orders"], after["items"], after["audited"]) == (ORDERS, ORDERS * ITEMS, ORDERS)
        await daily_facts_are_exact(service)


async def daily_facts_are_exact(service: Service) -> None:
    """The worker has recomputed every marked day: 3.00 for each order."""
    async with service.database() as database:
        for _ in range(600):
            async with database.session() as session:
                if not await session.scalar(text("SELECT count(*) FROM customer_day_dirty")):
                    break
            await asyncio.sleep(0.1)
        async with database.session() as session:
            facts = (
                await session.execute(
                    text("SELECT sum(order_count), sum(net_minor), sum(line_count) FROM customer_day")
                )
            ).one()
    assert tuple(facts) == (ORDERS, ORDERS * 300, ORDERS * ITEMS)


async def test_the_api_is_killed_in_a_batch(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        await killed_in_a_batch(service, service.kill_api)
        await service.start_api()
        await service.ready()
        await check(service)


async def test_postgresql_is_killed_in_a_batch(tmp_path: Path) -> None:
    async with Service(tmp_path) as service:
        await killed_in_a_batch(service, service.kill_postgres)
        await service.start_postgres()
        await service.ready(10)  # without a restart of the API or the worker
        await check(service)


async def test_redis_is_flushed_and_the_worker_killed_while_work_waits(tmp_path: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        await customers(api)
        service.kill_worker()
        assert (await send_all(api))["created"] == ORDERS
        service.flush_redis()
        await service.start_worker()
        await daily_facts_are_exact(service)
