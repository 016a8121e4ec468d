"""Messages as workers get them: claimed, handed over, reported, and what becomes of them when a worker falls silent."""

from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database
from crm_api.outreach.message_report import MOST_ATTEMPTS

from ..calling import Api
from .planting import campaign, expire_leases, grant, launched, readers, states, template
from .postman import Postman

pytestmark = pytest.mark.usefixtures("clean")


async def failing(api: Api, campaign_id: str, customer: str) -> set[str]:
    """The rules for which a customer does not get a campaign."""
    told = await api.get(f"/v1/campaigns/{campaign_id}/explain/{customer}")
    return {rule["rule"] for rule in told["rules"] if not rule["passed"]}


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
