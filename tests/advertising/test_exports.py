"""Exports of advertising audiences: whom they hold, what changed since the last one, and what never leaves."""

import asyncio
import re
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import func, select, text

from crm_api.advertising.models import AdvertisingIdentifier
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.trail import AuditEntry, OutboxEvent

from ..calling import Api, problem
from .conftest import Advertiser, Line, sha256

ANN, BEN, CAT, DAN = (f"{name}@example.com" for name in ("ann", "ben", "cat", "dan"))
ALL = (ANN, BEN, CAT, DAN)
CLOSED = problem("advertising-export-closed", 409)


def adds(*addresses: str) -> set[Line]:
    """Lines that add e-mail addresses."""
    return {("addition", "email", each) for each in addresses}


def removes(*addresses: str) -> set[Line]:
    """Lines that remove e-mail addresses."""
    return {("removal", "email", each) for each in addresses}


async def move(api: Api, customer_id: str, country: str) -> None:
    """Let a customer live elsewhere."""
    await api.patch(f"/v1/customers/{customer_id}", {"addresses": [{"city": "Town", "country": country}]}, expect=200)


async def test_only_members_with_consent_on_the_channel_of_the_address_are_handed_over(
    api: Api, ads: Advertiser
) -> None:
    await ads.register("ann", "email", "phone", phone="+1 202-555-0123")
    await ads.register("ben", "email", phone="+1 202-555-0124")
    await ads.register("cat", "phone", phone="+49 30 901820")
    await ads.register("dan")
    emil = await ads.register("emil")
    await ads.consent(emil, "email", purpose="service")
    await ads.register("fay", "email", country="AT")
    gus = await ads.register("gus", "email")
    await ads.consent(gus, "email", "withdrawn")
    await ads.register("hal", "email")
    await api.put("/v1/suppressions/email/HAL@example.com", {"detail": "asked"}, expect=201)
    ida = await ads.register("ida", "email")
    await ads.open()
    await api.post(f"/v1/customers/{ida}/archive", expect=200)

    number = await ads.export()
    assert await ads.said(number, ANN, BEN, "12025550123", "4930901820") == {
        *adds(ANN, BEN),
        ("addition", "phone", "12025550123"),
        ("addition", "phone", "4930901820"),
    }
    assert await ads.lines(number) == await ads.lines(number)
    assert {line["identifier"] for line in await ads.lines(number, "?identifier=phone")} == {"phone"}
    assert await ads.lines(number, "?change=removal") == []
    export = await api.get(ads.path(number), expect=200)
    assert (export["status"], export["addition_count"], export["removal_count"]) == ("ready", 4, 0)


async def test_telephone_numbers_are_hashed_with_the_plus_where_that_is_wanted(ads: Advertiser) -> None:
    await ads.register("ann", "phone", phone="+1 202-555-0123")
    await ads.open(phone_form="e164", identifiers=["phone"])
    assert await ads.said(await ads.export(), "+12025550123") == {("addition", "phone", "+12025550123")}


async def test_silence_is_no_consent_even_where_a_purpose_needs_none(ads: Advertiser) -> None:
    await ads.register("ann")
    ben = await ads.register("ben")
    await ads.consent(ben, "email", purpose="service")
    await ads.open(purpose="service")
    assert await ads.said(await ads.export(), BEN) == adds(BEN)


async def test_an_export_says_what_changed_since_the_last_one_that_was_acknowledged(api: Api, ads: Advertiser) -> None:
    ann, ben, cat = [await ads.register(name, "email") for name in ("ann", "ben", "cat")]
    dan = await ads.register("dan", "email", country="AT")
    await ads.open()
    first = await ads.export()
    assert await ads.said(first, *ALL) == adds(ANN, BEN, CAT)
    acknowledged = await ads.acknowledge(first)
    assert acknowledged["status"] == "acknowledged"
    assert await ads.acknowledge(first) == acknowledged

    second = await ads.export()
    assert await ads.said(second, *ALL) == set()
    await ads.acknowledge(second)

    await ads.consent(ann, "email", "withdrawn")
    await move(api, ben, "AT")
    await move(api, dan, "DE")
    await api.patch(f"/v1/customers/{cat}", {"contact_points": [{"kind": "email", "value": "new@example.com"}]})
    third = await ads.export()
    assert await ads.said(third, *ALL, "new@example.com") == removes(ANN, BEN, CAT) | adds(DAN, "new@example.com")
    await ads.acknowledge(third)
    assert await ads.said(await ads.export()) == set()


