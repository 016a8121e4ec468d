"""Offers are made, read, changed, put by their code, and cover products."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent

from ..calling import Api, problem
from .conftest import EMAIL, Offered

GERMANS = {"field": "country", "eq": "DE"}
WHOLE = {
    "name": "10 % off",
    "description": "Bikes",
    "status": "live",
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2026-02-01T00:00:00Z",
    "priority": 5,
    "margin": {"amount": "12.30", "currency": "EUR"},
    "eligibility": {"all": [GERMANS, {"count": {"touchpoint": "order.placed"}, "last": "P14D", "gte": 2}]},
    "channels": EMAIL,
    "campaign": "spring",
}


async def test_an_offer_is_made_and_read(api: Api, database: Database) -> None:
    answer = await api.send("POST", "/v1/offers", {"code": "BIKES-10", **WHOLE}, expect=201)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/offers/{made['id']}"
    assert {"code": "BIKES-10", **WHOLE, "product_count": 0, "version": 1}.items() <= made.items()
    assert await api.get(f"/v1/offers/{made['id']}", expect=200) == made
    await api.send("GET", f"/v1/offers/{made['id']}", headers={"If-None-Match": '"1"'}, expect=304)
    async with database.session() as session:
        assert (await session.scalars(select(AuditEntry.action))).all() == ["offer.made"]
        [event] = (await session.scalars(select(OutboxEvent.data))).all()
    assert event == {"id": made["id"], "code": "BIKES-10"}


async def test_what_is_left_out_has_its_default(api: Api) -> None:
    made = await api.post("/v1/offers", {"code": "A", "name": "A"}, expect=201)
    told = {name: made[name] for name in WHOLE}
    assert told == {**dict.fromkeys(WHOLE), "name": "A", "status": "draft", "priority": 0, "channels": {}}


async def test_codes_are_unique(api: Api, offer: Offered) -> None:
    first = await offer("A")
    refused = await api.post("/v1/offers", {"code": "A", "name": "B"}, expect=problem("offer-code-taken", 409))
    assert refused["existing_id"] == first["id"]
    answers = await api.race(8, "POST", "/v1/offers", {"code": "B", "name": "B"})
    assert sorted(answer.status_code for answer in answers) == [201] + 7 * [409]


async def test_a_merge_patch_merges_channels_and_replaces_values(api: Api) -> None:
    made = await api.post("/v1/offers", {"code": "A", **WHOLE}, expect=201)
    patch = {
        "eligibility": GERMANS,
        "margin": None,
        "campaign": None,
        "channels": {"email": {"title": "New"}, "web": {"title": "Web"}},
    }
    changed = await api.patch(f"/v1/offers/{made['id']}", patch, headers={"If-Match": '"1"'}, expect=200)
    assert changed["channels"] == {
        "email": {**EMAIL["email"], "title": "New"},
        "web": {"title": "Web", "body": None, "url": None},
    }
    assert (changed["eligibility"], changed["margin"], changed["campaign"]) == (GERMANS, None, None)
    assert (changed["priority"], changed["version"]) == (5, 2)
    stale = await api.patch(f"/v1/offers/{made['id']}", {"priority": 6}, headers={"If-Match": '"1"'}, expect=412)
    assert stale["current"]["version"] == 2
    again = await api.patch(f"/v1/offers/{made['id']}", patch, expect=200)
    assert again == changed, "a patch that changes nothing leaves the version"
    less = await api.patch(f"/v1/offers/{made['id']}", {"channels": {"web": None}}, expect=200)
    assert list(less["channels"]) == ["email"]
    none = await api.patch(f"/v1/offers/{made['id']}", {"channels": None}, expect=200)
    assert none["channels"] == {}


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"valid_from": "2026-02-01T00:00:00Z"}, ""),
        ({"channels": {"web": {"body": "no title"}}}, "/channels/web/title"),
        ({"channels": {"email": {"title": None}}}, "/channels/email/title"),
        ({"status": "gone"}, "/status"),
        ({"code": "B"}, "/code"),
        ({"name": None}, "/name"),
    ],
)
async def test_a_patch_is_judged_by_what_results(api: Api, patch: dict[str, Any], pointer: str) -> None:
    made = await api.post("/v1/offers", {"code": "A", **WHOLE}, expect=201)
    refused = await api.patch(f"/v1/offers/{made['id']}", patch, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer, refused
    assert (await api.get(f"/v1/offers/{made['id']}"))["version"] == 1


@pytest.mark.parametrize(
    ("wish", "pointer", "code"),
    [
        ({"eligibility": {"field": "contry", "eq": "DE"}}, "/eligibility/field", "invalid-audience"),
        ({"eligibility": {"not": {"segment": str(uuid4())}}}, "/eligibility/not/segment", "invalid-audience"),
        ({"eligibility": {"sum": "amount"}}, "/eligibility/of", "invalid-request"),
        ({"margin": {"amount": "1.234", "currency": "EUR"}}, "/margin", "invalid-request"),
        ({"margin": {"amount": 1, "currency": "EUR"}}, "/margin/amount", "invalid-request"),
        ({"priority": "1"}, "/priority", "invalid-request"),
        ({"priority": True}, "/priority", "invalid-request"),
        ({"priority": 10**9}, "/priority", "invalid-request"),
        ({"valid_from": "2026-01-01"}, "/valid_from", "invalid-request"),
        ({"valid_from": "0001-01-01T00:00:00+14:00"}, "/valid_from", "invalid-request"),
        ({"valid_from": "2026-01-02T00:00:00Z", "valid_until": "2026-01-02T00:00:00Z"}, "", "invalid-request"),
        ({"channels": {"E-Mail": {"title": "x"}}}, "/channels/E-Mail", "invalid-request"),
        (
            {"channels": {"email": {"title": "x", "url": "javascript:alert(1)"}}},
            "/channels/email/url",
            "invalid-request",
        ),
        ({"code": "a b"}, "/code", "invalid-request"),
        ({"name": "x" * 201}, "/name", "invalid-request"),
        ({"description": "a\u0000"}, "/description", "invalid-request"),
        ({"color": "red"}, "/color", "invalid-request"),
    ],
)
async def test_bad_input_is_refused_with_its_place(api: Api, wish: dict[str, Any], pointer: str, code: str) -> None:
    body = {"code": "A", "name": "A", **wish}
    refused = await api.post("/v1/offers", body, expect=problem(code, 422))
    assert refused["errors"][0]["pointer"] == pointer, refused
    assert (await api.get("/v1/offers"))["data"] == []


async def test_putting_makes_changes_and_repeats(api: Api) -> None:
    path = "/v1/offers/by-code/26-1001"
    made = await api.put(path, WHOLE, expect=201)
    assert (made["result"], made["code"], made["version"]) == ("created", "26-1001", 1)
    same = await api.put(path, WHOLE, expect=200)
    assert (same["result"], same["changed"], same["version"]) == ("unchanged", [], 1)
    less = {name: value for name, value in WHOLE.items() if name not in ("margin", "description")}
    changed = await api.put(path, {**less, "priority": 6}, expect=200)
    assert (changed["result"], changed["version"]) == ("updated", 2)
    assert changed["changed"] == ["description", "margin", "priority"]
    assert changed["margin"] is None
    await api.put(path, WHOLE, headers={"If-Match": '"1"'}, expect=problem("version-mismatch", 412))
    await api.put("/v1/offers/by-code/none", WHOLE, headers={"If-Match": "*"}, expect=412)
    await api.put("/v1/offers/by-code/a%20b", WHOLE, expect=422)


async def test_of_many_putting_one_code_one_makes_it(api: Api) -> None:
    answers = await api.race(8, "PUT", "/v1/offers/by-code/A", WHOLE)
    assert sorted(answer.json()["result"] for answer in answers) == ["created"] + 7 * ["unchanged"]
    wishes = [api.put("/v1/offers/by-code/A", {**WHOLE, "priority": number}, expect=200) for number in range(100, 108)]
    await asyncio.gather(*wishes)
    [only] = (await api.get("/v1/offers"))["data"]
    assert only["version"] == 9, "no change is lost"


async def test_lists_filter_page_and_count(api: Api, offer: Offered) -> None:
    await offer("C", campaign="spring", valid_until="2026-02-01T00:00:00Z")
    await offer("A", status="draft", campaign="spring")
    await offer("b", valid_from="2026-03-01T00:00:00Z", channels={**EMAIL, "web": {"title": "W"}})
    await offer("D", valid_from="2026-01-01T00:00:00Z", valid_until="2026-03-01T00:00:00Z")

    async def codes(query: str) -> list[str]:
        return [each["code"] for each in (await api.get(f"/v1/offers?{query}", expect=200))["data"]]

    assert await codes("") == ["A", "C", "D", "b"]
    assert await codes("status=live&campaign=spring") == ["C"]
    assert await codes("channel=web") == ["b"]
    assert await codes("live_at=2026-01-31T23:59:59Z") == ["C", "D"]
    assert await codes("live_at=2026-02-01T00:00:00Z") == ["D"]
    assert await codes("live_at=2026-03-01T00:00:00Z") == ["b"]
    page = await api.get("/v1/offers?limit=2&count=exact&status=live", expect=200)
    assert ([each["code"] for each in page["data"]], page["count"]) == (["C", "D"], 3)
    assert await codes(f"limit=2&status=live&cursor={page['next_cursor']}") == ["b"]
    refused = await api.get(f"/v1/offers?limit=2&status=draft&cursor={page['next_cursor']}", expect=422)
    assert refused["errors"][0]["code"] == "invalid-cursor"
    await api.get("/v1/offers?color=red", expect=422)


async def replace(api: Api, offer_id: str, lines: bytes, expect: Any = 200) -> Any:
    """Replace the products of an offer."""
    headers = {"Content-Type": "application/x-ndjson"}
    return (
        await api.send("PUT", f"/v1/offers/{offer_id}/products", content=lines, headers=headers, expect=expect)
    ).json()


def lines_of(*skus: str) -> bytes:
    return b"".join(b'{"sku":"%b"}\n' % sku.encode() for sku in skus)


async def test_products_are_replaced_as_a_set(api: Api, offer: Offered) -> None:
    made = (await offer("A"))["id"]
    first = await replace(api, made, lines_of("1", "2", "2", "ü"))
    assert first == {"summary": {"received": 4, "added": 3, "removed": 0, "product_count": 3}}
    second = await replace(api, made, lines_of("2", "3") + b"\n\n")
    assert second == {"summary": {"received": 2, "added": 1, "removed": 2, "product_count": 2}}
    again = await replace(api, made, lines_of("3", "2"))
    assert again == {"summary": {"received": 2, "added": 0, "removed": 0, "product_count": 2}}
    assert {"product_count": 2, "version": 3}.items() <= (await api.get(f"/v1/offers/{made}")).items()
    page = await api.get(f"/v1/offers/{made}/products?limit=1", expect=200)
    assert page["data"] == [{"sku": "2"}]
    rest = await api.get(f"/v1/offers/{made}/products?limit=1&cursor={page['next_cursor']}", expect=200)
    assert (rest["data"], rest["next_cursor"]) == ([{"sku": "3"}], None)
    await replace(api, made, b"")
    assert (await api.get(f"/v1/offers/{made}/products"))["data"] == []


async def test_one_wrong_line_and_no_product_changes(api: Api, offer: Offered) -> None:
    made = (await offer("A"))["id"]
    await replace(api, made, lines_of("1"))
    wrong = lines_of("2") + b'{"sku":3}\n{"skew":"4"}\nnonsense\n'
    refused = await replace(api, made, wrong, problem("invalid-products", 422))
    pointers = [found["pointer"] for found in refused["errors"]]
    assert pointers[0] == "/1/sku"
    assert {pointer.split("/")[1] for pointer in pointers} == {"1", "2", "3"}
    assert (await api.get(f"/v1/offers/{made}/products"))["data"] == [{"sku": "1"}]
    await api.put(f"/v1/offers/{made}/products", {"sku": "1"}, expect=problem("unsupported-media-type", 415))


async def test_many_products_are_replaced_quickly(api: Api, offer: Offered) -> None:
    made = (await offer("A"))["id"]
    many = [str(number) for number in range(14_477)]
    assert (await replace(api, made, lines_of(*many)))["summary"]["added"] == 14_477
    summary = (await replace(api, made, lines_of(*many[1:], "x")))["summary"]
    assert summary == {"received": 14_477, "added": 1, "removed": 1, "product_count": 14_477}


async def test_unknown_offers_are_not_found(api: Api) -> None:
    nobody, missing = str(uuid4()), problem("offer-not-found", 404)
    await api.get(f"/v1/offers/{nobody}", expect=missing)
    await api.patch(f"/v1/offers/{nobody}", {"priority": 1}, expect=missing)
    await api.get(f"/v1/offers/{nobody}/products", expect=missing)
    await replace(api, nobody, lines_of("1"), missing)
