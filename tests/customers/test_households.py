"""Households: formed, joined, left and dissolved; a customer is in one at most."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent

from ..calling import Api, problem

Register = Callable[[str], Awaitable[str]]


@pytest.fixture
def register(api: Api) -> Register:
    """Register a customer by name; answers the id."""

    async def register(name: str) -> str:
        return str((await api.post("/v1/customers", {"display_name": name}, expect=201))["id"])

    return register


def ids(household: dict[str, Any]) -> set[str]:
    return {member["customer_id"] for member in household["members"]}


async def test_a_household_is_formed_joined_left_and_dissolved(api: Api, register: Register) -> None:
    ann, ben = await register("Ann"), await register("Ben")
    made = await api.send("POST", "/v1/households", {"name": " The Lees ", "members": [ann]}, expect=201)
    lees = made.json()
    path = f"/v1/households/{lees['id']}"
    assert (lees["name"], ids(lees), lees["version"]) == ("The Lees", {ann}, 1)
    assert (made.headers["location"], made.headers["etag"]) == (path, '"1"')
    joined = await api.put(f"{path}/members/{ben}", expect=200)
    assert (ids(joined), joined["version"]) == ({ann, ben}, 2)
    assert joined["members"][1]["joined_at"].endswith("Z")
    assert (await api.put(f"{path}/members/{ben}", expect=200))["version"] == 2, "who is in stays"
    assert await api.get(path, expect=200) == joined
    await api.send("GET", path, headers={"If-None-Match": '"2"'}, expect=304)
    await api.delete(f"{path}/members/{ann}", expect=204)
    left = await api.get(path, expect=200)
    assert (ids(left), left["version"]) == ({ben}, 3)
    await api.delete(f"{path}/members/{ann}", expect=problem("no-member", 404))
    await api.delete(path, headers={"If-Match": '"2"'}, expect=problem("version-mismatch", 412))
    await api.delete(path, headers={"If-Match": '"3"'}, expect=204)
    await api.get(path, expect=problem("household-not-found", 404))
    await api.delete(path, expect=problem("household-not-found", 404))
    assert (await api.get(f"/v1/households?customer_id={ben}"))["data"] == []
    await api.post("/v1/households", {"members": [ben]}, expect=201)


async def test_a_name_is_changed_and_taken_away(api: Api) -> None:
    lees = await api.post("/v1/households", {"name": "Lee"}, expect=201)
    path = f"/v1/households/{lees['id']}"
    changed = await api.patch(path, {"name": "Leigh"}, headers={"If-Match": '"1"'}, expect=200)
    assert (changed["name"], changed["version"]) == ("Leigh", 2)
    assert (await api.patch(path, {"name": "Leigh"}, expect=200))["version"] == 2
    assert (await api.patch(path, {}, expect=200))["version"] == 2
    await api.patch(path, {"name": "X"}, headers={"If-Match": '"1"'}, expect=problem("version-mismatch", 412))
    assert (await api.patch(path, {"name": None}, expect=200))["name"] is None


async def test_a_customer_is_in_one_household_at_most(api: Api, register: Register) -> None:
    ann, ben = await register("Ann"), await register("Ben")
    lees, kims = [await api.post("/v1/households", {"members": [one]}, expect=201) for one in (ann, ben)]
    taken = problem("in-another-household", 409)
    refused = await api.put(f"/v1/households/{kims['id']}/members/{ann}", expect=taken)
    assert (refused["existing_id"], refused["customer_id"]) == (lees["id"], ann)
    cem = await register("Cem")
    assert (await api.post("/v1/households", {"members": [cem, ben]}, expect=taken))["existing_id"] == kims["id"]
    page = await api.get(f"/v1/households?customer_id={ben}")
    assert [household["id"] for household in page["data"]] == [kims["id"]]
    assert (await api.get(f"/v1/households?customer_id={cem}"))["data"] == [], "nothing was stored"


async def test_many_who_join_at_once_are_all_in_and_nobody_is_in_two(api: Api, register: Register) -> None:
    homes = [(await api.post("/v1/households", {}, expect=201))["id"] for _ in range(2)]
    people = [await register(f"P{number}") for number in range(6)]
    wishes = [(home, one) for one in people for home in homes]
    for (home, one), answers in zip(
        wishes,
        await asyncio.gather(*(api.race(1, "PUT", f"/v1/households/{home}/members/{one}") for home, one in wishes)),
        strict=True,
    ):
        assert [answer.status_code for answer in answers] in ([200], [409]), (home, one)
    first, second = [await api.get(f"/v1/households/{home}", expect=200) for home in homes]
    assert ids(first) | ids(second) == set(people) and not ids(first) & ids(second)
    assert [first["version"], second["version"]] == [1 + len(ids(first)), 1 + len(ids(second))]


async def test_what_cannot_be_formed(api: Api, register: Register) -> None:
    ann, nobody = await register("Ann"), str(uuid4())
    refused = await api.post("/v1/households", {"members": [ann, nobody]}, expect=problem("invalid-request", 422))
    assert [(each["pointer"], each["code"]) for each in refused["errors"]] == [("/members/1", "customer-not-found")]
    await api.post("/v1/households", {"members": [ann, ann]}, expect=problem("invalid-request", 422))
    await api.post("/v1/households", {"name": "\x07"}, expect=problem("invalid-request", 422))
    lees = await api.post("/v1/households", {"members": [ann]}, expect=201)
    await api.put(f"/v1/households/{lees['id']}/members/{nobody}", expect=problem("customer-not-found", 404))
    await api.put(f"/v1/households/{nobody}/members/{ann}", expect=problem("household-not-found", 404))


async def test_a_household_is_full_at_some_number(
    api: Api, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_api.customers.operations.households.MOST_MEMBERS", 2)
    people = [await register(name) for name in "ABC"]
    made = await api.post("/v1/households", {"members": people[:2]}, expect=201)
    await api.put(f"/v1/households/{made['id']}/members/{people[2]}", expect=problem("household-full", 409))


async def test_households_are_listed_in_pages(api: Api) -> None:
    made = [(await api.post("/v1/households", {"name": name}, expect=201))["id"] for name in "ABC"]
    page = await api.get("/v1/households?limit=2", expect=200)
    rest = await api.get("/v1/households", params={"limit": 2, "cursor": page["next_cursor"]}, expect=200)
    assert [each["id"] for each in [*page["data"], *rest["data"]]] == made and rest["next_cursor"] is None


async def test_it_is_audited_and_told(api: Api, register: Register, database: Database) -> None:
    ann, ben = await register("Ann"), await register("Ben")
    lees = await api.post("/v1/households", {"members": [ann]}, expect=201)
    await api.put(f"/v1/households/{lees['id']}/members/{ben}", expect=200)
    await api.delete(f"/v1/households/{lees['id']}", expect=204)
    expected = [
        ("household.formed", None),
        ("household.joined", ann),
        ("household.joined", ben),
        ("household.left", ann),
        ("household.left", ben),
        ("household.dissolved", None),
    ]
    async with database.session() as session:
        events = await session.scalars(
            select(OutboxEvent).where(OutboxEvent.type.like("household.%")).order_by(OutboxEvent.id)
        )
        told = [(event.type, event.data.get("customer_id")) for event in events]
        entries = await session.scalars(
            select(AuditEntry).where(AuditEntry.action.like("household.%")).order_by(AuditEntry.id)
        )
        audited = [(entry.action, entry.customer_id and str(entry.customer_id)) for entry in entries]
    assert told == audited == expected
