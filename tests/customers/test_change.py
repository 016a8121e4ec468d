"""Customers are changed: merge patch, versions, races, the archive."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api, problem
from .test_register import ANN


async def registered(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await api.post("/v1/customers", {**ANN, **fields}, expect=201)
    return made


async def test_a_patch_changes_what_it_names(api: Api) -> None:
    made = await registered(api)
    answer = await api.send("PATCH", f"/v1/customers/{made['id']}", {"family_name": "Smith", "birth_date": None})
    changed = answer.json()
    assert answer.headers["etag"] == '"2"'
    assert changed["display_name"] == "Ann Smith"
    assert changed["birth_date"] is None
    assert changed["updated_at"] > made["updated_at"]
    untouched = made.keys() - {"family_name", "birth_date", "display_name", "version", "updated_at"}
    assert {name: changed[name] for name in untouched} == {name: made[name] for name in untouched}
    assert await api.get(f"/v1/customers/{made['id']}") == changed


async def test_a_chosen_display_name_stays(api: Api) -> None:
    made = await registered(api, display_name="Annie")
    path = f"/v1/customers/{made['id']}"
    assert (await api.patch(path, {"given_name": "Anna"}))["display_name"] == "Annie"
    assert (await api.patch(path, {"display_name": None}))["display_name"] == "Anna Lee"


async def test_a_patch_that_changes_nothing_leaves_the_version(api: Api, database: Database) -> None:
    made = await registered(api)
    same = {name: ANN[name] for name in ("given_name", "addresses", "external_ids", "tags", "language")}
    same["contact_points"] = list(reversed(ANN["contact_points"]))  # type: ignore[call-overload]
    assert await api.patch(f"/v1/customers/{made['id']}", same, expect=200) == made
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM outbox_event")) == 1


async def test_arrays_replace_and_keep_the_ids_of_contact_points(api: Api) -> None:
    made = await registered(api)
    email = made["contact_points"][0]
    new = {"kind": "email", "value": "new@example.com", "is_primary": True}
    points = [new, {"kind": "email", "value": "ANN@example.com"}]
    changed = await api.patch(f"/v1/customers/{made['id']}", {"contact_points": points, "tags": [], "addresses": None})
    assert changed["tags"] == changed["addresses"] == []
    assert changed["contact_points"] == [
        {**email, "value": "ANN@example.com", "label": None, "is_primary": False},
        {**changed["contact_points"][1], "value": "new@example.com", "is_primary": True},
    ]


async def test_what_is_given_up_can_be_taken(api: Api) -> None:
    made = await registered(api)
    await api.patch(f"/v1/customers/{made['id']}", {"contact_points": None, "external_ids": []}, expect=200)
    other = await registered(api)
    assert other["id"] != made["id"]
    taken = {"external_ids": [{"system": "web", "external_id": "1"}, {"system": "shop", "external_id": "4711"}]}
    refused = await api.patch(f"/v1/customers/{made['id']}", taken, expect=problem("external-id-taken", 409))
    assert refused["existing_id"] == other["id"]
    assert [error["pointer"] for error in refused["errors"]] == ["/external_ids/1"]
    await api.get("/v1/customers/by/web/1", expect=problem("customer-not-found", 404))


async def test_if_match_guards_a_change(api: Api) -> None:
    made = await registered(api)
    path = f"/v1/customers/{made['id']}"
    await api.patch(path, {"tags": ["a"]}, headers={"If-Match": '"1"'}, expect=200)
    for method, where in (("PATCH", path), ("POST", f"{path}/archive"), ("PUT", "/v1/customers/by/shop/4711")):
        body = None if where.endswith("archive") else {"tags": ["b"]}
        answer = await api.send(
            method, where, body, headers={"If-Match": '"1"'}, expect=problem("version-mismatch", 412)
        )
        assert answer.headers["etag"] == '"2"'
        assert answer.json()["current"] == await api.get(path)
    absent = problem("version-mismatch", 412)
    await api.put("/v1/customers/by/shop/unknown", {}, headers={"If-Match": "*"}, expect=absent)


async def test_of_many_changes_at_once_none_is_lost(api: Api, database: Database) -> None:
    made = await registered(api)
    path = f"/v1/customers/{made['id']}"
    fields = ["given_name", "family_name", "organization_name", "language", "time_zone", "birth_date"]
    values = ["A", "B", "C", "de", "Europe/Berlin", "1980-01-01"]
    calls = [api.send("PATCH", path, {name: value}) for name, value in zip(fields, values, strict=True)]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]
    now = await api.get(path)
    assert [now[name] for name in fields] == values


async def test_of_many_who_want_one_address_one_gets_it(api: Api) -> None:
    made = [await api.post("/v1/customers", {"display_name": name}) for name in "abcdef"]
    wish = {"contact_points": [{"kind": "email", "value": "one@example.com"}]}
    calls = [api.client.patch(f"/v1/customers/{each['id']}", json=wish, headers=api.headers) for each in made]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    winner = next(answer.json()["id"] for answer in answers if answer.status_code == 200)
    assert {answer.json()["existing_id"] for answer in answers if answer.status_code == 409} == {winner}


async def test_archive_and_restore(api: Api) -> None:
    made = await registered(api)
    path = f"/v1/customers/{made['id']}"
    archived = await api.post(f"{path}/archive", expect=200)
    assert archived["version"] == 2
    assert archived["archived_at"] == archived["updated_at"]
    assert await api.post(f"{path}/archive", expect=200) == archived
    assert await api.get(path) == archived
    assert (await api.patch(path, {"tags": ["late"]}))["archived_at"] == archived["archived_at"]
    restored = await api.post(f"{path}/restore", expect=200)
    assert (restored["version"], restored["archived_at"], restored["tags"]) == (4, None, ["late"])


async def test_a_change_leaves_its_trail(api: Api, database: Database) -> None:
    made = await registered(api)
    await api.patch(f"/v1/customers/{made['id']}", {"tags": ["x"], "given_name": "Bo"})
    async with database.session() as session:
        audit = (await session.execute(text("SELECT action, actor, changes FROM audit_entry ORDER BY id"))).all()
        events = (await session.execute(text("SELECT type, data FROM outbox_event ORDER BY id"))).all()
    told = {"version": 2, "changed": ["display_name", "given_name", "tags"]}
    assert [tuple(row) for row in audit[-2:]] == [
        ("customer.registered", "tests", {}),
        ("customer.changed", "tests", told),
    ]
    assert [tuple(row) for row in events] == [
        ("customer.registered", {"id": made["id"], "version": 1}),
        ("customer.changed", {"id": made["id"], **told}),
    ]


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
async def test_unknown_customers(api: Api, method: str) -> None:
    path = "/v1/customers/01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10" + ("/archive" if method == "POST" else "")
    body = {"tags": ["a"]} if method == "PATCH" else None
    await api.send(method, path, body, expect=problem("customer-not-found", 404))
    await api.get("/v1/customers/by/shop/9", expect=problem("customer-not-found", 404))


async def test_the_same_key_is_answered_once(api: Api, database: Database) -> None:
    answers = await api.race(8, "POST", "/v1/customers", ANN, headers={"Idempotency-Key": "once"})
    assert {answer.status_code for answer in answers} <= {201, 409}
    first = await api.send("POST", "/v1/customers", ANN, headers={"Idempotency-Key": "once"}, expect=201)
    assert first.headers["idempotent-replayed"] == "true"
    assert {answer.content for answer in answers if answer.status_code == 201} == {first.content}
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM customer")) == 1
        owner = await session.scalar(text("SELECT customer_id::text FROM idempotency_record"))
    assert owner == first.json()["id"]
    reused = problem("idempotency-key-reused", 422)
    await api.post("/v1/customers", {"display_name": "B"}, headers={"Idempotency-Key": "once"}, expect=reused)
