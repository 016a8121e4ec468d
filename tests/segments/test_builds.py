"""Builds: range by range, seen at once, undone when they end early."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.jobs.models import Job
from crm_api.segments.models import Membership

from ..calling import Api, problem
from ..jobs.conftest import Worker
from .conftest import STEP, Builder, Register

GERMANS = {"field": "country", "eq": "DE"}


async def events(database: Database) -> list[dict[str, Any]]:
    """What was told of publications."""
    wanted = select(OutboxEvent.data).where(OutboxEvent.type == "segment.published").order_by(OutboxEvent.id)
    async with database.session() as session:
        return list((await session.scalars(wanted)).all())


async def rows(database: Database) -> int:
    """Count memberships, visible or not."""
    async with database.session() as session:
        return (await session.scalars(select(func.count()).select_from(Membership))).one()


async def move(api: Api, customer_id: str, country: str) -> None:
    await api.patch(f"/v1/customers/{customer_id}", {"addresses": [{"city": "Town", "country": country}]}, expect=200)


async def test_a_build_finds_the_members_and_tells_once(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    for number in range(4):
        await register(f"German {number}", country="DE")
        await register(f"Austrian {number}", country="AT")
    segment_id = await builder.define("Germans", GERMANS)
    job = await builder.request(segment_id)
    assert (await builder.read(segment_id))["status"] == "building"
    said = await builder.finish(job)
    assert len(said) == 1 + 8 // STEP + 1 + 1, "the watch, three ranges, and the publication"
    assert [each["counts"].get("entered") for each in said] == [None, 2, 3, 4, 4]
    segment = await builder.read(segment_id)
    assert {"status": "built", "build": 1, "built_version": 1, "member_count": 4}.items() <= segment.items()
    assert segment["job_id"] == job["id"]
    assert await builder.members(segment_id) == [f"German {number}" for number in range(4)]
    told = {"id": segment_id, "build": 1, "definition_version": 1, "entered": 4, "left": 0, "members": 4}
    assert await events(database) == [told]
    finished = await api.get(f"/v1/jobs/{job['id']}", expect=200)
    assert finished["result"] == {name: value for name, value in told.items() if name != "id"}
    async with database.session() as session:
        actions = await session.scalars(select(AuditEntry.action).where(AuditEntry.resource_id == segment_id))
        assert sorted(actions) == ["segment.build-requested", "segment.defined", "segment.published"]


async def test_writes_that_know_nothing_of_the_build_end_first(
    builder: Builder, register: Register, database: Database
) -> None:
    await register("P", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    async with database.session() as writing:
        await writing.execute(select(1))
        job = await builder.request(segment_id)
        said = [await builder.worker.step(job) for _ in range(3)]
    assert [each["counts"] for each in said] == [{}] * 3, "the watch, and two that waited"
    async with database.session() as writing:
        await writing.execute(select(1))
        told = await builder.worker.step(job)
    assert told["counts"] == {"entered": 1, "left": 0}, "who began later knows of the build"


async def test_nobody_sees_a_build_before_it_is_published(api: Api, builder: Builder, register: Register) -> None:
    people = [await register(f"P{number}", country="DE") for number in range(5)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await move(api, people[0], "AT")
    late = await register("Late", country="DE")
    job = await builder.request(segment_id)
    first = await builder.worker.step(job)
    assert (first["done"], first["counts"]) == (False, {"entered": 0, "left": 1})
    assert await builder.members(segment_id) == ["P0", "P1", "P2", "P3", "P4"]
    assert len((await api.get(f"/v1/customers/{people[0]}/segments"))["data"]) == 1
    assert (await api.get(f"/v1/customers/{late}/segments"))["data"] == []
    await builder.finish(job)
    assert await builder.members(segment_id) == ["P1", "P2", "P3", "P4", "Late"]
    assert (await api.get(f"/v1/customers/{people[0]}/segments"))["data"] == []
    [entry] = (await api.get(f"/v1/customers/{late}/segments"))["data"]
    assert (entry["segment_id"], entry["name"], entry["build"]) == (segment_id, "Germans", 2)


async def test_memberships_are_intervals(api: Api, builder: Builder, register: Register, database: Database) -> None:
    person = await register("P", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    for country in ("AT", "DE", "DE"):
        await move(api, person, country)
        await builder.build(segment_id)
    async with database.session() as session:
        found = (await session.scalars(select(Membership).order_by(Membership.entered_build))).all()
    assert [(row.entered_build, row.left_build) for row in found] == [(1, 2), (3, None)]
    assert [(each["entered"], each["left"]) for each in await events(database)] == [(1, 0), (0, 1), (1, 0), (0, 0)]
    assert found[0].left_at is not None
    assert found[0].entered_at < found[0].left_at


async def test_the_archived_are_no_members(api: Api, builder: Builder, register: Register) -> None:
    person = await register("P", country="DE")
    await register("Q", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await api.post(f"/v1/customers/{person}/archive", expect=200)
    await builder.build(segment_id)
    assert await builder.members(segment_id) == ["Q"]


async def test_a_missing_value_is_neither_in_nor_in_the_way(builder: Builder, register: Register) -> None:
    await register("German", country="DE")
    await register("Unknown")
    assert await members_of(builder, "Not Germans", {"not": GERMANS}) == ["Unknown"]
    assert await members_of(builder, "Others", {"field": "country", "ne": "DE"}) == []


async def members_of(builder: Builder, name: str, definition: dict[str, Any]) -> list[str]:
    segment_id = await builder.define(name, definition)
    await builder.build(segment_id)
    return await builder.members(segment_id)


async def test_a_killed_step_is_undone_and_done_again(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    ids = [await register(f"P{number}", country="DE" if number < 4 else "AT") for number in range(5)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await move(api, ids[3], "AT")
    await move(api, ids[4], "DE")
    job = await builder.request(segment_id)
    await builder.worker.step(job)
    async with database.session() as blocker:
        leaver = select(Membership).where(Membership.customer_id == UUID(ids[3]))
        await blocker.execute(leaver.with_for_update())
        step = asyncio.create_task(builder.worker.step(job, expect=503))
        await _kill_the_blocked(blocker)  # it has written who enters and is about to write who leaves
        await step
    assert await rows(database) == 4, "what the killed step wrote is undone"
    assert await builder.members(segment_id) == ["P0", "P1", "P2", "P3"]
    said = await builder.finish(job)
    assert (said[-1]["state"], said[-1]["counts"]) == ("succeeded", {"entered": 1, "left": 1})
    assert await builder.members(segment_id) == ["P0", "P1", "P2", "P4"]
    assert len(await events(database)) == 2


async def test_a_build_goes_on_with_another_worker(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    for number in range(7):
        await register(f"P{number}", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    job = await builder.request(segment_id)
    await builder.worker.step(job)
    await builder.worker.report("PUT", job, "failure", reason="killed", retry=True)
    async with database.session() as session:
        row = await session.get_one(Job, UUID(job["id"]))
        row.run_after = row.created_at
    [again] = await Worker(api, "other").claim()
    assert again["lease_id"] != job["lease_id"]
    await builder.worker.report("POST", job, "steps", problem("lease-lost", 409))
    said = await builder.finish(again)
    assert said[-1]["counts"] == {"entered": 7, "left": 0}
    assert (await builder.read(segment_id))["member_count"] == await rows(database) == 7
    assert len(await events(database)) == 1


async def _kill_the_blocked(session: AsyncSession) -> None:
    """Wait until a connection waits for a lock, and end it."""
    blocked = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while not (await session.scalars(blocked)).all():
        await asyncio.sleep(0.02)


async def test_a_cancelled_build_leaves_nothing(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    people = [await register(f"P{number}", country="DE") for number in range(5)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await move(api, people[0], "AT")
    await move(api, people[1], "AT")
    await register("Late", country="DE")
    job = await builder.request(segment_id)
    await builder.worker.step(job)
    await api.post(f"/v1/jobs/{job['id']}/cancel", expect=200)
    ended = await builder.worker.step(job)
    assert (ended["done"], ended["state"]) == (True, "cancelled")
    segment = await builder.read(segment_id)
    assert (segment["status"], segment["build"], segment["member_count"]) == ("built", 1, 5)
    assert len(await builder.members(segment_id)) == 5
    assert await rows(database) == 5
    async with database.session() as session:
        assert (
            await session.scalars(select(Membership.left_build).where(Membership.left_build.is_not(None)))
        ).all() == []
    assert (await builder.build(segment_id))["member_count"] == 4


async def test_a_first_build_that_is_cancelled_is_a_draft_again(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    await register("P", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    answer = await api.send("POST", f"/v1/segments/{segment_id}/builds", expect=202)
    await api.post(f"{answer.headers['location']}/cancel", expect=200)
    assert (await builder.read(segment_id))["status"] == "draft"
    assert await rows(database) == 0


async def test_a_segment_archived_while_it_is_built_is_not_published(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    await register("P", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    job = await builder.request(segment_id)
    await api.post(f"/v1/segments/{segment_id}/archive", expect=200)
    said = await builder.finish(job)
    assert said[-1]["state"] == "failed"
    assert (await api.get(f"/v1/jobs/{job['id']}"))["problem"]["code"] == "segment-archived"
    assert (await builder.read(segment_id))["status"] == "draft"
    assert await rows(database) == 0


async def test_one_build_at_a_time(api: Api, builder: Builder, register: Register) -> None:
    await register("P", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    answers = await api.race(6, "POST", f"/v1/segments/{segment_id}/builds")
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    [job] = await builder.worker.claim()
    again = await api.post(f"/v1/segments/{segment_id}/builds", expect=202)
    assert again["id"] == job["id"]
    await builder.finish(job)
    assert (await builder.read(segment_id))["build"] == 1
    assert (await api.post(f"/v1/segments/{segment_id}/builds", expect=202))["id"] != job["id"]


async def test_a_build_answers_the_definition_it_was_asked_for(api: Api, builder: Builder, register: Register) -> None:
    await register("German", country="DE")
    await register("Austrian", country="AT")
    segment_id = await builder.define("Neighbors", GERMANS)
    job = await builder.request(segment_id)
    await api.patch(f"/v1/segments/{segment_id}", {"definition": {"field": "country", "eq": "AT"}}, expect=200)
    await builder.finish(job)
    segment = await builder.read(segment_id)
    assert (segment["definition_version"], segment["built_version"]) == (2, 1)
    assert await builder.members(segment_id) == ["German"]
    assert (await builder.build(segment_id))["built_version"] == 2
    assert await builder.members(segment_id) == ["Austrian"]


async def test_membership_is_a_field_of_the_language(api: Api, builder: Builder, register: Register) -> None:
    for name, country in (("Ann", "DE"), ("Bob", "DE"), ("Cy", "AT")):
        await register(name, country=country)
    germans = await builder.define("Germans", GERMANS)
    tree = {"segment": germans}
    assert (await api.post("/v1/segments/preview", {"definition": tree}))["count"] == 0, "not built yet"
    await builder.build(germans)
    preview = await api.post("/v1/segments/preview", {"definition": tree}, expect=200)
    assert [each["display_name"] for each in preview["sample"]] == ["Ann", "Bob"]
    assert preview["depends_on"] == [f"segment:{germans}"]
    others = {"all": [{"not": tree}, {"field": "country", "known": True}]}
    assert await members_of(builder, "Others", others) == ["Cy"]
    assert await members_of(builder, "Two levels", {"all": [tree, {"field": "display_name", "eq": "bob"}]}) == ["Bob"]


async def test_a_build_builds_what_it_refers_to_and_was_never_built(
    api: Api, builder: Builder, register: Register
) -> None:
    await register("Ann", country="DE")
    await register("Ben", country="AT")
    germans = await builder.define("Germans", GERMANS)
    others = await builder.define("Others", {"not": {"segment": germans}})
    both = await builder.define("Both", {"any": [{"segment": others}, {"segment": germans}]})
    rest = await builder.define("Rest", {"all": [{"not": {"segment": both}}, {"not": {"segment": others}}]})
    await api.post(f"/v1/segments/{rest}/builds", expect=202)
    jobs = (await api.get("/v1/jobs?kind=segment-build"))["data"]
    assert [job["arguments"]["segment_id"] for job in reversed(jobs)] == [germans, others, both, rest]
    await builder.catch_up()
    assert [await builder.members(each) for each in (germans, others, both, rest)] == [["Ann"], ["Ben"], ["Ann", "Ben"], []]  # fmt: skip  # noqa: E501
    await api.post(f"/v1/segments/{rest}/builds", expect=202)
    assert len((await api.get("/v1/jobs?kind=segment-build&state=queued"))["data"]) == 1


async def test_members_come_in_pages_and_streams(api: Api, builder: Builder, register: Register) -> None:
    ids = [await register(f'P{number}, "the" ü', country="DE") for number in range(5)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    path = f"/v1/segments/{segment_id}/members"
    seen: list[str] = []
    page = await api.get(f"{path}?limit=2&count=exact", expect=200)
    assert page["count"] == 5
    while True:
        seen += [each["customer_id"] for each in page["data"]]
        if page["next_cursor"] is None:
            break
        page = await api.get(f"{path}?limit=2&cursor={page['next_cursor']}", expect=200)
    assert seen == ids
    assert (await api.get(f"{path}?count=estimate"))["count"] == 5
    lines = await api.send("GET", path, headers={"Accept": "application/x-ndjson"}, expect=200)
    whole = (await api.get(f"{path}?limit=200"))["data"]
    assert [orjson.loads(line) for line in lines.text.splitlines()] == whole
    table = await api.send("GET", path, headers={"Accept": "text/csv"}, expect=200)
    assert table.headers["content-type"].startswith("text/csv")
    header, first, *_ = table.text.splitlines()
    assert header == "customer_id,kind,display_name,entered_at,entered_build"
    assert first.startswith(f'{ids[0]},person,"P0, ""the"" ü",')
    await api.get(path, headers={"Accept": "image/png"}, expect=problem("not-acceptable", 406))


async def test_a_cursor_is_good_for_its_list_only(api: Api, builder: Builder, register: Register) -> None:
    for number in range(3):
        await register(f"P{number}", country="DE")
    one, other = [await builder.define(name, GERMANS) for name in ("One", "Other")]
    await builder.build(one)
    cursor = (await api.get(f"/v1/segments/{one}/members?limit=1"))["next_cursor"]
    refused = await api.get(f"/v1/segments/{other}/members?limit=1&cursor={cursor}", expect=422)
    assert refused["errors"][0]["code"] == "invalid-cursor"
