"""Real processes: the feed is placed, told and complete, whoever dies on the way."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import func, select

from crm_api.client import ApiFailure
from crm_api.client.customers import register_customer
from crm_api.client.events import follow_events, list_events
from crm_api.core.trail import OutboxEvent
from crm_api.events.schemas import EventRead

from ..live import Service
from .reading import read_all

pytestmark = pytest.mark.xdist_group("live")
PEOPLE = 40


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for all tests of this file; each leaves it whole."""
    async with Service(tmp_path_factory.mktemp("service")) as started:
        yield started


async def unplaced(service: Service) -> int:
    async with service.database() as database, database.session() as session:
        waiting = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.position.is_(None))
        return (await session.scalars(waiting)).one()


async def test_events_are_placed_while_nobody_reads(service: Service) -> None:
    async with service.client() as api:
        await register_customer(api, {"kind": "person", "given_name": "Ann"})
    until = time.monotonic() + 10
    while await unplaced(service):
        assert time.monotonic() < until
        await asyncio.sleep(0.2)


async def test_a_stream_ends_in_order_when_the_service_stops(service: Service) -> None:
    async with service.caller() as api:
        headers = {**api.headers, "Accept": "text/event-stream"}
        async with api.client.stream("GET", "/v1/events?after=latest", headers=headers) as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("retry:")
            began = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(service.api.stop))
            async for _ in lines:  # a stream that is cut off raises
                pass
            await stopping
            assert time.monotonic() - began < 4  # the server would have waited for five seconds
    assert service.api.returncode in (0, -15)
    await service.start_api()
    await service.ready()


async def _register(service: Service, number: int) -> None:
    async with service.client() as api:
        await register_customer(api, {"kind": "person", "given_name": f"P{number}"}, idempotency_key=f"person-{number}")


async def _follow(service: Service, after: int, told: list[EventRead]) -> None:
    """Follow the feed through everything; what the client gives up on, the reader begins again."""
    while True:
        try:
            async with service.client() as api:
                async for event in follow_events(api, after=told[-1].position if told else after):
                    told.append(event)
        except (ApiFailure, httpx.HTTPError):
            await asyncio.sleep(0.1)


async def test_killed_services_and_workers_lose_and_repeat_nothing(service: Service) -> None:
    chance, told = random.Random(7), list[EventRead]()
    async with service.client() as api:
        first = (await list_events(api, after="latest")).next_after
    following = asyncio.create_task(_follow(service, first, told))
    writing = asyncio.gather(*(_register(service, number) for number in range(PEOPLE)))
    for _ in range(3):
        await asyncio.sleep(chance.random())
        service.kill_worker()
        service.kill_api()
        await service.start_api()
        await service.start_worker()
    await writing
    async with service.caller() as caller:
        events = await read_all(caller, first)
    registered = [event for event in events if event["type"] == "customer.registered"]
    assert len({event["customer_id"] for event in registered}) == len(registered) == PEOPLE
    assert [event["position"] for event in events] == list(range(first + 1, first + 1 + len(events)))
    until = time.monotonic() + 15
    while len(told) < len(events):
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    following.cancel()
    assert [(event.position, str(event.id)) for event in told] == [(event["position"], event["id"]) for event in events]