async def test_an_export_that_nobody_read_changes_nothing(api: Api, ads: Advertiser, database: Database) -> None:
    ann = await ads.register("ann", "email")
    await ads.register("ben", "email")
    await ads.open()
    unread = await ads.export()
    await move(api, ann, "AT")
    following = await ads.export()
    assert await ads.said(following, *ALL) == adds(BEN)
    await ads.api.get(ads.path(unread, "/identifiers"), expect=CLOSED)
    await ads.acknowledge(unread, CLOSED)
    assert (await api.get(ads.path(unread)))["status"] == "replaced"
    await ads.acknowledge(following)
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(AdvertisingIdentifier)) == 1


async def test_what_was_read_and_not_acknowledged_is_told_again_or_taken_back(api: Api, ads: Advertiser) -> None:
    ann = await ads.register("ann", "email")
    ben = await ads.register("ben", "email")
    await ads.open()
    first = await ads.export()
    assert await ads.said(first, *ALL) == adds(ANN, BEN)
    await move(api, ann, "AT")
    second = await ads.export()
    assert await ads.said(second, *ALL) == adds(BEN) | removes(ANN), "the destination may have Ann"
    third = await ads.export()
    assert await ads.said(third, *ALL) == adds(BEN) | removes(ANN)
    await ads.acknowledge(third)

    await move(api, ben, "AT")
    assert await ads.said(await ads.export(), *ALL) == removes(BEN)
    await move(api, ben, "DE")
    again = await ads.export()
    assert await ads.said(again, *ALL) == adds(BEN), "the destination may have removed Ben"
    await move(api, ben, "AT")
    assert await ads.said(await ads.export(), *ALL) == removes(BEN)


async def test_an_audience_that_is_ended_is_emptied(api: Api, ads: Advertiser) -> None:
    await ads.register("ann", "email")
    await ads.open()
    await ads.acknowledge(await ads.export())
    await ads.register("ben", "email")
    ready = await ads.export()
    ended = await api.post(f"/v1/advertising-audiences/{ads.audience}/end", expect=200)
    assert ended["ended_at"] is not None
    assert await api.post(f"/v1/advertising-audiences/{ads.audience}/end", expect=200) == ended
    await api.get(ads.path(ready, "/identifiers"), expect=CLOSED)
    last = await ads.export()
    assert await ads.said(last, *ALL) == removes(ANN)
    await ads.acknowledge(last)
    assert await ads.said(await ads.export()) == set()


async def test_an_audience_that_is_ended_while_its_export_is_made_is_emptied_by_it(api: Api, ads: Advertiser) -> None:
    people = [f"person{number}" for number in range(5)]
    for name in people:
        await ads.register(name, "email")
    await ads.open()
    _, job = await ads.request()
    await ads.builder.worker.step(job)
    await api.post(f"/v1/advertising-audiences/{ads.audience}/end", expect=200)
    await ads.builder.finish(job)
    assert await ads.said(1) == set()


async def test_an_archived_segment_advertises_to_nobody(api: Api, ads: Advertiser) -> None:
    await ads.register("ann", "email")
    await ads.open()
    await ads.acknowledge(await ads.export())
    await api.post(f"/v1/segments/{ads.segment}/archive", expect=200)
    assert await ads.said(await ads.export(), *ALL) == removes(ANN)
    body = {"destination": "Meta", "purpose": "marketing", "identifiers": ["email"]}
    path = f"/v1/segments/{ads.segment}/advertising-audiences"
    await api.post(path, body, expect=problem("segment-archived", 409))


async def test_a_customer_of_whom_nothing_is_left_is_still_removed(
    api: Api, ads: Advertiser, database: Database
) -> None:
    ann = await ads.register("ann", "email")
    await ads.open()
    await ads.acknowledge(await ads.export())
    async with database.session() as session:  # what an erasure does, by the tables' own word
        for table in ("contact_point", "contact_point_key", "consent", "membership"):
            await session.execute(text(f"DELETE FROM {table} WHERE customer_id = :id").bindparams(id=UUID(ann)))
    last = await ads.export()
    assert await ads.said(last, ANN) == removes(ANN)
    await ads.acknowledge(last)
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(AdvertisingIdentifier)) == 0


async def test_an_address_that_changes_hands_is_neither_added_nor_removed(api: Api, ads: Advertiser) -> None:
    ann = await ads.register("ann", "email")
    ben = await ads.register("ben", "email")
    await ads.open()
    await ads.acknowledge(await ads.export())
    await api.patch(f"/v1/customers/{ben}", {"contact_points": []}, expect=200)
    await api.patch(f"/v1/customers/{ann}", {"contact_points": [{"kind": "email", "value": BEN}]}, expect=200)
    assert await ads.said(await ads.export(), *ALL) == removes(ANN)


