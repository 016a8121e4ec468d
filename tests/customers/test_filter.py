"""Audiences choose what is listed and what is exported, as text and as tree."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from ..calling import Api, problem

NDJSON = {"Accept": "application/x-ndjson"}
CSV = {"Accept": "text/csv"}
TEXT = 'country in ("DE", "AT") and not tags has "staff"'
TREE: dict[str, Any] = {
    "all": [{"field": "country", "in": ["DE", "AT"]}, {"not": {"field": "tags", "has": "staff"}}],
}


@pytest.fixture(autouse=True)
async def people(api: Api) -> None:
    """Five customers, three of whom are meant."""
    for name, country, tags in (
        ("Ann", "DE", []),
        ("Bob", "AT", ["vip"]),
        ("Cleo", "US", []),
        ("Dan", "DE", ["Staff"]),
        ("Eve", "DE", []),
    ):
        wish = {"display_name": name, "addresses": [{"city": "Town", "country": country}], "tags": tags}
        await api.post("/v1/customers", wish, expect=201)


def names(found: list[dict[str, Any]]) -> list[str]:
    """Answer the names of customers."""
    return [each["display_name"] for each in found]


async def test_a_list_is_filtered_by_an_audience_as_text(api: Api) -> None:
    page = await api.get(f"/v1/customers?filter={quote(TEXT)}&sort=-display_name&limit=2&count=exact", expect=200)
    assert (names(page["data"]), page["count"]) == (["Eve", "Bob"], 3)
    rest = await api.get(
        f"/v1/customers?filter={quote(TEXT)}&sort=-display_name&limit=2&cursor={page['next_cursor']}", expect=200
    )
    assert (names(rest["data"]), rest["next_cursor"]) == (["Ann"], None)
    other = f"/v1/customers?filter=age%20is%20known&sort=-display_name&limit=2&cursor={page['next_cursor']}"
    await api.get(other, expect=problem("invalid-request", 422))
    both = await api.get(f"/v1/customers?filter={quote(TEXT)}&tag=vip", expect=200)
    assert names(both["data"]) == ["Bob"]


async def test_an_export_is_chosen_by_an_audience_in_both_forms(api: Api) -> None:
    for headers in (NDJSON, CSV):
        told = await api.send("GET", f"/v1/customers?filter={quote(TEXT)}", headers=headers, expect=200)
        for audience in (TEXT, TREE):
            wish = {"audience": audience}
            answer = await api.send("POST", "/v1/customers/search", wish, headers=headers, expect=200)
            assert answer.headers["content-type"].split(";")[0] == headers["Accept"]
            assert answer.text == told.text
    found = [json.loads(line) for line in told.text.splitlines()] if headers is NDJSON else told.text.splitlines()[1:]
    assert len(found) == 3
    everybody = await api.send("POST", "/v1/customers/search", {}, headers=NDJSON, expect=200)
    assert names([json.loads(line) for line in everybody.text.splitlines()]) == ["Ann", "Bob", "Cleo", "Dan", "Eve"]
    await api.send(
        "POST", "/v1/customers/search", {}, headers={"Accept": "image/png"}, expect=problem("not-acceptable", 406)
    )


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        ('country = "DE" and\ncontry = 1', "invalid-audience", {"code": "unknown-field", "line": 2, "column": 1}),
        ("age >= ", "invalid-request", {"code": "unexpected", "line": 1, "column": 7}),
        ("age >= 30 aand age < 40", "invalid-request", {"code": "unexpected", "line": 1, "column": 11}),
        ('in_segment("nobody")', "invalid-audience", {"code": "unknown-segment", "line": 1, "column": 12}),
        ('context.page = "/"', "invalid-audience", {"code": "no-context-here", "line": 1, "column": 1}),
    ],
)
async def test_mistakes_are_told_in_the_query(api: Api, text: str, code: str, found: dict[str, Any]) -> None:
    for headers in ({}, NDJSON):
        answer = await api.send(
            "GET", f"/v1/customers?filter={quote(text)}", headers=headers, expect=problem(code, 422)
        )
        (error,) = answer.json()["errors"]
        assert {"in": "query", "pointer": "/filter", **found}.items() <= error.items()
    await api.get("/v1/customers?filter=", expect=problem("invalid-request", 422))
