"""Many customers are tagged, archived and restored by one call: each as if it had been changed alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.customers.operations import ACTION, customer_actions
from crm_api.settings import Settings

from ..calling import Api, problem
from ..jobs.conftest import Worker

PATH = "/v1/customers/actions"
GERMANS = 'country = "DE"'
LOOKED_AT = 3
"""Customers a step looks at in these tests."""
CHANGED = 2
"""Customers a step changes at most in these tests."""


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service, started; a step acts on few customers."""
    made = create_app(settings)
    made.state.job_kinds[ACTION] = customer_actions(made.state.catalog, LOOKED_AT, CHANGED)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def worker(api: Api) -> Worker:
    """A worker that does nothing by itself."""
    return Worker(api, "acting")


async def crowd(api: Api, size: int = 7, **fields: Any) -> list[str]:
    """Register customers P0, P1, …; every third is of Austria, the others of Germany."""
    ids = []
    for number in range(size):
        country = "AT" if number % 3 == 2 else "DE"
        wish = {"display_name": f"P{number}", "addresses": [{"city": "Town", "country": country}], **fields}
        ids.append(str((await api.post("/v1/customers", wish, expect=201))["id"]))
    return ids


async def claimed(api: Api, worker: Worker, wish: dict[str, Any]) -> dict[str, Any]:
    """Ask for an action; answers its job as the worker claimed it."""
    answer = await api.send("POST", PATH, wish, expect=202)
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return await worker.claim_one(job_id=answer.json()["id"])


async def finished(api: Api, worker: Worker, job: dict[str, Any]) -> dict[str, Any]:
    """Run the steps that are left; answers the job as callers read it."""
    while not (await worker.step(job))["done"]:
        pass
    ended: dict[str, Any] = await api.get(f"/v1/jobs/{job['id']}", expect=200)
    return ended


async def done(api: Api, worker: Worker, wish: dict[str, Any]) -> dict[str, Any]:
    """Act; answers the result."""
    ended = await finished(api, worker, await claimed(api, worker, wish))
    assert ended["state"] == "succeeded", ended
    assert {**ended["counts"], "dry_run": wish.get("dry_run", False)} == ended["result"]
    result: dict[str, Any] = ended["result"]
    return result


def counted(selected: int, changed: int, *, dry_run: bool = False, too_many_tags: int = 0) -> dict[str, Any]:
    unchanged = selected - changed - too_many_tags
    told = {"selected": selected, "changed": changed, "unchanged": unchanged, "too_many_tags": too_many_tags}
    return {**told, "dry_run": dry_run}


async def read(api: Api, ids: list[str]) -> list[dict[str, Any]]:
    return [await api.get(f"/v1/customers/{each}", expect=200) for each in ids]


async def events(database: Database, name: str) -> list[OutboxEvent]:
    async with database.session() as session:
        wanted = select(OutboxEvent).where(OutboxEvent.type == name).order_by(OutboxEvent.sequence_number)
        return list(await session.scalars(wanted))


def tagging(*add: str, remove: tuple[str, ...] = (), audience: Any = GERMANS, **more: Any) -> dict[str, Any]:
    return {"audience": audience, "action": "tag", "add_tags": add, "remove_tags": remove, **more}


async def test_an_action_changes_each_as_if_it_was_changed_alone(api: Api, worker: Worker, database: Database) -> None:
    ids = await crowd(api)
    for each in (ids[0], ids[2]):
        await api.patch(f"/v1/customers/{each}", {"tags": ["Lead", "vip"]}, expect=200)
    await api.patch(f"/v1/customers/{ids[1]}", {"tags": ["FAIR 2026"]}, expect=200)
    before = await read(api, ids)
    assert await done(api, worker, tagging("fair 2026", "b2b", remove=("LEAD",))) == counted(5, 5)
    after = await read(api, ids)
    assert [each["tags"] for each in after] == [
        ["b2b", "fair 2026", "vip"],
        ["b2b", "FAIR 2026"],
        ["Lead", "vip"],
        ["b2b", "fair 2026"],
        ["b2b", "fair 2026"],
        [],
        ["b2b", "fair 2026"],
    ]
    for was, now_is in zip(before, after, strict=True):
        moved = {name for name in was if was[name] != now_is[name]}
        assert moved == (set() if was["addresses"][0]["country"] == "AT" else {"tags", "version", "updated_at"})
        assert now_is["version"] == was["version"] + bool(moved)
    # A PATCH of one customer tells the same.
    alone = (await api.send("PATCH", f"/v1/customers/{ids[5]}", {"tags": ["x"]})).json()
    *told, last = await events(database, "customer.changed")
    assert {str(each.customer_id) for each in told[-5:]} == {ids[number] for number in (0, 1, 3, 4, 6)}
    assert (last.data.keys(), last.data["changed"]) == (told[-1].data.keys(), ["tags"])
    assert last.data["version"] == alone["version"]
    assert {each.data["id"]: each.data["version"] for each in told[-5:]} == {
        each["id"]: each["version"] for each in after if each["addresses"][0]["country"] == "DE"
    }
    found = await api.post("/v1/customers/search", {"audience": 'tags has "Fair 2026"'}, expect=200)
    assert len(found["data"]) == 5
    async with database.session() as session:
        wanted = select(AuditEntry).where(AuditEntry.changes["job"].astext.is_not(None))
        entries = (await session.scalars(wanted)).all()
    assert [(each.actor, each.action, each.changes["changed"]) for each in entries] == [
        ("tests", "customer.changed", ["tags"])
    ] * 5


