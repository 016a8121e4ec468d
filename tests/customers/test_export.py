"""All customers of a filter stream out, as CSV and as NDJSON."""

import csv
import io
import json
from typing import Any

import pytest

from ..calling import Api, problem
from .test_list import three
from .test_register import ANN

CSV = {"Accept": "text/csv"}
NDJSON = {"Accept": "application/x-ndjson"}


async def lines(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = await api.send("GET", f"/v1/customers{query}", headers=NDJSON, expect=200)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def rows(api: Api, query: str = "") -> list[dict[str, str]]:
    answer = await api.send("GET", f"/v1/customers{query}", headers=CSV, expect=200)
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize("query", ["", "?kind=person", "?tag=VIP", "?email=ann@example.com"])
async def test_ndjson_holds_what_single_reads_answer(api: Api, query: str) -> None:
    await api.post("/v1/fields", {"key": "e_size", "type": "number"})
    await api.post("/v1/customers", {**ANN, "custom_fields": {"e_size": 1.5}}, expect=201)
    await api.post("/v1/customers", {"display_name": 'quo"te\\, ü'}, expect=201)
    found = await lines(api, query)
    assert found == (await api.get(f"/v1/customers{query}"))["data"]
    assert len(found) == (2 if query in ("", "?kind=person") else 1)


@pytest.mark.parametrize("query", ["", "?tag=newsletter"])
async def test_csv_is_flat(api: Api, query: str) -> None:
    second = {"kind": "email", "value": "second@example.com", "is_primary": True}
    made = await api.post("/v1/customers", {**ANN, "contact_points": [*ANN["contact_points"], second]}, expect=201)
    [row] = await rows(api, query)
    assert row == {
        "id": made["id"],
        "kind": "person",
        "display_name": "Ann Lee",
        "given_name": "Ann",
        "family_name": "Lee",
        "organization_name": "",
        "birth_date": "1990-04-01",
        "language": "en-US",
        "time_zone": "America/New_York",
        "email": "second@example.com;Ann@Example.com",
        "phone": "(202) 555-0123",
        "external_ids": "shop/4711",
        "street": "5 Main Street",
        "postal_code": "10001",
        "city": "New York",
        "region": "",
        "country": "US",
        "latitude": "",
        "longitude": "",
        "tags": "newsletter;VIP",
        "custom_fields": "{}",
        "version": "1",
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
        "archived_at": "",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", 3), ("?kind=person", 2), ("?tag=trade", 2), ("?external_id=shop/a/b", 1), ("?email=no@example.com", 0)],
)
async def test_filters_hold_for_exports(api: Api, query: str, expected: int) -> None:
    await three(api)
    assert len(await lines(api, query)) == len(await rows(api, query)) == expected


async def test_archived_customers_are_left_out(api: Api) -> None:
    first, *_ = await three(api)
    await api.post(f"/v1/customers/{first['id']}/archive")
    assert len(await lines(api)) == 2
    assert [line["id"] for line in await lines(api, "?archived=true")] == [first["id"]]


async def test_other_forms_are_refused(api: Api) -> None:
    await api.get("/v1/customers", headers={"Accept": "text/html"}, expect=problem("not-acceptable", 406))
