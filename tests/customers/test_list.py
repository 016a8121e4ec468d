"""Lists of customers: filters, orders, pages, counts."""

from typing import Any

import pytest

from ..calling import Api, problem


async def register(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await api.post("/v1/customers", fields, expect=201)
    return made


async def names(api: Api, query: str) -> list[str]:
    page = await api.get(f"/v1/customers?{query}", expect=200)
    return [customer["display_name"] for customer in page["data"]]


async def three(api: Api) -> list[dict[str, Any]]:
    points = [{"kind": "email", "value": "ann@example.com"}, {"kind": "phone", "value": "+1 202-555-0123"}]
    return [
        await register(api, display_name="Öl GmbH", kind="organization", tags=["Trade"]),
        await register(api, display_name="ann", contact_points=points, tags=["trade", "vip"]),
        await register(api, display_name="Bob", external_ids=[{"system": "shop", "external_id": "a/b"}]),
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Öl GmbH", "ann", "Bob"]),
        ("sort=-created_at", ["Bob", "ann", "Öl GmbH"]),
        ("sort=display_name", ["ann", "Bob", "Öl GmbH"]),
        ("sort=-display_name", ["Öl GmbH", "Bob", "ann"]),
        ("kind=organization", ["Öl GmbH"]),
        ("tag=TRADE", ["Öl GmbH", "ann"]),
        ("tag=trade&kind=person", ["ann"]),
        ("email=ANN@example.com", ["ann"]),
        ("phone=%28202%29%20555-0123", ["ann"]),
        ("external_id=shop/a/b", ["Bob"]),
        ("external_id=shop/a", []),
        ("email=ann@example.com&external_id=shop/a/b", []),
        ("email=ann@example.com&kind=organization", []),
        ("created_from=2200-01-01T00:00:00Z", []),
        ("created_until=2200-01-01T00:00:00%2B01:00&kind=person", ["ann", "Bob"]),
    ],
)
async def test_filters_and_orders(api: Api, query: str, expected: list[str]) -> None:
    await three(api)
    assert await names(api, query) == expected


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "display_name", "-display_name"])
async def test_pages_follow_each_other(api: Api, sort: str) -> None:
    for name in "ABBCCCD":
        await register(api, display_name=name)
    seen, path = [], f"/v1/customers?limit=2&sort={sort}&kind=person"
    while path:
        answer = await api.send("GET", path, expect=200)
        page = answer.json()
        seen += [customer["display_name"] for customer in page["data"]]
        cursor = page["next_cursor"]
        assert ("link" in answer.headers) == (cursor is not None)
        path = answer.headers["link"].split(">")[0][1:] if cursor else ""
    assert seen == sorted("ABBCCCD", reverse=sort.startswith("-"))


async def test_a_cursor_is_good_for_its_own_list_only(api: Api) -> None:
    await three(api)
    cursor = (await api.get("/v1/customers?limit=1&kind=person", expect=200))["next_cursor"]
    assert len((await api.get(f"/v1/customers?limit=2&kind=person&cursor={cursor}", expect=200))["data"]) == 1
    bent = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for query in (f"cursor={cursor}", f"kind=person&sort=display_name&cursor={cursor}", f"kind=person&cursor={bent}"):
        refused = await api.get(f"/v1/customers?{query}", expect=problem("invalid-request", 422))
        assert refused["errors"][0]["pointer"] == "/cursor"


async def test_counts_on_request(api: Api) -> None:
    await three(api)
    assert (await api.get("/v1/customers?limit=1"))["count"] is None
    assert (await api.get("/v1/customers?limit=1&count=exact"))["count"] == 3
    assert (await api.get("/v1/customers?limit=1&count=exact&tag=trade"))["count"] == 2
    assert (await api.get("/v1/customers?count=exact&email=nobody@example.com"))["count"] == 0
    assert (await api.get("/v1/customers?count=estimate&kind=person"))["count"] >= 0


async def test_archived_customers_are_listed_on_request(api: Api) -> None:
    first, *_ = await three(api)
    await api.post(f"/v1/customers/{first['id']}/archive", expect=200)
    assert await names(api, "") == ["ann", "Bob"]
    assert await names(api, "archived=true") == ["Öl GmbH"]
    assert await names(api, "archived=any&kind=organization") == ["Öl GmbH"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("sort=name", "/sort"),
        ("kind=robot", "/kind"),
        ("colour=red", "/colour"),
        ("email=nobody", "/email"),
        ("phone=1", "/phone"),
        ("external_id=shop", "/external_id"),
        ("created_from=yesterday", "/created_from"),
        ("cursor=%C3%A4", "/cursor"),
    ],
)
async def test_wrong_queries_are_told_where(api: Api, query: str, pointer: str) -> None:
    refused = await api.get(f"/v1/customers?{query}", expect=problem("invalid-request", 422))
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
