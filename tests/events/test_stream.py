"""The change feed as a stream: fresh, resumable, and refused before it begins where it must be."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api, problem
from ..serving import served
from ..test_metrics import scraped
from .reading import Event, received
from .test_feed import write

SSE = {"Accept": "text/event-stream"}
Blocks = AsyncIterator[tuple[str, Event | None]]


@asynccontextmanager
async def following(app: FastAPI, api: Api, query: str = "", **headers: str) -> AsyncIterator[Blocks]:
    """Lend an open stream, of a process that has not looked at the feed of another test a moment ago."""
    await asyncio.sleep(0.3)
    sent = {**api.headers, **SSE, **headers}
    async with (
        served(app) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20) as client,
        client.stream("GET", f"/v1/events{query}", headers=sent) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield received(answer)


async def told(blocks: Blocks, most: int) -> list[tuple[str, Event | None]]:
    """Read so many blocks."""
    async with asyncio.timeout(10):
        return [await anext(blocks) for _ in range(most)]


async def test_events_arrive_within_a_second_without_a_worker(app: FastAPI, api: Api, database: Database) -> None:
    await write(database, "customer.changed")
    async with following(app, api, "?after=latest") as blocks:
        assert await told(blocks, 1) == [("1", None)]
        for version in (2, 3, 4):
            began = time.monotonic()
            await write(database, "customer.changed", version=version)
            [(id, event)] = await told(blocks, 1)
            assert time.monotonic() - began < 1
            assert event is not None
            assert (id, event["position"], event["data"]["version"]) == (str(version), version, version)
        page = await api.get("/v1/events?after=3")
        assert page["data"] == [event]  # a stream tells what pages tell


async def test_a_reader_goes_on_where_it_was(app: FastAPI, api: Api, database: Database) -> None:
    for _ in range(5):
        await write(database, "customer.changed")
    async with following(app, api) as blocks:
        seen = await told(blocks, 3)
    assert [id for id, _ in seen] == ["0", "1", "2"]
    returning = {"Last-Event-ID": seen[-1][0]}
    async with following(app, api, "?after=0", **returning) as blocks:  # the header counts, as browsers send both
        assert [id for id, _ in await told(blocks, 4)] == ["2", "3", "4", "5"]


async def test_what_is_passed_by_is_noted(app: FastAPI, api: Api, database: Database) -> None:
    """A reader of a rare type need not look through everything again when it comes back."""
    await write(database, "segment.changed", *["customer.changed"] * 20)
    async with following(app, api, "?type=segment.*") as blocks:
        [_, (id, event), noted] = await told(blocks, 3)
        assert event is not None
        assert (id, event["type"], noted) == ("1", "segment.changed", ("21", None))


async def test_streams_are_counted(app: FastAPI, api: Api, database: Database) -> None:
    assert (await scraped(app))("crm_feed_streams") == 0
    async with following(app, api) as blocks:
        await told(blocks, 1)
        assert (await scraped(app))("crm_feed_streams") == 1
    for attempt in count():
        if (await scraped(app))("crm_feed_streams") == 0:
            break
        assert attempt < 100
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("id", "code"), [("99", "position-ahead"), ("x", "not-a-position"), ("-1", "not-a-position")])
async def test_an_id_that_was_never_told_is_refused(api: Api, id: str, code: str) -> None:
    refused = await api.get("/v1/events", headers={**SSE, "Last-Event-ID": id}, expect=problem("invalid-request", 422))
    assert (refused["errors"][0]["code"], refused["errors"][0]["in"]) == (code, "header")


async def test_a_reader_that_was_away_for_too_long_is_told(api: Api, database: Database) -> None:
    await write(database, *["customer.changed"] * 3)
    await api.post("/v1/events/placements")
    async with database.session() as session:
        await session.execute(text("UPDATE outbox_event SET occurred_at = occurred_at - interval '40 days'"))
    await api.post("/v1/events/placements")
    gone = await api.get("/v1/events", headers={**SSE, "Last-Event-ID": "1"}, expect=problem("events-gone", 410))
    assert gone["oldest_after"] == 3


async def test_other_forms_are_not_offered(api: Api) -> None:
    await api.get("/v1/events", headers={"Accept": "text/csv"}, expect=problem("not-acceptable", 406))
