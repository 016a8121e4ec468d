"""Products: registered, changed, loaded in bulk, listed, streamed."""

import asyncio
import json
from typing import Any

import pytest

from ..calling import Api, problem

BIKE = {"sku": "bike-1", "name": "City bike", "brand": "Acme", "department": "Outdoor", "category": "Bicycles"}


def lines(*documents: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


async def load(api: Api, *documents: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    answer = await api.send(
        "POST",
        "/v1/products/batch",
        content=lines(*documents),
        headers={"Content-Type": "application/x-ndjson"},
        **options,
    )
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_register_read_and_change(api: Api) -> None:
    made = await api.post("/v1/products", BIKE, expect=201)
    assert made["version"] == 1
    assert made["properties"] == {}
    assert made == await api.get(f"/v1/products/{made['id']}") == await api.get("/v1/products/by-sku/bike-1")
    changed = await api.patch(
        f"/v1/products/{made['id']}", {"brand": None, "size": "28"}, headers={"If-Match": '"1"'}, expect=200
    )
    assert (changed["brand"], changed["size"], changed["version"]) == (None, "28", 2)
    assert (await api.patch(f"/v1/products/{made['id']}", {"size": "28"}))["version"] == 2
    stale = await api.patch(
        f"/v1/products/{made['id']}",
        {"size": "26"},
        headers={"If-Match": '"1"'},
        expect=problem("version-mismatch", 412),
    )
    assert stale["current"]["version"] == 2


async def test_a_sku_is_taken_once(api: Api) -> None:
    answers = await api.race(8, "POST", "/v1/products", BIKE)
    assert sorted(answer.status_code for answer in answers) == [201] + 7 * [409]
    winner = next(answer for answer in answers if answer.status_code == 201).json()
    assert {answer.json()["existing_id"] for answer in answers if answer.status_code == 409} == {winner["id"]}


async def test_upsert_tells_what_became_of_it(api: Api) -> None:
    body = {key: value for key, value in BIKE.items() if key != "sku"}
    assert (await api.put("/v1/products/by-sku/a%2Fb", body, expect=201))["result"] == "created"
    assert (await api.put("/v1/products/by-sku/a%2Fb", body, expect=200))["result"] == "unchanged"
    updated = await api.put("/v1/products/by-sku/a%2Fb", {**body, "brand": "Other"}, expect=200)
    assert (updated["result"], updated["version"], updated["sku"]) == ("updated", 2, "a/b")


async def test_a_batch_registers_changes_and_leaves_alone(api: Api) -> None:
    first = await load(api, BIKE, {"sku": "bell", "name": "Bell"}, params={"results": "all"})
    assert [line.get("result") for line in first[:2]] == ["created", "created"]
    again = await load(
        api,
        BIKE,
        {"sku": "bell", "name": "Louder bell"},
        {"sku": "bell", "name": "Louder bell"},
        {"sku": "", "name": "x"},
    )
    assert again[0]["index"] == 3
    assert again[0]["problem"]["errors"][0]["pointer"] == "/sku"
    assert again[-1]["summary"] == {"received": 4, "created": 0, "updated": 1, "unchanged": 2, "rejected": 1}
    assert (await api.get("/v1/products/by-sku/bell"))["version"] == 2


async def test_loads_at_once_do_not_wait_for_each_other_in_a_circle(api: Api) -> None:
    many = [{"sku": f"sku-{number}", "name": f"Product {number}"} for number in range(2000)]
    done = await asyncio.gather(load(api, *many), load(api, *reversed(many)), load(api, *many))
    assert sum(answer[-1]["summary"]["created"] for answer in done) == 2000
    assert sum(answer[-1]["summary"]["unchanged"] for answer in done) == 4000


async def test_pages_and_streams_show_the_same(api: Api) -> None:
    await load(api, *({"sku": f"sku-{number:03}", "name": "x", "brand": "AB"[number % 2]} for number in range(25)))
    found: list[Any] = []
    path = "/v1/products?brand=A&limit=5"
    while path:
        answer = await api.send("GET", path, expect=200)
        found += answer.json()["data"]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    streamed = await api.send("GET", "/v1/products?brand=A", headers={"Accept": "application/x-ndjson"}, expect=200)
    assert [json.loads(line) for line in streamed.text.splitlines()] == found
    csv = await api.send("GET", "/v1/products", headers={"Accept": "text/csv"}, expect=200)
    assert len(csv.text.splitlines()) == 26
    assert csv.text.startswith("id,sku,name,brand,")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/sku"),
        ({**BIKE, "sku": 7}, "/sku"),
        ({**BIKE, "sku": "a\x00b"}, "/sku"),
        ({**BIKE, "color": "red"}, "/color"),
        ({**BIKE, "name": "x" * 201}, "/name"),
        ({**BIKE, "properties": {"deep": "\ud800"}}, "/properties/deep"),
    ],
)
async def test_bad_products_are_refused_with_a_pointer(api: Api, body: dict[str, Any], pointer: str) -> None:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = await api.send(
        "POST", "/v1/products", content=content, headers=headers, expect=problem("invalid-request", 422)
    )
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert (await api.get("/v1/products"))["data"] == []


async def test_what_is_not_there_is_said(api: Api) -> None:
    nobody = "0198c0de-0000-7000-8000-000000000009"
    await api.get(f"/v1/products/{nobody}", expect=problem("product-not-found", 404))
    await api.patch(f"/v1/products/{nobody}", {"name": "x"}, expect=problem("product-not-found", 404))
    await api.get("/v1/products/by-sku/none", expect=problem("product-not-found", 404))
    await api.get("/v1/products/seven", expect=problem("not-found", 404))
    await api.get("/v1/products?limit=201", expect=problem("invalid-request", 422))
    await api.get("/v1/products?colour=red", expect=problem("invalid-request", 422))
    await api.get("/v1/products", headers={"Accept": "image/png"}, expect=problem("not-acceptable", 406))
