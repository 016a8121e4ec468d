"""Members between builds: whoever changes is looked at again, for the segments that depend on it, and nobody else."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, func, select, update

from crm_api.access import SCOPES
from crm_api.core.changes import ChangeMark, WatchedTopic
from crm_api.core.db import Database
from crm_api.core.trail import OutboxEvent
from crm_api.customers.models import Customer
from crm_api.segments.models import Membership, MembershipDue, SegmentTopic, SegmentVersion, StaleMembership

from ..calling import Api, problem
from .conftest import MOST, Builder, Register

GERMANS = {"field": "country", "eq": "DE"}
BROWSED = {"count": {"touchpoint": "page.viewed"}, "last": "P14D", "gte": 2}
JUST_NOW = {"count": {"touchpoint": "page.viewed"}, "last": "PT2H", "gte": 1}
SILENT = {"count": {"touchpoint": "order.placed"}, "eq": 0}
View = Callable[..., Awaitable[None]]


@pytest.fixture
def view(api: Api) -> View:
    """Record a page view."""

    async def view(customer_id: str, at: datetime | None = None, kind: str = "page.viewed") -> None:
        body = {"customer_id": customer_id, "kind": kind, "occurred_at": (at or datetime.now(UTC)).isoformat()}
        await api.post("/v1/touchpoints", body, expect=201)

    return view


@pytest.fixture
def later(builder: Builder, credentials: tuple[str, str]) -> Callable[..., Any]:
    """Answer the builder some time ahead, with a token of that time."""

    @asynccontextmanager
    async def later(**ahead: int) -> AsyncIterator[Builder]:
        with time_machine.travel(datetime.now(UTC) + timedelta(**ahead)):
            token = await builder.api.token(*credentials, " ".join(SCOPES))
            yield Builder(builder.api.bearing(token))

    return later


async def told(database: Database, *types: str) -> list[tuple[str, str]]:
    """Which memberships were told to have changed, in order."""
    wanted = select(OutboxEvent).where(OutboxEvent.type.in_(types)).order_by(OutboxEvent.id)
    async with database.session() as session:
        return [(event.type, event.data["customer_id"]) for event in await session.scalars(wanted)]


async def count(database: Database, table: Any) -> int:
    async with database.session() as session:
        return (await session.scalars(select(func.count()).select_from(table))).one()


async def test_a_write_moves_a_customer_in_and_out(
    api: Api, builder: Builder, register: Register, view: View, database: Database
) -> None:
    ann, ben = await register("Ann"), await register("Ben")
    segment_id = await builder.define("Browsing", BROWSED)
    await builder.build(segment_id)
    await view(ann)
    assert (await builder.catch_up())["looked_at"] == 1
    assert await builder.members(segment_id) == []
    await view(ann)
    await view(ben)
    assert (await builder.catch_up())["entered"] == 1
    assert await builder.members(segment_id) == ["Ann"]
    segment = await builder.read(segment_id)
    assert (segment["member_count"], segment["built_version"]) == (1, 1)
    assert segment["changed_at"] > segment["built_at"]
    assert await told(database, "segment.entered", "segment.exited") == [("segment.entered", ann)]
    await api.post(f"/v1/customers/{ann}/archive")
    await builder.catch_up()
    assert (await builder.read(segment_id))["member_count"] == 0
    assert await told(database, "segment.exited") == [("segment.exited", ann)]
    await api.post(f"/v1/customers/{ann}/restore")
    await builder.catch_up()
    assert await builder.members(segment_id) == ["Ann"]


async def test_only_what_depends_on_the_write_is_looked_at(
    api: Api, builder: Builder, register: Register, view: View, database: Database
) -> None:
    ann = await register("Ann", country="DE")
    for name, tree in (("Browsing", BROWSED), ("Germans", GERMANS), ("Silent", SILENT)):
        await builder.build(await builder.define(name, tree))
    await builder.catch_up()
    await view(ann, kind="email.opened")
    assert await count(database, ChangeMark) == 0, "nobody waits for it"
    await view(ann)
    assert (await builder.catch_up())["looked_at"] == 1
    await api.patch(f"/v1/customers/{ann}", {"display_name": "Anna"})
    assert (await builder.catch_up())["looked_at"] == 1
    await register("Ben")
    assert (await builder.catch_up())["looked_at"] == 3, "someone new may be in any"


async def test_who_moves_is_near_at_once_and_told_how_near(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann")
    segment_id = await builder.define("Near the shop", "distance(address, 52.52, 13.405) <= 25 km")
    await builder.build(segment_id)
    assert await builder.members(segment_id) == []
    for longitude, meters, members in ((13.1, 20_761, ["Ann"]), (13.0, 27_500, [])):  # worked out on a plane
        place = {"city": "Berlin", "latitude": 52.5, "longitude": longitude}
        await api.patch(f"/v1/customers/{ann}", {"addresses": [place]}, expect=200)
        await builder.catch_up()
        assert await builder.members(segment_id) == members
        told = await api.get(f"/v1/segments/{segment_id}/explain/{ann}", expect=200)
        length, unit = told["explanation"]["value"].values()
        assert abs(length - meters) < 20 and unit == "m"
        assert told["meets_definition"] is bool(members)
    shown = await api.post("/v1/segments/preview", {"definition": "distance(address, 52.5, 13) < 1 m"}, expect=200)
    assert (shown["count"], [each["display_name"] for each in shown["sample"]]) == (1, ["Ann"])


async def test_what_one_member_does_concerns_the_household(
    api: Api, builder: Builder, register: Register, view: View
) -> None:
    ann, ben, cem, _ = [await register(name, country="AT") for name in ("Ann", "Ben", "Cem", "Dora")]
    home = (await api.post("/v1/households", {"members": [ann, ben]}, expect=201))["id"]
    rooms = {
        "Some German": 'household any (country = "DE")',
        "All Austrian": 'household all (country = "AT")',
        "Somebody looks": "household any (count(page.viewed, last 14 days) >= 1)",
        "A household of lookers": 'household any (in_segment("Somebody looks"))',
    }
    segments = {}
    for name, text in rooms.items():
        segments[name] = await builder.define(name, text)
        await builder.build(segments[name])

    async def members() -> list[list[str]]:
        for _ in range(2):  # one of the segments waits for another
            await builder.catch_up()
        return [await builder.members(segment_id) for segment_id in segments.values()]

    everybody = ["Ann", "Ben", "Cem", "Dora"]
    assert await members() == [[], everybody, [], []]
    await api.patch(f"/v1/customers/{ben}", {"addresses": [{"country": "DE"}]}, expect=200)
    await view(ben)
    assert await members() == [["Ann", "Ben"], ["Cem", "Dora"], ["Ann", "Ben"], ["Ann", "Ben"]]
    await api.put(f"/v1/households/{home}/members/{cem}", expect=200)
    three = ["Ann", "Ben", "Cem"]
    assert await members() == [three, ["Dora"], three, three]
    told = await api.get(f"/v1/segments/{segments['Some German']}/explain/{ann}", expect=200)
    assert told["explanation"]["value"] == {"members": 3, "met_by": [ben]} and told["meets_definition"]
    await api.delete(f"/v1/households/{home}/members/{cem}", expect=204)
    assert await members() == [["Ann", "Ben"], ["Cem", "Dora"], ["Ann", "Ben"], ["Ann", "Ben"]]
    await api.post(f"/v1/customers/{ben}/archive", expect=200)
    assert await members() == [[], ["Ann", "Cem", "Dora"], [], []], "who is archived is asked no more"
    await api.post(f"/v1/customers/{ben}/restore", expect=200)
    await api.delete(f"/v1/households/{home}", expect=204)
    assert await members() == [["Ben"], ["Ann", "Cem", "Dora"], ["Ben"], ["Ben"]]
    for name, segment_id in segments.items():
        checked = (await builder.read(segment_id))["member_count"]
        shown = await api.post("/v1/segments/preview", {"definition": rooms[name]}, expect=200)
        assert shown["count"] == checked, name


async def test_a_segment_cannot_lead_back_to_itself_through_a_household(api: Api, builder: Builder) -> None:
    first = await builder.define("First", "age > 1")
    second = await builder.define("Second", 'household all (in_segment("First"))')
    loop = {"definition": {"household_any": {"not": {"segment": second}}}}
    refused = await api.patch(f"/v1/segments/{first}", loop, expect=problem("segment-cycle", 422))
    assert "First" in refused["detail"] and "Second" in refused["detail"]


async def test_loads_and_consents_are_marked_too(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann")
    wanted = {"all": [BROWSED, {"field": "consent.email.marketing", "eq": "granted"}]}
    segment_id = await builder.define("Reachable", wanted)
    await builder.build(segment_id)
    at = datetime.now(UTC).isoformat()
    lines = "".join(f'{{"customer_id":"{ann}","kind":"page.viewed","occurred_at":"{at}","source":"web","source_id":"{n}"}}\n' for n in (1, 2))  # fmt: skip  # noqa: E501
    answer = await api.send("POST", "/v1/touchpoints/batch", content=lines, headers={"Content-Type": "application/x-ndjson"})  # fmt: skip  # noqa: E501
    assert '"created":2' in answer.text
    await builder.catch_up()
    assert await builder.members(segment_id) == []
    consent = {"customer_id": ann, "channel": "email", "purpose": "marketing", "state": "granted", "source": "web form"}
    await api.post("/v1/consents", {**consent, "wording": "Yes", "occurred_at": at}, expect=201)
    await builder.catch_up()
    assert await builder.members(segment_id) == ["Ann"]


async def test_what_changes_during_a_build_is_looked_at_after_it(
    api: Api, builder: Builder, register: Register, view: View
) -> None:
    people = [await register(f"P{number}") for number in range(5)]
    segment_id = await builder.define("Browsing", BROWSED)
    await builder.build(segment_id)
    await builder.catch_up()
    job = await builder.request(segment_id)
    await builder.worker.step(job)
    for _ in range(2):
        await view(people[0])
    assert "entered" not in await builder.catch_up() or await builder.members(segment_id) == []
    await builder.finish(job)
    assert await builder.members(segment_id) == []
    assert (await builder.catch_up())["entered"] == 1
    assert await builder.members(segment_id) == ["P0"]


async def test_segments_in_segments_follow(builder: Builder, register: Register, view: View) -> None:
    ann = await register("Ann", country="DE")
    browsing = await builder.define("Browsing", BROWSED)
    await builder.build(browsing)
    german = await builder.define("Germans who browse", {"all": [{"segment": browsing}, GERMANS]})
    await builder.build(german)
    for _ in range(2):
        await view(ann)
    assert (await builder.catch_up())["entered"] == 2
    assert await builder.members(german) == ["Ann"]


async def test_a_chain_of_segments_follows_in_one_job(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann", country="AT")
    ids = [await builder.define("0", GERMANS)]
    for number in range(1, 5):
        ids.append(await builder.define(str(number), {"not": {"segment": ids[-1]}}))
    for each in ids:
        await builder.build(each)
    await builder.catch_up()
    assert [await builder.members(each) for each in ids] == [[], ["Ann"], [], ["Ann"], []]
    await api.patch(f"/v1/customers/{ann}", {"addresses": [{"country": "DE"}]}, expect=200)
    [job] = await builder.worker.claim()
    await builder.finish(job)
    assert [await builder.members(each) for each in ids] == [["Ann"], [], ["Ann"], [], ["Ann"]]
    assert await builder.worker.claim() == []


async def test_a_segment_that_cannot_be_followed_hinders_no_other(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    ann = await register("Ann", country="AT")
    broken, sound = [await builder.define(name, GERMANS) for name in ("Broken", "Sound")]
    for each in (broken, sound):
        await builder.build(each)
    async with database.session() as session:  # as a later release might leave it
        gone = update(SegmentVersion).where(SegmentVersion.segment_id == broken)
        await session.execute(gone.values(definition={"field": "gone", "eq": 1}))
    await api.patch(f"/v1/customers/{ann}", {"addresses": [{"country": "DE"}]}, expect=200)
    [job] = await builder.worker.claim()
    assert (await builder.finish(job))[-1]["state"] == "succeeded"
    assert await builder.members(sound) == ["Ann"]
    [build] = await builder.worker.claim()
    assert (build["kind"], build["arguments"]["segment_id"]) == ("segment-build", broken)
    assert (await builder.worker.step(build))["state"] == "failed"
    told = await api.get(f"/v1/jobs/{build['id']}", expect=200)
    assert told["problem"]["code"] == "invalid-audience"
    assert await builder.worker.claim() == [], "and nothing is tried for ever"
    assert (await api.get("/v1/segments?status=built", expect=200))["data"] != []


async def test_too_many_at_once_are_a_build(builder: Builder, register: Register, database: Database) -> None:
    segment_id = await builder.define("Silent", SILENT)
    await builder.build(segment_id)
    for number in range(MOST + 1):
        await register(f"P{number}")
    assert (await builder.catch_up())["looked_at"] == 0
    segment = await builder.read(segment_id)
    assert (segment["member_count"], segment["build"]) == (MOST + 1, 2)
    assert await count(database, StaleMembership) == 0


async def test_a_window_of_hours_lets_go_in_time(
    builder: Builder, register: Register, view: View, database: Database, later: Callable[..., Any]
) -> None:
    ann, ben = await register("Ann"), await register("Ben")
    segment_id = await builder.define("Just now", JUST_NOW)
    await view(ann, datetime.now(UTC) - timedelta(minutes=90))
    await builder.build(segment_id)
    assert await builder.members(segment_id) == ["Ann"]
    await view(ben, datetime.now(UTC) - timedelta(minutes=30))
    await builder.catch_up()
    assert await builder.members(segment_id) == ["Ann", "Ben"]
    for minutes, there in ((29, ["Ann", "Ben"]), (31, ["Ben"]), (89, ["Ben"]), (91, [])):
        async with later(minutes=minutes) as then:
            await then.catch_up()
            assert await then.members(segment_id) == there, minutes
    assert await count(database, MembershipDue) == 0


async def test_a_day_that_begins_lets_windows_of_days_move_on(
    builder: Builder, register: Register, view: View, later: Callable[..., Any]
) -> None:
    ann = await register("Ann")
    for _ in range(2):
        await view(ann)
    segment_id = await builder.define("Browsing", BROWSED)
    await builder.build(segment_id)
    await builder.catch_up()
    for days, there in ((13, ["Ann"]), (15, [])):
        async with later(days=days) as then:
            await then.catch_up()
            assert await then.members(segment_id) == there
            assert await then.catch_up() == {}, "once a day"


async def test_another_definition_watches_something_else(
    api: Api, builder: Builder, register: Register, view: View, database: Database
) -> None:
    ann = await register("Ann", country="DE")
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await api.patch(f"/v1/segments/{segment_id}", {"definition": BROWSED}, headers={"If-Match": '"3"'})
    for _ in range(2):
        await view(ann)
    await builder.catch_up()
    assert await builder.members(segment_id) == ["Ann"], "by the published definition, not by the next one"
    await builder.build(segment_id)
    async with database.session() as session:
        topics = set(await session.scalars(select(SegmentTopic.topic)))
        assert (
            topics == set(await session.scalars(select(WatchedTopic.topic))) == {"presence", "touchpoint:page.viewed"}
        )
    await api.post(f"/v1/segments/{segment_id}/archive")
    assert await count(database, WatchedTopic) == 0


async def test_a_check_finds_what_was_missed_mends_it_and_says_so(
    builder: Builder, register: Register, view: View, database: Database, later: Callable[..., Any]
) -> None:
    people = [await register(f"P{number}", country="DE") for number in range(5)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await builder.catch_up()
    async with later(hours=25) as then:
        await then.catch_up()
        assert await events(database) == [], "nothing drifted"
        assert (await then.read(segment_id))["drift_count"] == 0
    async with database.session() as session:
        await session.execute(update(Customer).where(Customer.customer_id == people[1]).values(country="AT"))
        await session.execute(delete(Membership).where(Membership.customer_id == people[4]))
    async with later(hours=51) as then:
        await then.catch_up()
        assert await then.members(segment_id) == ["P0", "P2", "P3", "P4"]
        checked = await then.read(segment_id)
        assert (checked["drift_count"], checked["checked_at"] > checked["built_at"]) == (2, True)
    assert await events(database) == [{"id": segment_id, "customers": 2}]


async def test_a_check_that_fails_is_not_asked_for_again_at_once(
    builder: Builder, database: Database, later: Callable[..., Any]
) -> None:
    broken, sound = [await builder.define(name, GERMANS) for name in ("Broken", "Sound")]
    for each in (broken, sound):
        await builder.build(each)
    async with database.session() as session:
        gone = update(SegmentVersion).where(SegmentVersion.segment_id == broken)
        await session.execute(gone.values(definition={"field": "gone", "eq": 1}))
    async with later(hours=25) as then:
        checks = [job for job in await then.worker.claim() if job["kind"] == "segment-check"]
        assert {job["arguments"]["segment_id"] for job in checks} == {broken, sound}
        assert sorted([(await then.worker.step(job))["state"] for job in checks]) == ["failed", "succeeded"]
        assert await then.worker.claim() == []
    async with later(hours=50) as then:
        checks = [job for job in await then.worker.claim() if job["kind"] == "segment-check"]
        assert {job["arguments"]["segment_id"] for job in checks} == {broken, sound}


async def events(database: Database) -> list[dict[str, Any]]:
    """What was told of drift."""
    wanted = select(OutboxEvent.data).where(OutboxEvent.type == "segment.drifted")
    async with database.session() as session:
        return list((await session.scalars(wanted)).all())


@pytest.mark.parametrize("seed", range(3))
async def test_no_drift_whatever_happens(api: Api, builder: Builder, register: Register, seed: int) -> None:
    """After any writes the members are those that a definition means, which is what preview says."""
    chance = random.Random(seed)
    trees = [BROWSED, GERMANS, SILENT, JUST_NOW, {"not": {"any": [GERMANS, BROWSED]}}]
    people = [await register(f"P{number}", country=chance.choice(["DE", "AT"])) for number in range(8)]
    segments = [await builder.define(f"S{number}", tree) for number, tree in enumerate(trees)]
    segments.append(
        await builder.define("Nested", {"all": [{"segment": segments[0]}, {"not": {"segment": segments[1]}}]})
    )
    for segment_id in segments:
        await builder.build(segment_id)
    for _ in range(6):
        for _ in range(chance.randrange(1, 5)):
            await _something(api, chance, people, register)
        await builder.catch_up()
        for segment_id in segments:
            segment = await builder.read(segment_id)
            meant = await api.post("/v1/segments/preview", {"definition": segment["definition"]})
            names = sorted(each["display_name"] for each in meant["sample"])
            assert sorted(await builder.members(segment_id)) == names
            assert segment["member_count"] == meant["count"] == len(names)


async def _something(api: Api, chance: random.Random, people: list[str], register: Register) -> None:
    who = chance.choice(people)
    match chance.randrange(7):
        case 0 | 1 | 2:
            kind = chance.choice(["page.viewed", "page.viewed", "order.placed"])
            at = datetime.now(UTC) - timedelta(hours=chance.choice([0, 1, 30, 24 * 20]))
            await api.post("/v1/touchpoints", {"customer_id": who, "kind": kind, "occurred_at": at.isoformat()})
        case 3 | 4:
            country = chance.choice(["DE", "AT"])
            await api.patch(f"/v1/customers/{who}", {"addresses": [{"city": "Town", "country": country}]})
        case 5:
            await api.post(f"/v1/customers/{who}/{chance.choice(['archive', 'restore'])}")
        case _:
            people.append(await register(f"N{len(people)}", country=chance.choice(["DE", "AT"])))
