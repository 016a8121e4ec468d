"""The change feed as pages: complete, in order, filtered, and for those who may see it."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from crm_api.core.db import Database, close, driver
from crm_api.core.ids import new_id
from crm_api.core.trail import emit
from crm_api.events import operations

from ..calling import Api, problem
from .reading import read_all

TOLD = {"id": "0198c5a0-0000-7000-8000-000000000001", "version": 2, "changed": []}


async def write(database: Database, *types: str, **data: Any) -> None:
    """Commit events of these types in one change."""
    async with database.session() as session:
        for each in types:
            emit(session, each, {**TOLD, **data})


async def place(database: Database) -> operations.Placed | None:
    async with database.session() as session:
        return await operations.place(session)


async def test_what_was_answered_is_in_the_feed(api: Api) -> None:
    made = await api.post("/v1/customers", {"kind": "person", "given_name": "Ann"}, expect=201)
    answer = await api.send("GET", "/v1/events", expect=200)
    page = answer.json()
    [event] = page["data"]
    assert (
        event
        | {
            "position": 1,
            "type": "customer.registered",
            "customer_id": made["id"],
            "data": {"id": made["id"], "version": 1},
        }
        == event
    )
    assert (page["next_after"], page["has_more"]) == (1, False)
    assert answer.headers["cache-control"] == "no-store"
    await api.patch(f"/v1/customers/{made['id']}", {"given_name": "Bea"}, expect=200)
    [changed] = (await api.get("/v1/events?after=1"))["data"]
    assert (changed["position"], changed["data"]["version"]) == (2, 2)
    assert (await api.get("/v1/events?after=2"))["data"] == []


async def test_pages_follow_each_other(api: Api, database: Database) -> None:
    for number in range(25):
        await write(database, "customer.changed", version=number + 1)
    answer = await api.send("GET", "/v1/events?limit=10", expect=200)
    assert answer.headers["link"] == '</v1/events?limit=10&after=10>; rel="next"'
    events = await read_all(api, limit=10)
    assert [event["position"] for event in events] == list(range(1, 26))
    assert [event["data"]["version"] for event in events] == list(range(1, 26))
    assert len({event["id"] for event in events}) == 25


async def test_latest_is_behind_everything(api: Api, database: Database) -> None:
    await write(database, "customer.changed", "customer.changed")
    page = await api.get("/v1/events?after=latest")
    assert (page["data"], page["next_after"]) == ([], 2)


async def test_types_are_chosen_by_name_and_by_beginning(api: Api, database: Database) -> None:
    await write(database, "customer.changed", "segment.changed", "customer.restored", "customer.changed")
    for query, positions in {
        "type=customer.changed": [1, 4],
        "type=customer.*": [1, 3, 4],
        "type=segment.*&type=customer.restored": [2, 3],
        "type=segment.archived": [],
    }.items():
        page = await api.get(f"/v1/events?{query}")
        assert [event["position"] for event in page["data"]] == positions, query
        assert page["next_after"] == 4
    first = await api.get("/v1/events?type=customer.*&limit=2")
    assert (first["next_after"], first["has_more"]) == (3, True)


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("type=customer.chnged", "/type", "customer.changed"),
        ("type=segments.*", "/type", "no type segments.*"),
        ("after=7", "/after", "come to 1"),
        ("after=-1", "/after", ""),
        ("after=soon", "/after", ""),
        ("limit=201", "/limit", ""),
        ("until=7", "/until", ""),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    api: Api, database: Database, query: str, pointer: str, words: str
) -> None:
    await write(database, "segment.changed")
    refused = await api.get(f"/v1/events?{query}", expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"].startswith(pointer)
    assert refused["errors"][0]["in"] == "query"
    assert words in refused["errors"][0]["detail"]


async def test_a_rare_type_is_found_behind_many_others(api: Api, database: Database) -> None:
    await write(database, *["customer.changed"] * 25_000, "segment.changed")
    page = await api.get("/v1/events?type=segment.*")
    assert [event["position"] for event in page["data"]] == [25_001]
    assert (page["next_after"], page["has_more"]) == (25_001, False)


async def test_a_change_that_was_open_for_long_comes_later(api: Api, database: Database) -> None:
    """Its number is the lower one, and readers have passed it by: it gets a place behind what they have read."""
    async with database.session() as slow:
        await driver(slow)
        emit(slow, "customer.changed", {**TOLD, "version": 1})
        await close(slow)
        await write(database, "customer.changed", version=2)
        assert [event["data"]["version"] for event in await read_all(api)] == [2]
    events = await read_all(api)
    assert [(event["position"], event["data"]["version"]) for event in events] == [(1, 2), (2, 1)]


async def test_order_is_that_of_writing_whatever_clocks_say(api: Api, database: Database) -> None:
    """Ids are made by the clocks of machines that differ; a change that followed another one stays behind it."""
    early, late = new_id(), new_id()
    for id, version in ((late, 1), (early, 2)):
        await write(database, "customer.changed", version=version)
        async with database.session() as session:
            wanted = text("UPDATE outbox_event SET id = :id WHERE data->>'version' = :version")
            await session.execute(wanted, {"id": id, "version": str(version)})
    assert [event["data"]["version"] for event in await read_all(api)] == [1, 2]


async def test_an_undone_round_leaves_nothing(api: Api, database: Database) -> None:
    """A relay that is killed in the middle has done nothing; the next one gives the same places."""
    await write(database, "customer.changed", "customer.changed")

    async def killed() -> None:
        async with database.session() as session:
            placed = await operations.place(session)
            assert placed == operations.Placed(2, 2)
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await killed()
    assert await place(database) == operations.Placed(2, 2)
    assert [event["position"] for event in await read_all(api)] == [1, 2]


async def test_of_two_relays_one_works(api: Api, database: Database) -> None:
    await write(database, "customer.changed")
    async with database.session() as session:
        assert await operations.place(session) == operations.Placed(1, 1)
        assert await place(database) is None
        told = await api.post("/v1/events/placements", expect=200)
        assert told == {"placed": 0, "dropped": 0, "last_position": None, "has_more": False}
        reading = asyncio.create_task(api.get("/v1/events"))
        await asyncio.sleep(0.1)
        assert not reading.done()  # what was committed is in the page, so it waits for the other relay
    assert [event["position"] for event in (await reading)["data"]] == [1]


async def test_the_relay_places_in_batches(api: Api, database: Database) -> None:
    await write(database, *["customer.changed"] * 6_000)
    first = await api.post("/v1/events/placements", expect=200)
    assert first == {"placed": 5_000, "dropped": 0, "last_position": 5_000, "has_more": True}
    second = await api.post("/v1/events/placements", expect=200)
    assert second == {"placed": 1_000, "dropped": 0, "last_position": 6_000, "has_more": False}


async def test_old_events_are_dropped_from_the_beginning(api: Api, app: FastAPI, database: Database) -> None:
    await write(database, *["customer.changed"] * 10)
    assert (await api.post("/v1/events/placements"))["dropped"] == 0
    async with database.session() as session:  # the sixth is young, and keeps those behind it
        old = "UPDATE outbox_event SET occurred_at = occurred_at - interval '31 days' WHERE position <> 6"
        await session.execute(text(old))
    assert (await api.post("/v1/events/placements"))["dropped"] == 5
    assert (await api.post("/v1/events/placements"))["dropped"] == 0
    for after in (0, 4):
        gone = await api.get(f"/v1/events?after={after}", expect=problem("events-gone", 410))
        assert gone["oldest_after"] == 5
    assert [event["position"] for event in await read_all(api, gone["oldest_after"])] == [6, 7, 8, 9, 10]
    assert (await api.get("/v1/events"))["data"][0]["position"] == 6
    async with database.session() as session:
        await session.execute(text("UPDATE outbox_event SET occurred_at = occurred_at - interval '31 days'"))
    assert (await api.post("/v1/events/placements"))["dropped"] == 5
    await write(database, "customer.changed")
    assert [event["position"] for event in (await api.get("/v1/events"))["data"]] == [11]


async def test_the_types_are_described(api: Api) -> None:
    types = {each["type"]: each for each in (await api.get("/v1/events/types"))["data"]}
    assert types["customer.changed"]["data_schema"]["required"] == ["id", "version", "changed"]
    assert all(each["description"].endswith(".") for each in types.values())
    some = await api.get("/v1/events/types?type=segment.*&type=customer.changed")
    assert {each["type"].partition(".")[0] for each in some["data"]} == {"segment", "customer"}
    await api.get("/v1/events/types?type=seldom", expect=problem("invalid-request", 422))


async def test_scopes_are_needed(anonymous: Api, credentials: tuple[str, str]) -> None:
    reader = anonymous.bearing(await anonymous.token(*credentials, "events:read"))
    await reader.get("/v1/events", expect=200)
    await reader.get("/v1/events/types", expect=200)
    await reader.post("/v1/events/placements", expect=problem("insufficient-scope", 403))
    other = anonymous.bearing(await anonymous.token(*credentials, "customers:read"))
    await other.get("/v1/events", expect=problem("insufficient-scope", 403))
    await other.get("/v1/events/types", expect=problem("insufficient-scope", 403))