async def test_who_is_as_wished_stays(api: Api, worker: Worker, database: Database) -> None:
    ids = await crowd(api)
    assert await done(api, worker, tagging("a")) == counted(5, 5)
    once = await read(api, ids)
    assert await done(api, worker, tagging("A", remove=("nobody has it",))) == counted(5, 0)
    assert await read(api, ids) == once
    assert len(await events(database, "customer.changed")) == 5


async def test_the_archive(api: Api, worker: Worker, database: Database) -> None:
    ids = await crowd(api)
    archive, restore = ({"audience": GERMANS, "action": action} for action in ("archive", "restore"))
    assert await done(api, worker, archive) == counted(5, 5)
    archived = await read(api, ids)
    assert [each["archived_at"] is not None for each in archived] == [True, True, False, True, True, False, True]
    assert all(each["archived_at"] == each["updated_at"] for each in archived if each["archived_at"])
    assert await done(api, worker, archive) == counted(0, 0)
    assert await done(api, worker, tagging("a")) == counted(0, 0), "the archived are not meant"
    assert await done(api, worker, restore) == counted(5, 5)
    restored = await read(api, ids)
    assert [each["archived_at"] for each in restored] == [None] * 7
    assert [each["version"] for each in restored] == [3, 3, 1, 3, 3, 1, 3]
    for name in ("customer.archived", "customer.restored"):
        told = await events(database, name)
        assert [each.data["changed"] for each in told] == [["archived_at"]] * 5


async def test_a_dry_run_changes_nothing(api: Api, worker: Worker, database: Database) -> None:
    ids = await crowd(api)
    await api.patch(f"/v1/customers/{ids[0]}", {"tags": ["a"]}, expect=200)
    before = await read(api, ids)
    told = len(await events(database, "customer.changed"))
    assert await done(api, worker, tagging("a", dry_run=True)) == counted(5, 4, dry_run=True)
    assert await done(api, worker, {"audience": GERMANS, "action": "archive", "dry_run": True}) == counted(
        5, 5, dry_run=True
    )
    assert await read(api, ids) == before
    assert len(await events(database, "customer.changed")) == told
    assert await events(database, "customer.archived") == []


async def test_who_has_no_room_for_tags_is_counted_and_left_alone(api: Api, worker: Worker) -> None:
    full, room = await crowd(api, 2)
    tags = [f"t{number:03}" for number in range(100)]
    await api.patch(f"/v1/customers/{full}", {"tags": tags}, expect=200)
    assert await done(api, worker, tagging("new")) == counted(2, 1, too_many_tags=1)
    assert [each["tags"] for each in await read(api, [full, room])] == [tags, ["new"]]
    assert await done(api, worker, tagging("new", remove=("t000",))) == counted(2, 1)
    assert (await read(api, [full]))[0]["tags"] == ["new", *tags[1:]]


async def test_a_killed_step_is_undone_and_done_again(api: Api, worker: Worker, database: Database) -> None:
    ids = await crowd(api)
    job = await claimed(api, worker, tagging("a"))
    first = await worker.step(job)
    assert first["counts"] == {"selected": 2, "changed": 2, "unchanged": 0, "too_many_tags": 0}
    async with database.session() as blocker:
        await blocker.execute(text("LOCK outbox_event IN SHARE MODE"))  # it has changed customers, and is about to tell
        step = asyncio.create_task(worker.step(job, expect=503))
        await kill_the_blocked(blocker)
        await step
    assert [each["version"] for each in await read(api, ids)] == [2, 2, 1, 1, 1, 1, 1]
    ended = await finished(api, worker, job)
    assert ended["result"] == counted(5, 5)
    assert [each["version"] for each in await read(api, ids)] == [2, 2, 1, 2, 2, 1, 2]
    assert len(await events(database, "customer.changed")) == 5


async def kill_the_blocked(session: AsyncSession) -> None:
    """Wait until a connection waits for a lock, and end it."""
    blocked = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while not (await session.scalars(blocked)).all():
        await asyncio.sleep(0.02)


