"""Laws of the feed under many writers, relays and readers at once: each event once, in order, none missing."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from crm_api.core.clock import now
from crm_api.core.db import Database, close, driver
from crm_api.core.ids import new_id
from crm_api.core.trail import emit
from crm_api.events import operations

from ..calling import Api
from ..serving import served
from .reading import Event, received

WRITERS = 8
CHANGES = 25


class Undone(Exception):
    """What a writer, or a relay, dies of."""


@dataclass
class Change:
    """What a writer knows of one change: its events, and when it was begun and committed."""

    names: list[str]
    began_at: float
    ended_at: float = 0.0


@dataclass
class Writing:
    """Everything that was committed."""

    changes: list[Change] = field(default_factory=list)
    is_over: bool = False

    @property
    def names(self) -> set[str]:
        return {name for change in self.changes for name in change.names}


async def _write(database: Database, chance: random.Random, writing: Writing) -> None:
    """Make changes, each of which stays open for a while between its last statement and its commit, or is undone."""
    for _ in range(CHANGES):
        change = Change([str(new_id()) for _ in range(chance.randint(1, 4))], time.monotonic())
        try:
            async with database.session() as session:
                await driver(session)
                for name in change.names:
                    told = {"id": name, "customer_id": name, "kind": "page.viewed", "occurred_at": now()}
                    emit(session, "touchpoint.recorded", told)
                await close(session)
                await asyncio.sleep(chance.choice((0, 0, 0.002, 0.02, 0.2)))
                if chance.random() < 0.2:
                    raise Undone
        except Undone:
            continue
        change.ended_at = time.monotonic()
        writing.changes.append(change)


async def _relay(database: Database, chance: random.Random, writing: Writing) -> None:
    """Place, and die in the middle of it now and then."""
    while not writing.is_over:
        try:
            async with database.session() as session:
                await operations.place(session)
                await asyncio.sleep(chance.choice((0, 0.01)))
                if chance.random() < 0.3:
                    raise Undone
        except Undone:
            pass
        await asyncio.sleep(chance.random() * 0.01)


async def _read(api: Api, chance: random.Random, writing: Writing) -> list[Event]:
    events: list[Event] = []
    after, was_over = 0, False
    while True:
        was_over = writing.is_over
        page = await api.get(f"/v1/events?after={after}&limit={chance.randint(1, 50)}")
        events += page["data"]
        after = page["next_after"]
        if was_over and not page["has_more"]:
            return events
        await asyncio.sleep(chance.random() * 0.01)


async def _stream(app: FastAPI, api: Api, chance: random.Random, writing: Writing) -> list[Event]:
    """Follow the stream of a real server, break off after a few events, and come back."""
    events: list[Event] = []
    headers = {**api.headers, "Accept": "text/event-stream"}
    async with served(app) as (host, port), AsyncClient(base_url=f"http://{host}:{port}", timeout=30) as client:
        while not writing.is_over or writing.names - {event["data"]["id"] for event in events}:
            patience = chance.randint(1, 20)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1), client.stream("GET", "/v1/events?after=0", headers=headers) as answer:
                    assert answer.status_code == 200
                    async for id, event in received(answer):
                        headers["Last-Event-ID"] = id
                        if event is not None:
                            assert str(event["position"]) == id
                            events.append(event)
                            patience -= 1
                        if patience == 0:
                            break
    return events


def _check(events: list[Event], writing: Writing) -> None:
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    place = {event["data"]["id"]: event["position"] for event in events}
    assert len(place) == len(events)
    assert set(place) == writing.names
    for change in writing.changes:
        places = [place[name] for name in change.names]
        assert places == sorted(places), "events of one change stand in the order in which they were told"
        for other in writing.changes:
            if change.ended_at < other.began_at:
                assert max(places) < min(place[name] for name in other.names), "what was begun later stands behind"


@pytest.mark.parametrize("seed", range(3))
async def test_every_committed_event_is_read_once_and_in_order(
    api: Api, app: FastAPI, database: Database, seed: int
) -> None:
    chance, writing = random.Random(seed), Writing()

    def another() -> random.Random:
        return random.Random(chance.random())

    async def write() -> None:
        await asyncio.gather(*(_write(database, another(), writing) for _ in range(WRITERS)))
        writing.is_over = True

    reading = asyncio.gather(*(_read(api, another(), writing) for _ in range(2)), _stream(app, api, another(), writing))
    await asyncio.gather(write(), *(_relay(database, another(), writing) for _ in range(2)))
    for events in await reading:
        _check(events, writing)
    assert len(writing.names) > 100
