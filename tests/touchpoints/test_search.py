"""Touchpoints are found by what they say, by their lines, and by whose they are."""

import json
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.access import SCOPES
from crm_api.client import ApiClient
from crm_api.client import touchpoints as calls

from ..calling import Api, problem
from .planting import happening, order

Found = list[tuple[str, str]]


@pytest.fixture
async def planted(api: Api) -> dict[str, str]:
    """Two customers with orders and views; answers names by id."""
    for sku, category in (("sku-1", "MEAT"), ("sku-2", "DAIRY")):
        await api.post("/v1/products", {"sku": sku, "name": sku, "category": category}, expect=201)
    owners = {}
    for name, country in (("Ann", "DE"), ("Bob", "US")):
        wish = {"display_name": name, "addresses": [{"city": "Town", "country": country}]}
        owners[(await api.post("/v1/customers", wish, expect=201))["id"]] = name
    ann, bob = owners
    for wish in (
        order(ann, "10.00", "5.00", subject="meat and milk"),
        order(bob, "20.00", subject="meat"),
        happening(
            ann, properties={"path": "/bikes/1"}, channel="web", subject="a bike", occurred_at="2025-06-01T00:00:00Z"
        ),
        happening(bob, properties={"path": "/bikes/2"}, channel="web", subject="another bike"),
        happening(bob, properties={"path": 5}, channel="app", subject="five"),
    ):
        await api.post("/v1/touchpoints", wish, expect=201)
    return owners


@pytest.mark.parametrize(
    ("wish", "subjects"),
    [
        ({}, ["a bike", "another bike", "five", "meat", "meat and milk"]),
        ({"where": 'kind = "page.viewed" and properties.path like "/bikes/*"'}, ["a bike", "another bike"]),
        ({"where": {"field": "kind", "eq": "order.placed"}}, ["meat", "meat and milk"]),
        ({"where": "amount between 15.00 EUR and 15.00 EUR"}, ["meat and milk"]),
        ({"where": "not occurred_at < 2026-01-01 and channel is known"}, ["another bike", "five"]),
        ({"where": "recorded_at within last 2 days and subject like \"*bike\""}, ["a bike", "another bike"]),
        ({"items": 'category = "DAIRY"'}, ["meat and milk"]),
        ({"items": 'category = "MEAT" and paid >= 15.00 EUR'}, ["meat"]),
        ({"audience": {"field": "country", "eq": "DE"}}, ["a bike", "meat and milk"]),
        ({"audience": "sum(amount of order.placed) > 16.00 EUR"}, ["another bike", "five", "meat"]),
        (
            {"where": 'kind = "page.viewed"', "audience": 'never(page.viewed where channel = "app")'},
            ["a bike"],
        ),
    ],
)  # fmt: skip
async def test_they_are_found(api: Api, planted: dict[str, str], wish: dict[str, Any], subjects: list[str]) -> None:
    found = await api.post("/v1/touchpoints/search", wish, expect=200)
    assert sorted(each["subject"] for each in found["data"]) == subjects
    answer = await api.send(
        "POST", "/v1/touchpoints/search", wish, headers={"Accept": "application/x-ndjson"}, expect=200
    )
    streamed = [json.loads(line) for line in answer.text.splitlines()]
    assert [each["id"] for each in streamed] == [each["id"] for each in found["data"]]


async def test_they_come_page_by_page(api: Api, planted: dict[str, str]) -> None:
    wish: dict[str, Any] = {"where": 'channel in ("web", "app")', "limit": 2, "expand": "items"}
    first = await api.post("/v1/touchpoints/search", wish, expect=200)
    second = await api.post("/v1/touchpoints/search", {**wish, "cursor": first["next_cursor"]}, expect=200)
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)
    ids = [(each["customer_id"], each["id"]) for each in first["data"] + second["data"]]
    assert ids == sorted(ids) and first["data"][0]["items"] == []
    other = {"limit": 2, "cursor": first["next_cursor"]}
    refused = await api.post("/v1/touchpoints/search", other, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["in"] == "body"


@pytest.mark.parametrize(
    ("wish", "pointer", "code", "nearest"),
    [
        ({"where": {"field": "chanel", "eq": "web"}}, "/where/field", "unknown-field", "channel"),
        ({"where": "age > 3"}, "/where", "unknown-field", None),
        ({"where": "count(order.placed) > 3"}, "/where", "not-offered-here", None),
        ({"items": {"field": "category", "eq": 5}}, "/items/eq", "wrong-type", None),
        ({"audience": {"not": {"segment_name": "nobody"}}}, "/audience/not/segment_name", "unknown-segment", None),
        ({"audience": "channel = 3"}, "/audience", "unknown-field", None),
    ],
)
async def test_mistakes_are_told_where_they_are(
    api: Api, wish: dict[str, Any], pointer: str, code: str, nearest: str | None
) -> None:
    refused = await api.post("/v1/touchpoints/search", wish, expect=problem("invalid-audience", 422))
    (error,) = refused["errors"]
    assert (error["pointer"], error["code"], error.get("nearest")) == (pointer, code, nearest)


async def test_it_takes_both_scopes(api: Api, credentials: tuple[str, str]) -> None:
    for scope in ("touchpoints:read", "customers:read"):
        some = api.bearing(await api.token(*credentials, scope))
        await some.post("/v1/touchpoints/search", {}, expect=problem("insufficient-scope", 403))


async def test_the_client_searches(app: FastAPI, planted: dict[str, str], credentials: tuple[str, str]) -> None:
    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        found = await calls.search_touchpoints(client, where='channel = "app"')
        assert [each.subject for each in found.data] == ["five"]
