"""Campaigns over HTTP: drafts, the plan, the launch, what is planned, claimed, handed over and reported."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.outreach.message_report import MOST_ATTEMPTS

from ..calling import Api, problem
from .planting import AUDIENCE, SENDER, campaign, grant, readers, template
from .postman import Postman

pytestmark = pytest.mark.usefixtures("clean")
MENDED = json.dumps(AUDIENCE)


@pytest.fixture
def postman(api: Api) -> Postman:
    return Postman(api)


async def states(api: Api, campaign_id: str) -> dict[str, int]:
    page = await api.get(f"/v1/messages?campaign_id={campaign_id}&limit=200")
    return dict(Counter(message["reason"] or message["state"] for message in page["data"]))


async def launched(api: Api, **changed: Any) -> str:
    made = await campaign(api, await template(api), **changed)
    await api.post(f"/v1/campaigns/{made}/launch", {}, expect=200)
    return made


async def test_a_plan_counts_who_gets_it_and_who_does_not(api: Api) -> None:
    people = await readers(api, 6)
    await grant(api, people[0], "withdrawn")
    await readers_without(api)
    await api.put("/v1/suppressions/email/reader1@mail.example.com", {"detail": "asked by phone"}, expect=201)
    made = await campaign(api, await template(api), unit_cost={"amount": "0.05", "currency": "EUR"})
    plan = await api.post(f"/v1/campaigns/{made}/plan", expect=200)
    assert plan["recipients"] == 4
    assert plan["exclusions"] == {"consent_withdrawn": 1, "no_consent": 1, "suppressed": 1}
    assert plan["audience"] == 7
    assert plan["cost"] == {"amount": "0.20", "currency": "EUR"}
    assert [row["address"] for row in plan["sample"]] == [f"reader{number}@mail.example.com" for number in (2, 3, 4, 5)]
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "draft"


async def failing(api: Api, campaign_id: str, customer: str) -> set[str]:
    """The rules for which a customer does not get a campaign."""
    told = await api.get(f"/v1/campaigns/{campaign_id}/explain/{customer}")
    return {rule["rule"] for rule in told["rules"] if not rule["passed"]}


async def readers_without(api: Api) -> None:
    await api.post("/v1/customers", {"kind": "person", "display_name": "Reader without consent"}, expect=201)


async def test_a_campaign_goes_from_draft_to_finished(api: Api, postman: Postman) -> None:
    people = await readers(api, 5)
    await grant(api, people[0], "withdrawn")
    made = await launched(api)
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "scheduled"
    await postman.plan()
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "running"
    assert await states(api, made) == {"pending": 4, "consent_withdrawn": 1}
    messages = await postman.claim()
    assert len(messages) == 4
    first = messages[0]
    assert first["content"]["subject"] == "Spring for {{ customer.display_name }}"
    assert first["variables"]["customer"]["display_name"] == first["recipient"]["name"]
    assert first["message_id"].endswith("@shop.example>")
    allowed = await postman.begin(messages)
    assert len(allowed) == 4
    assert (await postman.report(allowed, code=250, subject="Spring"))["late"] == []
    assert await postman.claim() == []
    done = await api.get(f"/v1/campaigns/{made}")
    assert done["status"] == "finished"
    counts = await api.get(f"/v1/campaigns/{made}/counts")
    assert counts == {
        "planned": 5, "pending": 0, "in_flight": 0, "sent": 4, "bounced": 0, "failed": 0, "skipped": 1,
        "cancelled": 0, "unknown": 0, "reasons": {"consent_withdrawn": 1},
    }  # fmt: skip
    timeline = await api.get(f"/v1/customers/{people[1]}/timeline")
    newest = timeline["data"][0]
    assert (newest["kind"], newest["campaign"]) == ("email.sent", "spring")


async def test_planned_twice_is_planned_once(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 3)
    made = await launched(api)
    await postman.plan()
    async with database.session() as session:
        await session.execute(text("UPDATE campaign SET status = 'scheduled'"))
    await postman.plan()
    assert await states(api, made) == {"pending": 3}
    assert len(await postman.claim()) == 3


async def test_consent_is_read_again_at_the_claim_and_at_the_hand_over(api: Api, postman: Postman) -> None:
    people = await readers(api, 3)
    made = await launched(api)
    await postman.plan()
    await grant(api, people[0], "withdrawn")
    messages = await postman.claim()
    assert {message["customer_id"] for message in messages} == set(people[1:])
    await grant(api, people[1], "withdrawn")
    allowed = await postman.begin(messages)
    assert len(allowed) == 1
    await postman.report(allowed)
    assert await postman.claim() == []
    assert await states(api, made) == {"sent": 1, "consent_withdrawn": 2}


async def test_pause_and_stop_are_felt_by_the_next_hand_over(api: Api, postman: Postman) -> None:
    await readers(api, 4)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim(limit=2)
    paused = await api.post(f"/v1/campaigns/{made}/pause", expect=200)
    assert paused["counts"]["in_flight"] == 2
    assert await postman.begin(messages) == []
    assert await postman.claim() == []
    await api.post(f"/v1/campaigns/{made}/resume", expect=200)
    messages = await postman.claim(limit=2)
    allowed = await postman.begin(messages)
    stopped = await api.post(f"/v1/campaigns/{made}/stop", expect=200)
    assert stopped["status"] == "stopping"
    await postman.report(allowed)
    await postman.plan()
    assert await postman.claim() == []
    assert await states(api, made) == {"sent": 2, "campaign_stopped": 2}
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "stopped"


async def expire_leases(database: Database) -> None:
    async with database.session() as session:
        await session.execute(text("UPDATE message_due SET leased_until = now() - interval '1 second'"))


async def test_a_small_campaign_does_not_wait_behind_a_large_one(api: Api, postman: Postman) -> None:
    people = await readers(api, 44)
    await launched(api)
    await postman.plan()
    words = await template(api, name="Summer")
    one = {"field": "display_name", "eq": "Reader 3"}
    small = await campaign(api, words, code="summer", name="Summer", audience=one)
    await api.post(f"/v1/campaigns/{small}/launch", {}, expect=200)
    await postman.plan()
    claimed = [message for _ in range(40) for message in await postman.claim(limit=1)]
    assert [message["customer_id"] for message in claimed if message["campaign_id"] == small] == [people[3]]
    assert len(await postman.claim(limit=20)) == 5, "the room of a claim is not wasted"


async def test_an_exchange_carries_batches_each_under_its_lease(api: Api, postman: Postman) -> None:
    await readers(api, 30)
    made = await launched(api)
    await postman.plan()
    full, rest = (await postman.exchange(claim=40))["claimed"]["batches"]
    assert (len(full["data"]), len(rest["data"]), full["lease_id"] != rest["lease_id"]) == (20, 10, True)
    ids = [[each["id"] for each in batch["data"]] for batch in (full, rest)]
    assert len({*ids[0], *ids[1]}) == 30

    def begun(*leases: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"lease_id": each["lease_id"], "messages": mine} for each, mine in zip(leases, ids, strict=True)]

    def sent(*leases: dict[str, Any]) -> list[dict[str, Any]]:
        told = [[{"id": id, "result": "sent"} for id in mine] for mine in ids]
        return [{"lease_id": each["lease_id"], "reports": mine} for each, mine in zip(leases, told, strict=True)]

    assert (await postman.exchange(hand_over=begun(rest, full)))["allowed"] == [], "each under its own lease"
    assert (await postman.exchange(hand_over=begun(full, rest)))["allowed"] == ids[0] + ids[1]
    late = (await postman.exchange(report=sent(rest, full)))["reported"]
    assert (late["accepted"], late["late"]) == ([], ids[0] + ids[1])
    reported = (await postman.exchange(report=sent(full, rest)))["reported"]
    assert (set(reported["accepted"]), reported["late"]) == ({*ids[0], *ids[1]}, [])
    assert await states(api, made) == {"sent": 30}


async def test_what_a_dead_worker_held_is_taken_back_or_unknown(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 4)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim()
    await postman.begin(messages[:1])
    await expire_leases(database)
    again = await postman.claim()
    assert {each["id"] for each in again} == {each["id"] for each in messages[1:]}
    assert await states(api, made) == {"hand_over_unknown": 1, "claimed": 3}


async def test_a_gateway_that_can_be_asked_is_asked(api: Api, database: Database) -> None:
    postman = Postman(api, gateway="file", can_look_up=True)
    await readers(api, 2)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim()
    await postman.begin(messages)
    await expire_leases(database)
    assert await Postman(api, gateway="smtp").claim() == []
    asked = await postman.claim()
    assert [each["reconcile"] for each in asked] == [True, True]
    await postman.report([asked[0]["id"]], "sent")
    await postman.report([asked[1]["id"]], "not_taken")
    assert await states(api, made) == {"sent": 1, "pending": 1}
    assert [each["reconcile"] for each in await postman.claim()] == [False]


async def test_a_turn_that_did_not_come_costs_no_attempt(api: Api, postman: Postman) -> None:
    await readers(api, 1)
    made = await launched(api)
    await postman.plan()
    for result in (*["not_taken"] * (MOST_ATTEMPTS + 1), "deferred"):
        [message] = await postman.claim()
        assert await postman.begin([message]) == [message["id"]]
        await postman.report([message["id"]], result)
        assert await states(api, made) == {"pending": 1}


async def test_a_gateway_that_never_comes_back_leaves_nothing_open(api: Api, database: Database) -> None:
    postman = Postman(api, gateway="file-gone", can_look_up=True)
    await readers(api, 1)
    made = await launched(api)
    await postman.plan()
    await postman.begin(await postman.claim())
    await expire_leases(database)
    other = Postman(api, gateway="file-other", can_look_up=True)
    assert await other.claim() == [], "only the gateway itself knows"
    assert await states(api, made) == {"handing_over": 1}
    async with database.session() as session:
        await session.execute(text("UPDATE message_due SET leased_until = now() - interval '61 minutes'"))
    assert await other.claim() == []
    assert await states(api, made) == {"hand_over_unknown": 1}
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "finished"


async def test_deferred_waits_and_bounced_is_suppressed(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 2)
    made = await launched(api)
    await postman.plan()
    one, two = (each["id"] for each in await postman.claim())
    await postman.begin([{"id": one}, {"id": two}])
    await postman.report([one], "deferred", code=451, detail="later")
    await postman.report([two], "bounced", code=550, detail="no such user")
    assert await states(api, made) == {"pending": 1, "bounced": 1}
    assert await postman.claim() == [], "not before its pause is over"
    async with database.session() as session:
        await session.execute(text("UPDATE message_due SET due_at = now()"))
    assert len(await postman.claim()) == 1
    page = await api.get("/v1/suppressions")
    assert len(page["data"]) == 1


async def test_a_report_after_the_lease_does_not_count(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 1)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim()
    allowed = await postman.begin(messages)
    lease = postman.lease_id
    await expire_leases(database)
    await postman.claim()
    postman.lease_id = lease
    assert (await postman.report(allowed))["late"] == allowed
    assert await states(api, made) == {"hand_over_unknown": 1}


async def test_a_mailbox_that_moved_is_reached_once(api: Api, postman: Postman) -> None:
    people = await readers(api, 2)
    made = await launched(api)
    await postman.plan()
    first = await postman.claim(limit=1)
    allowed = await postman.begin(first)
    await postman.report(allowed)
    sent_to = first[0]["customer_id"]
    other = next(person for person in people if person != sent_to)
    await api.patch(f"/v1/customers/{sent_to}", {"contact_points": []})
    address = first[0]["recipient"]["address"]
    await api.patch(f"/v1/customers/{other}", {"contact_points": [{"kind": "email", "value": address}]})
    assert await postman.claim() == []
    assert await states(api, made) == {"sent": 1, "already_reached": 1}
    assert await failing(api, made, other) == {"mailbox"}
    assert await failing(api, made, sent_to) == {"address"}


async def test_each_recipient_gets_the_offer_decided_for_them(api: Api, postman: Postman) -> None:
    people = await readers(api, 2)
    offer = {
        "code": "BIKES", "name": "Bikes", "status": "live", "priority": 1,
        "eligibility": {"field": "display_name", "eq": "Reader 0"},
        "channels": {"email": {"title": "10 % off", "body": "For you", "url": "https://shop.example/bikes"}},
    }  # fmt: skip
    await api.post("/v1/offers", offer, expect=201)
    made = await launched(api, with_offer=True)
    await postman.plan()
    [message] = await postman.claim()
    assert message["customer_id"] == people[0]
    assert message["variables"]["offer"]["title"] == "10 % off"
    assert await states(api, made) == {"claimed": 1, "no_offer": 1}
    assert len((await api.get(f"/v1/customers/{people[0]}/decisions"))["data"]) == 1
    told = [await api.get(f"/v1/campaigns/{made}/explain/{person}") for person in people]
    assert [each["reason"] for each in told] == [None, "no_offer"]
    assert [await failing(api, made, person) for person in people] == [set(), {"offer"}]


async def test_what_is_wrong_is_told(api: Api, postman: Postman) -> None:
    wish = {"code": "spring", "name": "Spring", "audience": AUDIENCE, "template_id": str(uuid4()), "sender": SENDER}
    told = await api.post("/v1/campaigns", wish, expect=problem("invalid-request", 422))
    assert told["errors"][0]["pointer"] == "/template_id"
    template_id = await template(api)
    both = {**wish, "template_id": template_id, "segment_id": str(uuid4())}
    await api.post("/v1/campaigns", both, expect=problem("invalid-request", 422))
    crlf = {**wish, "template_id": template_id, "sender": {**SENDER, "name": "Shop\r\nBcc: all@example.com"}}
    told = await api.post("/v1/campaigns", crlf, expect=problem("invalid-request", 422))
    assert told["errors"][0]["pointer"] == "/sender/name"
    for part, address in (("address", "käse@shop.example"), ("reply_to", "käse@shop.example"), ("address", "a@b\nc")):
        sender = {**wish, "template_id": template_id, "sender": {**SENDER, part: address}}
        told = await api.post("/v1/campaigns", sender, expect=problem("invalid-request", 422))
        assert told["errors"][0]["pointer"] == f"/sender/{part}"
    gain = {**wish, "template_id": template_id, "unit_cost": {"amount": "-0.01", "currency": "EUR"}}
    told = await api.post("/v1/campaigns", gain, expect=problem("invalid-request", 422))
    assert told["errors"][0]["pointer"] == "/unit_cost"
    made = await campaign(api, template_id)
    for nothing in ({}, {"name": "Spring"}, {"unit_cost": None}, {"sender": {**SENDER, "reply_to": None}}):
        assert (await api.patch(f"/v1/campaigns/{made}", nothing, expect=200))["version"] == 1
    await api.post("/v1/campaigns", {**wish, "template_id": template_id}, expect=problem("campaign-code-taken", 409))
    await api.post(f"/v1/campaigns/{made}/launch", {}, expect=problem("empty-audience", 422))
    await readers(api, 1)
    past = {"launch_at": "2020-01-01T09:00"}
    await api.post(f"/v1/campaigns/{made}/launch", past, expect=problem("launch-in-the-past", 422))
    zoned = ("2026-12-01T09:00Z", "2026-12-01T09:00+01:00", "2026-12-01T09:00:00-0500")
    loose = ("2026-12-01", "20261201T0900", "2027-W01-1", "2026-12-01 09:00", "2026-12-01T09:00:00.5", 1, True)
    nowhere = ("tomorrow", "", "2026-02-30T09:00", "0001-01-01T00:00", "9999-12-31T23:59")
    for odd in (*zoned, *loose, *nowhere):
        await api.post(f"/v1/campaigns/{made}/launch", {"launch_at": odd}, expect=problem("invalid-request", 422))
    await api.post(f"/v1/campaigns/{made}/pause", expect=problem("campaign-status-wrong", 409))
    await api.post(f"/v1/campaigns/{made}/launch", {"launch_at": "2199-12-01T09:00"}, expect=200)
    await api.patch(f"/v1/campaigns/{made}", {"name": "Late"}, expect=problem("campaign-not-draft", 409))
    await postman.plan()
    assert await postman.claim() == []
    await api.post(f"/v1/campaigns/{made}/stop", expect=200)
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "stopped"


async def test_a_draft_whose_segment_was_archived_is_not_launched(api: Api) -> None:
    await readers(api, 1)
    segment = (await api.post("/v1/segments", {"name": "Readers", "definition": AUDIENCE}, expect=201))["id"]
    await api.post(f"/v1/segments/{segment}/builds", expect=202)
    await Postman(api).plan()
    made = await campaign(api, await template(api), audience=None, segment_id=segment)
    await api.post(f"/v1/segments/{segment}/archive", expect=200)
    told = await api.post(f"/v1/campaigns/{made}/launch", {}, expect=problem("invalid-request", 422))
    assert [(each["pointer"], each["code"]) for each in told["errors"]] == [("/segment_id", "segment-archived")]


async def test_a_plan_that_fails_is_seen_and_tried_again_later(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 1)
    made = await launched(api)
    async with database.session() as session:
        broken = """UPDATE campaign SET audience = '{"field": "nope", "eq": "x"}'"""
        await session.execute(text(broken))
    await postman.plan()
    found = await api.get(f"/v1/campaigns/{made}")
    assert (found["status"], found["version"]) == ("scheduled", 3)
    assert datetime.fromisoformat(found["starts_at"]) > now() + timedelta(seconds=50)
    job = await api.get(f"/v1/jobs/{found['job_id']}")
    assert (job["state"], job["problem"]["code"]) == ("failed", "invalid-audience")
    await postman.plan()
    assert len((await api.get("/v1/jobs?kind=campaign-plan"))["data"]) == 1, "not again at every tick"
    async with database.session() as session:
        await session.execute(text("UPDATE campaign SET audience = :mended, starts_at = now()"), {"mended": MENDED})
    await postman.plan()
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "running"
    assert len(await postman.claim()) == 1


async def test_a_broken_plan_can_be_stopped(api: Api, postman: Postman, database: Database) -> None:
    await readers(api, 1)
    made = await launched(api)
    async with database.session() as session:
        await session.execute(text("""UPDATE campaign SET audience = '{"field": "nope", "eq": "x"}'"""))
    await postman.plan()
    await api.post(f"/v1/campaigns/{made}/stop", expect=200)
    assert await postman.claim() == []
    assert (await api.get(f"/v1/campaigns/{made}"))["status"] == "stopped"


async def test_an_explanation_names_every_rule(api: Api) -> None:
    people = await readers(api, 1, consent=False)
    made = await campaign(api, await template(api))
    told = await api.get(f"/v1/campaigns/{made}/explain/{people[0]}")
    assert {rule["rule"]: rule["passed"] for rule in told["rules"]} == {
        "not_archived": True, "audience": True, "consent": False, "address": True, "suppression": True, "mailbox": True
    }  # fmt: skip
    assert told["state"] is None


async def test_unsubscribing_takes_one_post(api: Api, anonymous: Api, postman: Postman) -> None:
    people = await readers(api, 2)
    made = await launched(api)
    await postman.plan()
    messages = await postman.claim()
    link = messages[0]["unsubscribe_url"].removeprefix("http://crm.test")
    page = await anonymous.client.get(link)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    customer = messages[0]["customer_id"]
    assert await postman.begin(messages[1:]) == [messages[1]["id"]], "a GET changes nothing"
    done = await anonymous.client.post(link, content="List-Unsubscribe=One-Click")
    assert done.status_code == 200
    again = await anonymous.client.post(link)
    assert again.status_code == 200
    assert await postman.begin(messages[:1]) == []
    events = await api.get(f"/v1/consents?customer_id={customer}")
    assert [event["state"] for event in events["data"]].count("withdrawn") == 1
    for forged in (link[:-1] + ("A" if link[-1] != "A" else "B"), "/p/unsubscribe/x", "/p/unsubscribe/" + "A" * 64):
        assert (await anonymous.client.post(forged)).status_code == 404
    for odd in ("A" * 200, "A" * 3_000, "é", link.rpartition("/")[2] + "A"):
        assert (await anonymous.client.post(f"/p/unsubscribe/{odd}")).status_code == 404
        assert (await anonymous.client.get(f"/p/click/{odd}/1")).status_code == 404
    assert page.headers.get_list("referrer-policy") == ["no-referrer"]
    assert people
    assert made


async def test_pressing_many_times_at_once_is_pressing_once(api: Api, anonymous: Api, postman: Postman) -> None:
    await api.put("/v1/purposes/service", {"label": "Service", "needs_consent": False})
    people = await readers(api, 4, consent=False)
    await launched(api, purpose="service")
    await postman.plan()
    for message in await postman.claim():
        link = message["unsubscribe_url"].removeprefix("http://crm.test")
        answers = await asyncio.gather(*(anonymous.client.post(link) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
    ledger = (await api.get("/v1/consents"))["data"]
    assert sorted(line["customer_id"] for line in ledger) == sorted(people), "a line each"
    assert {(line["state"], line["purpose"]) for line in ledger} == {("withdrawn", "service")}
    assert len((await api.get(f"/v1/customers/{people[0]}/timeline"))["data"]) == 1


async def test_who_says_no_means_it_after_a_grant_dated_ahead(api: Api, anonymous: Api, postman: Postman) -> None:
    [reader] = await readers(api, 1, consent=False)
    ahead = (now() + timedelta(hours=20)).isoformat()
    wish = {"customer_id": reader, "channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
    await api.post("/v1/consents", {**wish, "occurred_at": ahead}, expect=201)
    await launched(api)
    await postman.plan()
    [message] = await postman.claim()
    await anonymous.client.post(message["unsubscribe_url"].removeprefix("http://crm.test"))
    assert await postman.begin([message]) == []


async def test_openings_and_clicks_are_touchpoints_once(api: Api, anonymous: Api, postman: Postman) -> None:
    await readers(api, 1)
    await launched(api)
    await postman.plan()
    [message] = await postman.claim()
    await postman.begin([message], [{"number": 4711, "url": "https://shop.example/bikes"}])
    await postman.report([message["id"]])
    for _ in range(2):
        opened = await anonymous.client.get(message["open_url"].removeprefix("http://crm.test"))
        assert opened.headers["content-type"] == "image/gif"
        clicked = await anonymous.client.get(message["click_prefix"].removeprefix("http://crm.test") + "4711")
        assert clicked.headers["location"] == "https://shop.example/bikes"
    other = await anonymous.client.get(message["click_prefix"].removeprefix("http://crm.test") + "4712")
    assert other.status_code == 404
    timeline = await api.get(f"/v1/customers/{message['customer_id']}/timeline")
    assert sorted(row["kind"] for row in timeline["data"]) == [
        "consent.granted", "email.clicked", "email.opened", "email.sent"
    ]  # fmt: skip
