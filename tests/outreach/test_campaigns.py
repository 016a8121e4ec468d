"""Campaigns over HTTP: drafts, the plan, the launch, what goes wrong with it, and why somebody gets it or not."""

import json
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from crm_api.core.clock import now
from crm_api.core.db import Database

from ..calling import Api, problem
from .planting import AUDIENCE, SENDER, campaign, grant, launched, readers, states, template
from .postman import Postman

pytestmark = pytest.mark.usefixtures("clean")
MENDED = json.dumps(AUDIENCE)


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