async def test_one_export_is_made_at_a_time_and_a_cancelled_one_comes_to_nothing(api: Api, ads: Advertiser) -> None:
    for name in ("ann", "ben", "cat"):
        await ads.register(name, "email")
    await ads.open()
    path = f"/v1/advertising-audiences/{ads.audience}/exports"
    answers = await api.race(6, "POST", path)
    assert {(answer.status_code, answer.json()["number"]) for answer in answers} == {(202, 1)}
    assert answers[0].headers["location"] == answers[0].json()["job"]
    await api.get(ads.path(1, "/identifiers"), expect=problem("advertising-export-not-ready", 409))
    await ads.acknowledge(1, problem("advertising-export-not-ready", 409))
    job = await ads.builder.worker.claim_one(job_id=answers[0].json()["job_id"])
    await ads.builder.worker.step(job)
    await api.post(f"/v1/jobs/{job['id']}/cancel", expect=200)
    await ads.builder.worker.step(job, expect=None)
    await api.get(ads.path(1, "/identifiers"), expect=CLOSED)
    assert await ads.said(await ads.export(), *ALL) == adds(ANN, BEN, CAT)
    assert [each["status"] for each in (await api.get(path, expect=200))["data"]] == ["ready", "failed"]


async def test_an_export_that_is_asked_for_again_by_its_key_is_the_same(api: Api, ads: Advertiser) -> None:
    await ads.open()
    path = f"/v1/advertising-audiences/{ads.audience}/exports"
    first = await api.send("POST", path, expect=202, headers={"Idempotency-Key": "monday"})
    await ads.builder.catch_up()
    again = await api.send("POST", path, expect=202, headers={"Idempotency-Key": "monday"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (await api.post(path, expect=202))["number"] == 2


async def test_acknowledging_in_a_race_counts_once(api: Api, ads: Advertiser, database: Database) -> None:
    await ads.register("ann", "email")
    await ads.open()
    number = await ads.export()
    answers = await api.race(6, "POST", ads.path(number, "/acknowledge"))
    assert [answer.status_code for answer in answers] == [200] * 6
    async with database.session() as session:
        acts = select(func.count()).where(AuditEntry.action == "advertising-export.acknowledged")
        assert await session.scalar(acts) == 1


async def test_no_address_and_no_hash_is_in_an_event_an_audit_or_another_answer(
    api: Api, ads: Advertiser, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    await ads.register("ann", "email", "phone", phone="+1 202-555-0123")
    await ads.open()
    number = await ads.export()
    await ads.lines(number)
    await ads.acknowledge(number)
    async with database.session() as session:
        audit = (await session.execute(select(AuditEntry.action, AuditEntry.changes).order_by(AuditEntry.id))).all()
        events = (await session.execute(select(OutboxEvent.type, OutboxEvent.data))).all()
    acts = [action for action, _ in audit if action.startswith("advertising")]
    assert acts == [
        "advertising-audience.opened",
        "advertising-export.requested",
        "advertising-export.made",
        "advertising-export.read",
        "advertising-export.acknowledged",
    ]
    told = [name for name, _ in events if name.startswith("advertising")]
    assert sorted(told) == [
        "advertising-audience.opened",
        "advertising-export.acknowledged",
        "advertising-export.ready",
    ]
    answers = [await api.get(path) for path in ("/v1/advertising-audiences", ads.path(number), ads.path(0)[:-2])]
    advertised = [str(each) for each in (*audit, *events) if "advertising" in str(each)]
    everything = " ".join([*advertised, str(answers), capsys.readouterr().out])
    for secret in (ANN, "2025550123", sha256(ANN), sha256("12025550123")):
        assert secret not in everything.lower()
    assert not re.search("[0-9a-f]{64}", everything)


async def test_streams_are_ndjson_or_csv(api: Api, ads: Advertiser) -> None:
    await ads.register("ann", "email")
    await ads.open()
    path = ads.path(await ads.export(), "/identifiers")
    plain = await api.send("GET", path, expect=200)
    assert plain.headers["content-type"] == "application/x-ndjson"
    assert plain.headers["cache-control"] == "no-store"
    assert [orjson.loads(line) for line in plain.text.splitlines()] == [
        {"change": "addition", "identifier": "email", "sha256": sha256(ANN)}
    ]
    await api.send("GET", path, expect=406, headers={"Accept": "application/json"})


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("advertising:read", "GET", "", 200),
        ("advertising:read", "GET", "/exports", 200),
        ("advertising:read", "GET", "/exports/1", 200),
        ("advertising:read", "GET", "/exports/1/identifiers", 403),
        ("advertising:read", "POST", "/exports", 403),
        ("advertising:read", "POST", "/exports/1/acknowledge", 403),
        ("advertising:read", "POST", "/end", 403),
        ("segments:read customers:read", "GET", "", 403),
        ("advertising:write", "GET", "/exports/1/identifiers", 200),
    ],
)
async def test_scopes(
    scope: str,
    method: str,
    path: str,
    status: int,
    anonymous: Api,
    ads: Advertiser,
    credentials: tuple[str, str],
) -> None:
    await ads.open()
    await ads.export()
    caller = anonymous.bearing(await anonymous.token(*credentials, scope))
    await caller.send(method, f"/v1/advertising-audiences/{ads.audience}{path}", expect=status)


async def test_opening_needs_to_read_segments(anonymous: Api, ads: Advertiser, credentials: tuple[str, str]) -> None:
    await ads.open()
    caller = anonymous.bearing(await anonymous.token(*credentials, "advertising:write"))
    await caller.post(f"/v1/segments/{ads.segment}/advertising-audiences", {}, expect=403)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"purpose": "markting"}, problem("purpose-unknown", 422)),
        ({"identifiers": []}, 422),
        ({"identifiers": ["email", "email"]}, 422),
        ({"identifiers": ["letter"]}, 422),
        ({"phone_form": "national"}, 422),
        ({"destination": ""}, 422),
        ({"budget": 3}, 422),
    ],
)
async def test_wishes_that_make_no_sense_are_refused(
    wish: dict[str, Any], expected: Any, api: Api, ads: Advertiser
) -> None:
    await ads.open()
    body = {"destination": "Meta", "purpose": "marketing", "identifiers": ["email"], **wish}
    await api.post(f"/v1/segments/{ads.segment}/advertising-audiences", body, expect=expected)