async def test_a_cancelled_action_stops(api: Api, worker: Worker) -> None:
    ids = await crowd(api)
    job = await claimed(api, worker, tagging("a"))
    assert 0 < (await worker.step(job))["progress"] < 1
    await api.post(f"/v1/jobs/{job['id']}/cancel", expect=200)
    assert (await worker.step(job))["state"] == "cancelled"
    assert [each["tags"] for each in await read(api, ids)] == [["a"], ["a"], [], [], [], [], []]


async def test_the_moment_is_fixed_and_each_is_looked_at_once(api: Api, worker: Worker) -> None:
    """An action that takes away what it asks for still reaches all, and nobody who came later."""
    ids = await crowd(api, tags=["lead"])
    job = await claimed(api, worker, tagging("won", remove=("lead",), audience='tags has "lead"'))
    [late] = await crowd(api, 1, tags=["lead"])
    assert (await finished(api, worker, job))["result"] == counted(7, 7)
    assert [each["tags"] for each in await read(api, [*ids, late])] == [["won"]] * 7 + [["lead"]]


async def test_a_change_meanwhile_is_kept(api: Api, worker: Worker, database: Database) -> None:
    [person] = await crowd(api, 1)
    job = await claimed(api, worker, tagging("a"))
    async with database.session() as other:
        await other.execute(text("SELECT FROM customer FOR UPDATE"))
        step = asyncio.create_task(worker.step(job))
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        while not await other.scalar(waiting):
            await asyncio.sleep(0.02)
        await other.execute(text("UPDATE customer SET language = 'de', version = version + 1"))
    assert (await step)["state"] == "succeeded"
    [now_is] = await read(api, [person])
    assert (now_is["language"], now_is["tags"], now_is["version"]) == ("de", ["a"], 3)


async def test_a_live_segment_follows(api: Api, worker: Worker) -> None:
    await crowd(api)
    made = await api.post("/v1/segments", {"name": "Fair", "definition": 'tags has "fair 2026"'}, expect=201)
    segment = f"/v1/segments/{made['id']}"
    build = await api.post(f"{segment}/builds", expect=202)
    await finished(api, worker, await worker.claim_one(job_id=build["id"]))
    await done(api, worker, tagging("fair 2026"))
    while jobs := await worker.claim():
        for job in jobs:
            await finished(api, worker, job)
    members = await api.get(f"{segment}/members", expect=200)
    assert [each["display_name"] for each in members["data"]] == ["P0", "P1", "P3", "P4", "P6"]
    by_name = {"audience": 'in_segment("Fair")', "action": "archive"}
    assert await done(api, worker, by_name) == counted(5, 5), "a static list is acted on by its segment's name"


async def test_an_idempotency_key_makes_one_job(api: Api) -> None:
    await crowd(api, 1)
    key = {"Idempotency-Key": "once"}
    first = await api.send("POST", PATH, tagging("a"), headers=key, expect=202)
    again = await api.send("POST", PATH, tagging("a"), headers=key, expect=202)
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (first.json()["id"], "true")
    assert again.headers["location"] == first.headers["location"]
    await api.post(PATH, tagging("b"), headers=key, expect=422)


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"action": "archive"}, "/audience"),
        ({"audience": None, "action": "archive"}, "/audience"),
        ({"audience": GERMANS}, "/action"),
        ({"audience": GERMANS, "action": "erase"}, "/action"),
        ({"audience": GERMANS, "action": "tag"}, ""),
        ({"audience": GERMANS, "action": "archive", "add_tags": ["a"]}, ""),
        (tagging("a", remove=("A",)), ""),
        (tagging("a", " "), "/add_tags/1"),
        (tagging(*(f"t{number}" for number in range(101))), "/add_tags"),
        (tagging("a", archived=True), "/archived"),
    ],
)
async def test_a_wish_that_says_too_little_or_too_much_is_refused(
    api: Api, database: Database, wish: dict[str, Any], pointer: str
) -> None:
    refused = await api.post(PATH, wish, expect=problem("invalid-request", 422))
    assert pointer in [error["pointer"] for error in refused["errors"]], refused
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM job")) == 0


async def test_an_audience_is_refused_as_search_refuses_it(api: Api) -> None:
    for audience in ('contry = "DE"', {"field": "contry", "eq": "DE"}, 'in_segment("None such")', 'context.page = "x"'):
        told = [
            await api.post(path, body, expect=problem("invalid-audience", 422))
            for path, body in (
                ("/v1/customers/search", {"audience": audience}),
                (PATH, {"audience": audience, "action": "archive"}),
            )
        ]
        assert told[0]["errors"] == told[1]["errors"]


async def test_it_takes_the_right_to_read_and_to_write(api: Api, anonymous: Api, credentials: tuple[str, str]) -> None:
    for scope in ("customers:read", "customers:write"):
        weak = anonymous.bearing(await anonymous.token(*credentials, scope))
        await weak.post(PATH, tagging("a"), expect=problem("insufficient-scope", 403))
