"""Customers are found by audiences over their profile and custom fields."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Date, literal, select

from crm_api.core.db import Database
from crm_api.customers.fields import age_on

from ..calling import Api, problem


async def crowd(api: Api) -> None:
    """Three customers who differ in everything that can be asked for."""
    await api.post("/v1/fields", {"key": "d_height", "type": "number"}, expect=201)
    await api.post("/v1/fields", {"key": "d_motto", "type": "text"}, expect=201)
    await api.post("/v1/fields", {"key": "d_joined", "type": "date"}, expect=201)
    await api.post("/v1/fields", {"key": "d_member", "type": "boolean"}, expect=201)
    lately = date.today() - timedelta(days=3)  # surely past in every time zone
    thirty = lately.replace(year=lately.year - 30, day=min(lately.day, 28))
    people: list[dict[str, Any]] = [
        {
            "given_name": "Änne",
            "family_name": "Straße",
            "birth_date": thirty.isoformat(),
            "language": "de-AT",
            "time_zone": "Europe/Vienna",
            "addresses": [{"city": "Graz", "postal_code": "8010", "region": "Steiermark", "country": "AT"}],
            "contact_points": [
                {"kind": "email", "value": "anne@example.com"},
                {"kind": "phone", "value": "+43316123456"},
            ],
            "tags": ["VIP"],
            "custom_fields": {"d_height": 1.75, "d_motto": "CARPE diem", "d_joined": "2020-05-01", "d_member": True},
        },
        {
            "display_name": "Bo",
            "birth_date": (thirty + timedelta(days=20)).isoformat(),
            "addresses": [{"country": "DE"}, {"country": "AT"}],
            "external_ids": [{"system": "shop", "external_id": "1"}],
            "custom_fields": {"d_height": 2, "d_member": False},
        },
        {"kind": "organization", "organization_name": "ACME", "tags": ["trade"]},
    ]
    for person in people:
        await api.post("/v1/customers", person, expect=201)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (None, ["Änne Straße", "Bo", "ACME"]),
        ({"field": "kind", "eq": "organization"}, ["ACME"]),
        ({"field": "family_name", "eq": "STRASSE"}, ["Änne Straße"]),
        ({"field": "display_name", "like": "änne*"}, ["Änne Straße"]),
        ({"field": "country", "in": ["AT", "DE"]}, ["Änne Straße", "Bo"]),
        ({"not": {"field": "country", "eq": "AT"}}, ["Bo", "ACME"]),
        ({"field": "postal_code", "like": "80*"}, ["Änne Straße"]),
        ({"field": "city", "eq": "GRAZ"}, ["Änne Straße"]),
        ({"field": "region", "known": True}, ["Änne Straße"]),
        ({"field": "age", "gte": 30}, ["Änne Straße"]),
        ({"field": "age", "eq": 29}, ["Bo"]),
        ({"field": "birth_date", "known": False}, ["ACME"]),
        ({"field": "language", "eq": "de-AT"}, ["Änne Straße"]),
        ({"field": "time_zone", "eq": "Europe/Vienna"}, ["Änne Straße"]),
        ({"field": "tags", "has": "vip"}, ["Änne Straße"]),
        ({"not": {"field": "tags", "has": "vip"}}, ["Bo", "ACME"]),
        ({"field": "email", "like": "*@EXAMPLE.com"}, ["Änne Straße"]),
        ({"field": "email", "known": False}, ["Bo", "ACME"]),
        ({"field": "phone", "like": "+43*"}, ["Änne Straße"]),
        ({"field": "known_in", "has": "shop"}, ["Bo"]),
        ({"field": "created_at", "gte": "2200-01-01T00:00:00Z"}, []),
        ({"field": "custom.d_height", "between": [1.75, 1.76]}, ["Änne Straße"]),
        ({"field": "custom.d_height", "gt": 1}, ["Änne Straße", "Bo"]),
        ({"field": "custom.d_motto", "eq": "carpe DIEM"}, ["Änne Straße"]),
        ({"field": "custom.d_joined", "lt": "2020-05-02"}, ["Änne Straße"]),
        ({"field": "custom.d_member", "eq": False}, ["Bo"]),
        ({"any": [{"field": "age", "lt": 30}, {"field": "tags", "has": "Trade"}]}, ["Bo", "ACME"]),
    ],
)
async def test_audiences(api: Api, audience: Any, expected: list[str]) -> None:
    await crowd(api)
    page = await api.post("/v1/customers/search", {"audience": audience, "count": "exact"}, expect=200)
    assert [customer["display_name"] for customer in page["data"]] == expected
    assert page["count"] == len(expected)


@pytest.mark.parametrize(
    ("born", "today", "years"),
    [
        ("2000-02-29", "2018-02-27", 17),
        ("2000-02-29", "2018-02-28", 18),
        ("2000-02-29", "2020-02-28", 19),
        ("2000-02-29", "2020-02-29", 20),
        ("2000-12-31", "2001-12-30", 0),
        ("2000-12-31", "2001-12-31", 1),
        ("2000-01-01", "2000-01-01", 0),
    ],
)
async def test_ages(database: Database, born: str, today: str, years: int) -> None:
    age = age_on(literal(date.fromisoformat(today), Date()), literal(date.fromisoformat(born), Date()))
    async with database.session() as session:
        assert await session.scalar(select(age)) == years


async def test_pages_of_a_search(api: Api) -> None:
    await crowd(api)
    wish: dict[str, Any] = {"audience": {"field": "kind", "known": True}, "sort": "-display_name", "limit": 2}
    first = await api.post("/v1/customers/search", wish)
    assert first["count"] is None
    second = await api.post("/v1/customers/search", {**wish, "cursor": first["next_cursor"], "limit": 5})
    names = [customer["display_name"] for customer in first["data"] + second["data"]]
    assert names == ["Änne Straße", "Bo", "ACME"]
    assert second["next_cursor"] is None
    other = {**wish, "audience": None, "cursor": first["next_cursor"]}
    refused = await api.post("/v1/customers/search", other, expect=problem("invalid-request", 422))
    assert (refused["errors"][0]["in"], refused["errors"][0]["pointer"]) == ("body", "/cursor")


async def test_archived_customers_are_not_found(api: Api) -> None:
    await crowd(api)
    [acme] = (await api.post("/v1/customers/search", {"audience": {"field": "kind", "eq": "organization"}}))["data"]
    await api.post(f"/v1/customers/{acme['id']}/archive")
    assert len((await api.post("/v1/customers/search", {}))["data"]) == 2
    archived = await api.post("/v1/customers/search", {"archived": "true"})
    assert [customer["id"] for customer in archived["data"]] == [acme["id"]]


@pytest.mark.parametrize(
    ("wish", "code", "pointer"),
    [
        ({"audience": {"field": "contry", "eq": "DE"}}, "invalid-audience", "/audience/field"),
        ({"audience": {"all": [{"field": "age", "gte": "x"}]}}, "invalid-audience", "/audience/all/0/gte"),
        ({"audience": {"field": "country", "eq": "XX"}}, "invalid-audience", "/audience/eq"),
        ({"audience": {"field": "age"}}, "invalid-request", "/audience"),
        ({"limit": 0}, "invalid-request", "/limit"),
        ({"sort": "age"}, "invalid-request", "/sort"),
        ({"cursor": "x"}, "invalid-request", "/cursor"),
    ],
)
async def test_wrong_searches(api: Api, wish: dict[str, Any], code: str, pointer: str) -> None:
    refused = await api.post("/v1/customers/search", wish, expect=problem(code, 422))
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