async def test_what_is_not_there_is_not_found(api: Api, ads: Advertiser) -> None:
    await ads.open()
    nobody = f"/v1/advertising-audiences/{new_id()}"
    body = {"destination": "Meta", "purpose": "marketing", "identifiers": ["email"]}
    await api.post(f"/v1/segments/{new_id()}/advertising-audiences", body, expect=problem("segment-not-found", 404))
    no_audience = problem("advertising-audience-not-found", 404)
    for method, path in (("GET", ""), ("GET", "/exports"), ("POST", "/exports"), ("POST", "/end")):
        await api.send(method, nobody + path, expect=no_audience)
    await api.send("POST", f"{nobody}/exports/1/acknowledge", expect=no_audience)
    no_export = problem("advertising-export-not-found", 404)
    await api.get(ads.path(7), expect=no_export)
    await api.get(ads.path(7, "/identifiers"), expect=no_export)
    await api.get(ads.path(2**31), expect=422)


async def test_audiences_and_exports_are_listed_page_by_page(api: Api, ads: Advertiser) -> None:
    first = await ads.open()
    path = f"/v1/segments/{ads.segment}/advertising-audiences"
    body = {"destination": "Google", "purpose": "marketing", "identifiers": ["email"]}
    second = (await api.post(path, body, expect=201))["id"]
    page = await api.get(f"/v1/advertising-audiences?limit=1&segment_id={ads.segment}", expect=200)
    assert [each["id"] for each in page["data"]] == [second]
    rest = f"/v1/advertising-audiences?limit=1&segment_id={ads.segment}&cursor={page['next_cursor']}"
    assert [each["id"] for each in (await api.get(rest, expect=200))["data"]] == [first]
    assert (await api.get(f"/v1/advertising-audiences?segment_id={new_id()}", expect=200))["data"] == []
    for _ in range(3):
        await ads.export()
    exports = f"/v1/advertising-audiences/{first}/exports?limit=2"
    page = await api.get(exports, expect=200)
    following = await api.get(f"{exports}&cursor={page['next_cursor']}", expect=200)
    assert [each["number"] for each in (*page["data"], *following["data"])] == [3, 2, 1]


async def test_reading_while_the_next_export_is_asked_for_gives_all_lines_or_none(api: Api, ads: Advertiser) -> None:
    for number in range(6):
        await ads.register(f"person{number}", "email")
    await ads.open()
    number = await ads.export()
    whole = await ads.lines(number)

    reading = api.race(8, "GET", ads.path(number, "/identifiers"))
    answers, _ = await asyncio.gather(reading, ads.export())
    counts = {len(answer.text.splitlines()) for answer in answers if answer.status_code == 200}
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert counts <= {0, len(whole)}
