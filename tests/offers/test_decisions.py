"""What is decided for a customer, why, and that it stays as it was."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import func, select

from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.offers.models import Decision
from crm_api.settings import Settings

from ..calling import Api, problem
from .conftest import EMAIL, Offered, Registered

GERMANS = {"field": "country", "eq": "DE"}


def codes(decision: dict[str, Any]) -> list[str]:
    return [each["code"] for each in decision["chosen"]]


def why(decision: dict[str, Any]) -> dict[str, list[str]]:
    """The codes of all reasons, by offer."""
    told = [*decision["chosen"], *decision["rejected"]]
    return {each["code"]: [reason["code"] for reason in each["reasons"]] for each in told}


async def decide(api: Api, customer_id: str, channel: str = "email", **wish: Any) -> dict[str, Any]:
    body = {"customer_id": customer_id, "channel": channel, **wish}
    decision: dict[str, Any] = await api.post("/v1/decisions", body, expect=201)
    return decision


async def test_the_best_offer_is_chosen_and_all_say_why(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann", country="DE")
    best = await offer("BEST", priority=5, eligibility=GERMANS, margin={"amount": "3.00", "currency": "EUR"})
    await offer("NEXT", priority=5, margin={"amount": "2.50", "currency": "EUR"})
    await offer("FOREIGN", priority=9, eligibility={"field": "country", "eq": "AT"})
    await offer("WEB", priority=9, channels={"web": EMAIL["email"]})
    await offer("LATER", priority=9, valid_from="2199-01-01T00:00:00Z")
    await offer("PAST", priority=9, valid_until="2001-01-01T00:00:00Z")
    await offer("DRAFT", priority=9, status="draft")
    answer = await api.send("POST", "/v1/decisions", {"customer_id": ann, "channel": "email"}, expect=201)
    decision = answer.json()
    assert answer.headers["location"] == f"/v1/customers/{ann}/decisions/{decision['id']}"
    assert codes(decision) == ["BEST"]
    [chosen] = decision["chosen"]
    assert chosen["offer_id"] == best["id"]
    assert chosen["content"] == EMAIL["email"]
    assert chosen["margin"] == {"amount": "3.00", "currency": "EUR"}
    assert "3.00 EUR" in chosen["reasons"][1]["detail"]
    assert why(decision) == {
        "BEST": ["eligible", "higher-margin"],
        "NEXT": ["outranked"],
        "FOREIGN": ["not-eligible"],
        "WEB": ["no-content-for-channel"],
        "LATER": ["not-yet-valid"],
        "PAST": ["expired"],
        "DRAFT": ["not-live"],
    }
    assert [each["code"] for each in decision["rejected"]] == ["NEXT", "FOREIGN", "WEB", "LATER", "PAST", "DRAFT"]
    assert (decision["rejected_count"], decision["decided_by"]) == (6, "tests")


async def test_more_than_one_can_be_wanted(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann")
    for code in "CABD":
        await offer(code, priority=1 if code == "D" else 0)
    assert codes(await decide(api, ann, limit=3)) == ["D", "A", "B"]
    assert codes(await decide(api, ann, limit=10)) == ["D", "A", "B", "C"]
    assert why(await decide(api, ann, limit=10))["C"] == ["open-to-all", "no-other"]
    await api.post("/v1/decisions", {"customer_id": ann, "channel": "email", "limit": 11}, expect=422)


async def test_nothing_fits_and_that_is_a_decision_too(api: Api, register: Registered) -> None:
    ann = await register("Ann")
    decision = await decide(api, ann)
    assert (decision["chosen"], decision["rejected"], decision["rejected_count"]) == ([], [], 0)


async def test_it_is_valid_until_an_offer_ends_a_day_at_most(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann")
    await offer("LONG")
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    day = await decide(api, ann, at=at.isoformat())
    assert datetime.fromisoformat(day["valid_until"]) == at + timedelta(hours=24)
    await offer("SHORT", priority=1, valid_until="2026-01-15T15:00:00Z")
    short = await decide(api, ann, at=at.isoformat())
    assert (short["at"], short["valid_until"]) == ("2026-01-15T12:00:00Z", "2026-01-15T15:00:00Z")
    assert codes(await decide(api, ann, at="2026-01-15T15:00:00Z")) == ["LONG"], "the end is outside"


async def test_windows_end_at_the_moment_that_is_asked_for(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann")
    for day in (1, 10):
        order = {
            "customer_id": ann,
            "kind": "order.placed",
            "occurred_at": f"2026-01-{day:02}T12:00:00Z",
            "source": "shop",
            "source_id": str(day),
            "channel": "web",
        }
        await api.post("/v1/touchpoints", order, expect=201)
    placed = {"touchpoint": "order.placed"}
    await offer("ONE", eligibility={"count": placed, "last": "P5D", "eq": 1})
    await offer("TWO", eligibility={"count": placed, "last": "P14D", "eq": 2})
    await offer("HOURS", eligibility={"count": placed, "last": "PT24H", "gte": 1})
    for at, expected in (
        ("2026-01-10T13:00:00Z", ["HOURS", "ONE", "TWO"]),
        ("2026-01-12T13:00:00Z", ["ONE", "TWO"]),
        ("2026-01-20T13:00:00Z", []),
        ("2026-01-01T12:00:00Z", ["HOURS", "ONE"]),
        ("2026-01-10T13:00:00Z", ["HOURS", "ONE", "TWO"]),
    ):
        assert codes(await decide(api, ann, at=at, limit=10)) == expected, at


async def test_many_audiences_are_asked_at_once(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann", country="DE", tags=["vip", "new"], birth_date="1990-04-01")
    bob = await register("Bob", country="AT")
    for campaign in ("3", "5"):
        targeted = {
            "customer_id": ann,
            "kind": "campaign.targeted",
            "occurred_at": "2026-01-01T12:00:00Z",
            "source": "shop",
            "source_id": campaign,
            "campaign": campaign,
        }
        await api.post("/v1/touchpoints", targeted, expect=201)
    audiences: dict[str, tuple[Any, bool, bool]] = {
        "EVERYBODY": (None, True, True),
        "GERMANS": (GERMANS, True, False),
        "AUSTRIANS": ({"field": "country", "eq": "AT"}, False, True),
        "AMONG": ({"field": "country", "in": ["DE", "CH"]}, True, False),
        "AMONG-2": ({"field": "country", "in": ["FR", "CH"]}, False, False),
        "VIP": ({"field": "tags", "has": "VIP"}, True, False),
        "OLD": ({"field": "tags", "has": "old"}, False, False),
        "BORN": ({"field": "birth_date", "known": True}, True, False),
        "UNBORN": ({"not": {"field": "birth_date", "known": True}}, False, True),
        "NINETIES": ({"field": "birth_date", "between": ["1990-01-01", "1999-12-31"]}, True, False),
        "NO-NINETIES": ({"not": {"field": "birth_date", "between": ["1990-01-01", "1999-12-31"]}}, False, True),
        "LIKE": ({"field": "display_name", "like": "A*"}, True, False),
        "LIKE-2": ({"field": "display_name", "like": "B*"}, False, True),
        "BOTH": ({"all": [GERMANS, {"field": "display_name", "eq": "ann"}]}, True, False),
        "EITHER": ({"any": [GERMANS, {"field": "display_name", "eq": "bob"}]}, True, True),
    }
    for campaign in range(9):
        targeted_once = {"touchpoint": "campaign.targeted", "where": {"field": "campaign", "eq": str(campaign)}}
        is_in = campaign in (3, 5)
        audiences[f"C{campaign}"] = ({"count": targeted_once, "gte": 1}, is_in, False)
        audiences[f"N{campaign}"] = ({"count": targeted_once, "eq": 0}, not is_in, True)
        audiences[f"T{campaign}"] = ({"count": targeted_once, "between": [0, 0]}, not is_in, True)
    for code, (eligibility, _, _) in audiences.items():
        await offer(code, eligibility=eligibility)
    for customer, place in ((ann, 1), (bob, 2)):
        told = why(await decide(api, customer, limit=10))
        eligible = {code for code, reasons in told.items() if reasons != ["not-eligible"]}
        assert eligible == {code for code, verdicts in audiences.items() if verdicts[place]}


async def test_membership_in_a_segment_can_be_asked(api: Api, offer: Offered, register: Registered) -> None:
    ann, bob = await register("Ann", country="DE"), await register("Bob", country="AT")
    segment = await api.post("/v1/segments", {"name": "Germans", "definition": GERMANS}, expect=201)
    await offer("MEMBERS", eligibility={"segment": segment["id"]})
    await offer("OTHERS", eligibility={"not": {"segment": segment["id"]}})
    await api.post(f"/v1/segments/{segment['id']}/builds", expect=202)
    [job] = (await api.post("/v1/jobs/claim", {"worker": "w"}))["data"]
    for _ in ("the watch", "the only range", "the publication"):
        await api.post(f"/v1/jobs/{job['id']}/steps", {"lease_id": job["lease_id"]}, expect=200)
    assert codes(await decide(api, ann)) == ["MEMBERS"]
    assert codes(await decide(api, bob)) == ["OTHERS"]


async def test_custom_fields_can_be_asked(api: Api, offer: Offered, register: Registered) -> None:
    await api.post("/v1/fields", {"key": "shoe_size", "type": "integer", "label": "Shoe size"}, expect=201)
    ann = await register("Ann", custom_fields={"shoe_size": 38})
    await offer("SMALL", eligibility={"field": "custom.shoe_size", "lt": 40})
    await offer("LARGE", eligibility={"field": "custom.shoe_size", "gte": 40})
    assert codes(await decide(api, ann, limit=2)) == ["SMALL"]


async def test_a_change_of_offers_counts_at_once_in_every_process(
    api: Api, settings: Settings, offer: Offered, register: Registered
) -> None:
    ann = await register("Ann")
    first = await offer("FIRST")
    other = create_app(settings)
    async with (
        other.router.lifespan_context(other),
        AsyncClient(transport=ASGITransport(other), base_url="http://crm.test") as client,
    ):
        elsewhere = Api(client, api.headers)
        for process in (api, elsewhere):
            assert codes(await decide(process, ann)) == ["FIRST"]
        await offer("SECOND", priority=1)
        for process in (elsewhere, api):
            assert codes(await decide(process, ann)) == ["SECOND"]
        await elsewhere.patch(f"/v1/offers/{first['id']}", {"priority": 2}, expect=200)
        for process in (api, elsewhere):
            assert codes(await decide(process, ann)) == ["FIRST"]
        await elsewhere.put("/v1/offers/by-code/FIRST", {"name": "X", "status": "retired"}, expect=200)
        for process in (api, elsewhere):
            assert codes(await decide(process, ann)) == ["SECOND"]


async def test_a_decision_is_kept_as_it_was(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann")
    made = await offer("A")
    first = await decide(api, ann)
    await api.patch(f"/v1/offers/{made['id']}", {"channels": None, "name": "Other"}, expect=200)
    assert await api.get(f"/v1/customers/{ann}/decisions/{first['id']}", expect=200) == first
    second = await decide(api, ann)
    third = await decide(api, ann, channel="web")
    page = await api.get(f"/v1/customers/{ann}/decisions?limit=2", expect=200)
    assert page["data"] == [third, second]
    rest = await api.get(f"/v1/customers/{ann}/decisions?limit=2&cursor={page['next_cursor']}", expect=200)
    assert (rest["data"], rest["next_cursor"]) == ([first], None)
    by_web = await api.get(f"/v1/customers/{ann}/decisions?channel=web", expect=200)
    assert by_web["data"] == [third]


async def test_a_key_decides_once(api: Api, offer: Offered, register: Registered, database: Database) -> None:
    ann = await register("Ann")
    await offer("A")
    body = {"customer_id": ann, "channel": "email"}
    headers = {"Idempotency-Key": "once"}
    first = await api.send("POST", "/v1/decisions", body, headers=headers, expect=201)
    again = await api.send("POST", "/v1/decisions", body, headers=headers, expect=201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Decision)) == 1


async def test_the_customer_can_be_named_as_another_system_does(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann", external_ids=[{"system": "shop", "external_id": "47/11"}])
    await offer("A")
    body = {"customer": {"system": "shop", "external_id": "47/11"}, "channel": "email"}
    assert (await api.post("/v1/decisions", body, expect=201))["customer_id"] == ann
    body["customer"] = {"system": "shop", "external_id": "none"}
    await api.post("/v1/decisions", body, expect=problem("customer-not-found", 404))


async def test_nothing_is_decided_for_the_archived_and_the_unknown(
    api: Api, offer: Offered, register: Registered, database: Database
) -> None:
    ann = await register("Ann")
    await offer("A")
    await api.post(f"/v1/customers/{ann}/archive", expect=200)
    await api.post("/v1/decisions", {"customer_id": ann, "channel": "email"}, expect=problem("customer-archived", 409))
    nobody = str(uuid4())
    unknown = problem("customer-not-found", 404)
    await api.post("/v1/decisions", {"customer_id": nobody, "channel": "email"}, expect=unknown)
    await api.get(f"/v1/customers/{nobody}/decisions", expect=unknown)
    await api.get(f"/v1/customers/{ann}/decisions/{nobody}", expect=problem("decision-not-found", 404))
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Decision)) == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channel": "email"}, ""),
        ({"customer_id": str(uuid4()), "customer": {"system": "a", "external_id": "b"}, "channel": "email"}, ""),
        ({"customer_id": "4711", "channel": "email"}, "/customer_id"),
        ({"customer_id": str(uuid4())}, "/channel"),
        ({"customer_id": str(uuid4()), "channel": "E-Mail"}, "/channel"),
        ({"customer_id": str(uuid4()), "channel": "email", "limit": 0}, "/limit"),
        ({"customer_id": str(uuid4()), "channel": "email", "limit": "1"}, "/limit"),
        ({"customer_id": str(uuid4()), "channel": "email", "at": "9999-12-31T23:59:59Z"}, "/at"),
        ({"customer_id": str(uuid4()), "channel": "email", "now": True}, "/now"),
        ({"customer": {"system": "shop"}, "channel": "email"}, "/customer/external_id"),
    ],
)
async def test_bad_wishes_are_refused_with_their_place(api: Api, body: dict[str, Any], pointer: str) -> None:
    refused = await api.post("/v1/decisions", body, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer, refused


async def test_deciding_while_offers_change_never_fails(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann")
    made = await offer("A")

    async def change(number: int) -> None:
        await api.patch(f"/v1/offers/{made['id']}", {"priority": number}, expect=200)

    calls: list[Any] = []
    for number in range(1, 11):
        calls += [change(number), decide(api, ann), decide(api, ann)]
    decisions = [done for done in await asyncio.gather(*calls) if done is not None]
    assert all(codes(decision) == ["A"] for decision in decisions)
