"""Customers are loaded in bulk: lines merge, meet each other, race, and are told their fate."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api, problem

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


async def load(api: Api, *lines: dict[str, Any], query: str = "results=all") -> list[dict[str, Any]]:
    content = "\n".join(json.dumps(line) for line in lines).encode()
    answer = await api.send("POST", f"/v1/customers/batch?{query}", content=content, headers=NDJSON, expect=200)
    return [json.loads(line) for line in answer.text.splitlines()]


def shop(number: int, **fields: Any) -> dict[str, Any]:
    return {"external_ids": [{"system": "shop", "external_id": str(number)}], **fields}


def email(address: str) -> list[dict[str, Any]]:
    return [{"kind": "email", "value": address}]


async def test_lines_create_update_and_repeat(api: Api) -> None:
    first = shop(1, display_name="Ann", contact_points=email("ann@example.com"), tags=["a"])
    *_, summary = await load(api, first, shop(2, display_name="Bo"), {"display_name": "Cy"})
    assert summary == {"summary": {"received": 3, "created": 3, "updated": 0, "repeated": 0, "rejected": 0}}
    second = shop(
        1, contact_points=[{"kind": "phone", "value": "+1 202-555-0123"}], tags=["b"], birth_date="1990-01-01"
    )
    *told, summary = await load(api, second, shop(2, display_name="Bo"))
    assert [(line["index"], line["status"], line["result"]) for line in told] == [
        (0, 200, "updated"),
        (1, 200, "repeated"),
    ]
    assert summary["summary"] == {"received": 2, "created": 0, "updated": 1, "repeated": 1, "rejected": 0}
    ann = await api.get("/v1/customers/by/shop/1")
    assert (ann["id"], ann["version"], ann["tags"], ann["birth_date"]) == (told[0]["id"], 2, ["a", "b"], "1990-01-01")
    assert [point["kind"] for point in ann["contact_points"]] == ["email", "phone"]


async def test_lines_of_one_chunk_meet_each_other(api: Api) -> None:
    *told, summary = await load(
        api,
        shop(1, display_name="Ann", contact_points=email("a@example.com")),
        shop(1, given_name="Ann"),
        shop(1, display_name="Ann"),
        shop(2, display_name="Bo", contact_points=email("A@example.com")),
        {"display_name": "X", "external_ids": [{"system": "shop", "external_id": n} for n in ("3", "1")]},
        {"external_ids": [{"system": "shop", "external_id": n} for n in ("3", "4")]},
        shop(4, contact_points=email("four@example.com")),
        {"display_name": "Y", "external_ids": [{"system": "shop", "external_id": n} for n in ("5", "1", "6")]},
    )
    assert [line.get("result") or line["problem"]["code"] for line in told] == [
        "created",
        "updated",
        "repeated",
        "contact-point-taken",
        "updated",
        "updated",
        "updated",
        "updated",
    ]
    assert {line["id"] for line in told if "id" in line} == {told[0]["id"]}
    one = await api.get("/v1/customers/by/shop/1")
    assert one["version"] == 1
    assert summary["summary"]["received"] == 8


async def test_a_line_that_names_two_customers_is_refused(api: Api) -> None:
    await load(api, shop(1, display_name="Ann"), shop(2, display_name="Bo"))
    both = {"external_ids": [{"system": "shop", "external_id": "1"}, {"system": "shop", "external_id": "2"}]}
    told, summary = await load(api, both, query="results=problems")
    assert told["status"] == 409
    assert told["problem"]["code"] == "external-id-taken"
    assert told["problem"]["existing_id"] == (await api.get("/v1/customers/by/shop/2"))["id"]
    assert [(error["in"], error["pointer"]) for error in told["problem"]["errors"]] == [("line", "/external_ids/1")]
    assert summary["summary"]["rejected"] == 1


async def test_bad_lines_do_not_hinder_the_others(api: Api) -> None:
    lines = [
        shop(1, display_name="Ann"),
        shop(2, contact_points=email("nobody")),
        shop(3, colour="red"),
        {},
        shop(4, custom_fields={"nothing": 1}),
        shop(5, kind="organization", given_name="x"),
        shop(6, birth_date="2190-01-01"),
        shop(7),
    ]
    *told, summary = await load(api, *lines, query="results=problems")
    assert [(line["index"], line["problem"]["errors"][0]["pointer"]) for line in told] == [
        (1, "/contact_points/0/value"),
        (2, "/colour"),
        (3, "/display_name"),
        (4, "/custom_fields/nothing"),
        (5, "/given_name"),
        (6, "/birth_date"),
    ]
    assert summary["summary"] == {"received": 8, "created": 2, "updated": 0, "repeated": 0, "rejected": 6}


async def test_many_lines_are_written_set_wise(api: Api, database: Database) -> None:
    lines = [
        shop(
            n, display_name=f"C{n}", contact_points=email(f"c{n}@example.com"), addresses=[{"city": "X"}, {"city": "Y"}]
        )
        for n in range(6000)
    ]
    [summary] = await load(api, *lines, query="results=problems")
    assert summary["summary"]["created"] == 6000
    changed = [shop(n, addresses=[{"city": "Z"}], tags=["t"]) for n in range(0, 6000, 2)]
    [summary] = await load(api, *changed, *lines[1::2], query="results=problems")
    assert summary["summary"] == {"received": 6000, "created": 0, "updated": 3000, "repeated": 3000, "rejected": 0}
    async with database.session() as session:
        counts = {
            table: await session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("customer", "contact_point", "contact_point_key", "external_id", "external_id_key", "address")
        }
        assert counts == dict.fromkeys(counts, 6000) | {"address": 9000}
        versions = (await session.execute(text("SELECT version, count(*) FROM customer GROUP BY 1 ORDER BY 1"))).all()
        assert [tuple(row) for row in versions] == [(1, 3000), (2, 3000)]
        assert await session.scalar(text("SELECT count(*) FROM outbox_event")) == 3
        assert await session.scalar(text("SELECT count(*) FROM audit_entry WHERE action = 'customers.loaded'")) == 3


async def test_loads_at_once_make_each_customer_once(api: Api, database: Database) -> None:
    lines = [
        shop(n % 150, display_name=f"C{n % 150}", contact_points=email(f"c{n % 150}@example.com")) for n in range(300)
    ]
    summaries = await asyncio.gather(*(load(api, *lines, query="results=problems") for _ in range(5)))
    counts = [summary["summary"] for [summary] in summaries]
    assert sum(count["created"] for count in counts) == 150
    assert sum(count["repeated"] for count in counts) == 5 * 300 - 150
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM customer")) == 150


async def test_all_or_nothing(api: Api) -> None:
    content = b'{"display_name": "Ann"}\n{"display_name": 1}'
    path = "/v1/customers/batch?atomic=true"
    refused = await api.post(path, content=content, headers=NDJSON, expect=problem("batch-refused", 422))
    assert refused["errors"][0]["pointer"] == "/1/display_name"
    assert (await api.get("/v1/customers"))["data"] == []
    await api.post(path, content=content[:23], headers=NDJSON, expect=200)
    assert len((await api.get("/v1/customers"))["data"]) == 1


async def test_csv(api: Api) -> None:
    await api.post("/v1/fields", {"key": "f_size", "type": "number"})
    await api.post("/v1/fields", {"key": "f_member", "type": "boolean"})
    await api.post("/v1/fields", {"key": "f_code", "type": "text"})
    table = (
        "system,external_id,given_name,family_name,email,phone,street,postal_code,country,tags,"
        "custom.f_size,custom.f_member,custom.f_code\r\n"
        'shop,1,Ann,"Lee, Jr.",ann@example.com,+1 202-555-0123,5 Main Street,10001,US,VIP; trade,1.5,TRUE,007\r\n'
        "shop,2,Bo,,,,,,,,,,\r\n"
        ",,,,nobody,,,,,,x,,\r\n"
    )
    answer = await api.send("POST", "/v1/customers/batch", content=table.encode(), headers=CSV, expect=200)
    *told, summary = [json.loads(line) for line in answer.text.splitlines()]
    assert summary["summary"]["created"] == 2
    assert [error["pointer"] for error in told[0]["problem"]["errors"]] == [
        "/contact_points/0/value",
        "/custom_fields/f_size",
    ]
    ann = await api.get("/v1/customers/by/shop/1")
    assert ann["display_name"] == "Ann Lee, Jr."
    assert ann["tags"] == ["trade", "VIP"]
    assert ann["custom_fields"] == {"f_code": "007", "f_size": 1.5, "f_member": True}
    assert ann["addresses"][0]["lines"] == ["5 Main Street"]


@pytest.mark.parametrize(
    ("header", "hint"),
    [("display_nam", "did you mean display_name?"), ("custom.nothing", "unknown"), ("system", "external_id beside")],
)
async def test_unknown_columns_refuse_the_file(api: Api, header: str, hint: str) -> None:
    refused = await api.post(
        "/v1/customers/batch", content=f"{header}\nx\n".encode(), headers=CSV, expect=problem("invalid-request", 422)
    )
    assert hint in refused["detail"]
