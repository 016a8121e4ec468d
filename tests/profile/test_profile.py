"""Everything about one customer in one call: complete, exact, and no more than the caller may see."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database
from crm_api.core.ids import new_id

from ..analytics.conftest import Computing, scored
from ..calling import Api, problem

PARTS = ("customer", "consents", "scores", "segments", "last_touches", "offers", "totals")
ALL = "customers:read consents:read scores:read segments:read touchpoints:read offers:read"
EMAIL = {"email": {"title": "Hello", "body": "For you.", "url": "https://shop.example/"}}


@pytest.fixture
async def ann(api: Api) -> str:
    """A customer of whom little is known."""
    wish = {
        "kind": "person",
        "display_name": "Ann",
        "contact_points": [{"kind": "email", "value": "ann@example.com"}],
        "external_ids": [{"system": "shop", "external_id": "1"}],
        "addresses": [{"city": "Graz", "country": "AT"}],
        "tags": ["new"],
    }
    return str((await api.post("/v1/customers", wish, expect=201))["id"])


async def touch(api: Api, customer_id: str, kind: str, at: str, **more: Any) -> Any:
    body = {"customer_id": customer_id, "kind": kind, "occurred_at": at, **more}
    return await api.post("/v1/touchpoints", body, expect=201)


async def order(api: Api, customer_id: str, at: str, amount: str, currency: str = "EUR", **more: Any) -> Any:
    money = {"amount": amount, "currency": currency}
    return await touch(api, customer_id, "order.placed", at, channel="web", amount=money, **more)


async def profile(api: Api, customer_id: str, parts: str | None = None) -> Any:
    query = "" if parts is None else f"?parts={parts}"
    return await api.get(f"/v1/customers/{customer_id}/profile{query}", expect=200)


async def test_the_parts_are_what_their_own_resources_say(api: Api, ann: str) -> None:
    consent = {"customer_id": ann, "channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
    await api.post("/v1/consents", consent, expect=201)
    found = await profile(api, ann)
    assert list(found) == ["customer_id", *PARTS, "withheld"]
    assert (found["customer_id"], found["withheld"]) == (ann, [])
    assert found["customer"]["data"] == await api.get(f"/v1/customers/{ann}")
    assert found["consents"]["data"] == (await api.get(f"/v1/customers/{ann}/consents"))["data"]
    assert found["scores"]["data"] == (await api.get(f"/v1/customers/{ann}/scores"))["data"]
    assert found["scores"]["as_of"] is None
    for part in PARTS:
        if part != "scores":
            assert datetime.fromisoformat(found[part]["as_of"]).tzinfo is not None


async def test_segments_are_those_the_customer_is_in(api: Api, ann: str) -> None:
    definition = {"field": "country", "eq": "AT"}
    made = await api.post("/v1/segments", {"name": "Austrians", "definition": definition}, expect=201)
    other = {"name": "Germans", "definition": {"field": "country", "eq": "DE"}}
    for segment in (made, await api.post("/v1/segments", other, expect=201)):
        job = await api.post(f"/v1/segments/{segment['id']}/builds", expect=202)
        [claimed] = (await api.post("/v1/jobs/claim", {"worker": "w", "job_id": job["id"]}))["data"]
        while not (await api.post(f"/v1/jobs/{job['id']}/steps", {"lease_id": claimed["lease_id"]}))["done"]:
            pass
    found = (await profile(api, ann, "segments"))["segments"]
    assert [each["name"] for each in found["data"]] == ["Austrians"]
    assert found["data"] == (await api.get(f"/v1/customers/{ann}/segments"))["data"]
    assert found["is_complete"] is True


async def test_scores_are_those_of_the_current_run(
    api: Api, ann: str, publish: Callable[..., Awaitable[Computing]]
) -> None:
    bea = str((await api.post("/v1/customers", {"kind": "person", "display_name": "Bea"}, expect=201))["id"])
    run = await publish([scored(ann, 4)], as_of="2026-01-01")
    for customer_id, status in ((ann, "ok"), (bea, "insufficient_data")):
        scores = (await profile(api, customer_id, "scores"))["scores"]
        assert scores["data"] == (await api.get(f"/v1/customers/{customer_id}/scores"))["data"]
        assert scores["data"][0]["status"] == status
        assert scores["as_of"] == (await run.read())["finished_at"]


async def test_the_last_touches_are_told_by_channel_and_by_kind(api: Api, ann: str) -> None:
    await touch(api, ann, "email.opened", "2026-01-01T10:00:00Z", channel="email", direction="inbound")
    last = await touch(api, ann, "email.opened", "2026-01-03T10:00:00Z", channel="email", subject="Hello")
    call = await touch(api, ann, "call.answered", "2026-01-02T10:00:00Z", channel="phone")
    await touch(api, ann, "email.clicked", "2026-01-01T11:00:00Z", channel="email")
    await touch(api, ann, "visit.made", "2026-01-04T11:00:00Z")
    found = (await profile(api, ann, "last_touches"))["last_touches"]
    assert [(each["channel"], each["id"]) for each in found["by_channel"]] == [
        ("email", last["id"]),
        ("phone", call["id"]),
    ]
    kinds = ["visit.made", "email.opened", "call.answered", "email.clicked"]
    assert [each["kind"] for each in found["by_kind"]] == kinds
    assert found["by_kind"][1] == {
        "id": last["id"],
        "kind": "email.opened",
        "channel": "email",
        "direction": None,
        "subject": "Hello",
        "occurred_at": "2026-01-03T10:00:00Z",
    }
    assert found["is_complete"] is True


async def test_of_a_long_timeline_the_newest_part_is_looked_at(api: Api, ann: str) -> None:
    async def channels() -> tuple[list[str], bool]:
        found = (await profile(api, ann, "last_touches"))["last_touches"]
        return [each["channel"] for each in found["by_channel"]], found["is_complete"]

    old = {"customer_id": ann, "kind": "call.answered", "channel": "phone", "occurred_at": "2025-01-01T00:00:00Z"}
    lines = [old] + [
        {**old, "kind": "page.viewed", "channel": "web", "occurred_at": f"2026-01-01T00:{n // 60:02}:{n % 60:02}Z"}
        for n in range(1_000)
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines[:1_000])
    await api.post("/v1/touchpoints/batch", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert await channels() == (["web", "phone"], False)  # a thousand were looked at, and there may be more
    await api.post("/v1/touchpoints", lines[1_000], expect=201)
    assert await channels() == (["web"], False)


async def recompute(api: Api) -> None:
    """Let a worker recompute the daily facts."""
    [claimed] = (await api.post("/v1/jobs/claim", {"worker": "w", "limit": 1}))["data"]
    assert claimed["kind"] == "daily-facts"
    await api.post(f"/v1/jobs/{claimed['id']}/steps", {"lease_id": claimed["lease_id"]})


async def test_totals_are_exact_before_and_after_facts_are_recomputed(api: Api, ann: str) -> None:
    items = [
        {"sku": "bike", "quantity": "1", "paid_amount": "100.00", "list_amount": "120.00"},
        {"sku": "bell", "quantity": "2", "paid_amount": "10.00", "list_amount": "10.00"},
    ]
    await order(api, ann, "2026-01-10T12:00:00Z", "110.00", items=items)
    await order(api, ann, "2026-02-01T03:00:00Z", "20.00")  # the last day of January in New York
    await order(api, ann, "2026-03-01T12:00:00Z", "1500", "JPY")
    refund = {"amount": {"amount": "5.00", "currency": "EUR"}}
    await touch(api, ann, "order.refunded", "2026-04-01T12:00:00Z", **refund)
    wanted = [
        {
            "currency": "EUR",
            "order_count": 2,
            "line_count": 2,
            "first_order_on": "2026-01-10",
            "last_order_on": "2026-01-31",
            "net": {"amount": "125.00", "currency": "EUR"},
            "list": {"amount": "150.00", "currency": "EUR"},
            "discount": {"amount": "20.00", "currency": "EUR"},
        },
        {
            "currency": "JPY",
            "order_count": 1,
            "line_count": 0,
            "first_order_on": "2026-03-01",
            "last_order_on": "2026-03-01",
            "net": {"amount": "1500", "currency": "JPY"},
            "list": {"amount": "1500", "currency": "JPY"},
            "discount": {"amount": "0", "currency": "JPY"},
        },
    ]
    assert (await profile(api, ann, "totals"))["totals"]["data"] == wanted
    await recompute(api)
    assert (await profile(api, ann, "totals"))["totals"]["data"] == wanted
    await order(api, ann, "2026-01-10T13:00:00Z", "1.00")  # a day with facts that are not right any more
    euros = (await profile(api, ann, "totals"))["totals"]["data"][0]
    assert (euros["order_count"], euros["net"]["amount"]) == (3, "126.00")


async def test_present_offers_are_those_a_decision_would_choose(api: Api, ann: str, database: Database) -> None:
    async def offer(code: str, **wish: Any) -> None:
        body = {"code": code, "name": code, "status": "live", "channels": EMAIL, **wish}
        await api.post("/v1/offers", body, expect=201)

    await offer("AUSTRIA", priority=5, eligibility={"field": "country", "eq": "AT"})
    await offer("GERMANY", priority=9, eligibility={"field": "country", "eq": "DE"})
    await offer("ALL", priority=7)
    await offer("WEB", priority=8, channels={"web": EMAIL["email"]})
    await offer("OVER", valid_until="2026-01-01T00:00:00Z")
    await offer("DRAFT", status="draft")
    found = (await profile(api, ann, "offers"))["offers"]
    assert [(each["code"], each["channels"]) for each in found["data"]] == [
        ("WEB", ["web"]),
        ("ALL", ["email"]),
        ("AUSTRIA", ["email"]),
    ]
    assert (found["count"], found["is_complete"]) == (3, True)
    assert found["data"][2]["reasons"][0]["code"] == "eligible"
    for channel in ("email", "web"):
        wish = {"customer_id": ann, "channel": channel, "limit": 10}
        decided = await api.post("/v1/decisions", wish, expect=201)
        told = [each["code"] for each in found["data"] if channel in each["channels"]]
        assert [each["code"] for each in decided["chosen"]] == told
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM decision")) == 2  # those two, and none for the profile
    await api.post(f"/v1/customers/{ann}/archive")
    archived = await profile(api, ann, "customer,offers")
    assert (archived["offers"]["data"], archived["offers"]["count"]) == ([], 0)
    assert archived["customer"]["data"]["archived_at"] is not None


async def test_parts_may_be_chosen(api: Api, ann: str) -> None:
    found = await profile(api, ann, "totals,consents")
    assert [part for part in PARTS if found[part] is not None] == ["consents", "totals"]
    assert found["withheld"] == []
    for parts in ("", "names", "totals,", "totals;scores"):
        refused = await api.get(f"/v1/customers/{ann}/profile?parts={parts}", expect=problem("invalid-request", 422))
        assert refused["errors"][0]["pointer"] == "/parts"


@pytest.mark.parametrize("scope", [None, *ALL.split()[1:]])
async def test_what_scopes_do_not_cover_is_withheld_and_named(
    anonymous: Api, api: Api, ann: str, credentials: tuple[str, str], scope: str | None
) -> None:
    """Without a scope nothing of its parts is told, whoever else may see it; `None`: the customer alone."""
    kept = {"customers:read"} if scope is None else set(ALL.split()) - {scope}
    caller = anonymous.bearing(await anonymous.token(*credentials, " ".join(kept)))
    found = await profile(caller, ann)
    missing = {each["part"]: each["scope"] for each in found["withheld"]}
    assert set(missing.values()) == set(ALL.split()) - kept
    assert {part for part in PARTS if found[part] is None} == set(missing)
    for part, needed in missing.items():
        assert (await profile(caller, ann, part))["withheld"] == [{"part": part, "scope": needed}]


async def test_without_customers_read_there_is_nothing(
    anonymous: Api, api: Api, ann: str, credentials: tuple[str, str]
) -> None:
    caller = anonymous.bearing(await anonymous.token(*credentials, "consents:read"))
    await caller.get(f"/v1/customers/{ann}/profile", expect=problem("insufficient-scope", 403))


async def test_unknown_customers_are_told(api: Api) -> None:
    for query in ("", "?parts=offers"):
        await api.get(f"/v1/customers/{new_id()}/profile{query}", expect=problem("customer-not-found", 404))
