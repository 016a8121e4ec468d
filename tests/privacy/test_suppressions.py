"""Addresses that are left alone: decided by hand, found out by the service, lifted with a reason."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.customers.models import ContactPointKey
from crm_api.privacy.models import Suppression
from crm_api.privacy.operations import suppress
from crm_api.privacy.queries import is_suppressed

from ..calling import Api, problem
from .planting import register

ANN = "/v1/suppressions/email/Ann.Lee@Example.com"


async def listed(api: Api, query: str = "") -> list[tuple[str, str, str]]:
    page = await api.get(f"/v1/suppressions{query}", expect=200)
    return [(each["kind"], each["address"], each["reason"]) for each in page["data"]]


async def bounce(database: Database, *keys: str) -> list[str]:
    """Suppress as the service does when messages bounce."""
    async with database.session() as session:
        return await suppress(session, keys, "bounced", "550 no such user", by="worker")


async def trail(database: Database) -> list[tuple[str, str, UUID | None]]:
    wanted = select(AuditEntry.action, AuditEntry.resource_id, AuditEntry.customer_id)
    async with database.session() as session:
        rows = await session.execute(wanted.where(AuditEntry.resource_type == "suppression").order_by(AuditEntry.id))
        return [tuple(row) for row in rows]


async def test_an_address_is_suppressed_however_it_is_spelled(api: Api) -> None:
    made = await api.put(ANN, {"detail": "By letter"}, expect=201)
    told = {"kind": "email", "address": "ann.lee@example.com", "reason": "manual", "detail": "By letter"}
    assert made | {**told, "created_by": "tests", "result": "created"} == made
    again = await api.put("/v1/suppressions/email/ann.lee@EXAMPLE.COM", {"detail": "By letter"}, expect=200)
    assert again == {**made, "result": "unchanged"}
    changed = await api.put(ANN, {}, expect=200)
    assert (changed["detail"], changed["result"]) == (None, "updated")
    phone = await api.put("/v1/suppressions/phone/+1 202-555-0123", {}, expect=201)
    assert phone["address"] == "+12025550123"
    assert await listed(api) == [("email", "ann.lee@example.com", "manual"), ("phone", "+12025550123", "manual")]
    odd = await api.put("/v1/suppressions/email/a%2Fb@example.com", {}, expect=201)
    assert odd["address"] == "a/b@example.com"


async def test_a_lift_keeps_its_reason_in_the_audit(api: Api, database: Database) -> None:
    points = [{"kind": "email", "value": "ann.lee@example.com"}]
    ann = UUID(await register(api, contact_points=points))
    await api.put(ANN, {"detail": "x"}, expect=201)
    await api.send("DELETE", f"{ANN}?reason=The mailbox works again", expect=204)
    assert await listed(api) == []
    await api.delete(f"{ANN}?reason=twice", expect=problem("suppression-not-found", 404))
    key = "email:ann.lee@example.com"
    assert await trail(database) == [("suppression.added", key, ann), ("suppression.lifted", key, ann)]
    async with database.session() as session:
        wanted = select(AuditEntry.changes).where(AuditEntry.action == "suppression.lifted")
        changes = (await session.scalars(wanted)).one()
        types = (await session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.id))).all()
    assert changes["why"] == "The mailbox works again"
    assert (changes["was"]["reason"], changes["was"]["detail"]) == ("manual", "x")
    assert types[-2:] == ["suppression.added", "suppression.lifted"]


async def test_the_service_suppresses_and_the_first_reason_stays(api: Api, database: Database) -> None:
    keys = ("email:b@example.com", "email:a@example.com", "email:a@example.com")
    assert sorted(await bounce(database, *keys)) == sorted(set(keys))
    assert await bounce(database, keys[0], "email:c@example.com") == ["email:c@example.com"]
    assert await bounce(database) == []
    assert await listed(api, "?reason=bounced") == [("email", f"{name}@example.com", "bounced") for name in "abc"]
    assert len(await trail(database)) == 3
    decided = await api.put("/v1/suppressions/email/a@example.com", {"detail": "asked"}, expect=200)
    assert (decided["reason"], decided["result"], decided["created_by"]) == ("manual", "updated", "tests")
    assert await bounce(database, "email:a@example.com") == []
    assert await listed(api, "?reason=manual") == [("email", "a@example.com", "manual")]


async def test_of_many_callers_one_suppresses_and_one_lifts(api: Api, database: Database) -> None:
    answers = await api.race(8, "PUT", ANN, {})
    assert sorted(answer.json()["result"] for answer in answers) == ["created", *7 * ["unchanged"]]
    lifts = await api.race(8, "DELETE", f"{ANN}?reason=x")
    assert sorted(answer.status_code for answer in lifts) == [204, *7 * [404]]
    assert len(await trail(database)) == 2


async def test_putting_and_lifting_at_once_never_loses_count(api: Api, database: Database) -> None:
    puts = [api.put(ANN, {"detail": str(n)}) for n in range(10)]
    deletes = [api.client.delete(f"{ANN}?reason=x", headers=api.headers) for _ in range(10)]
    told: list[Any] = await asyncio.gather(*puts, *deletes)
    assert {each["result"] for each in told[:10]} <= {"created", "updated"}
    assert {answer.status_code for answer in told[10:]} <= {204, 404}
    added = [action for action, *_ in await trail(database)]
    left = added.count("suppression.added") - added.count("suppression.lifted")
    assert left == len(await listed(api))


async def test_the_list_is_filtered_paged_and_streamed(api: Api, database: Database) -> None:
    await bounce(database, *(f"email:{n:02}@example.com" for n in range(5)), "phone:+12025550123")
    await api.put("/v1/suppressions/phone/+12025550124", {"detail": 'She said "no", twice'}, expect=201)
    everything = await listed(api)
    assert len(everything) == 7
    assert await listed(api, "?kind=phone") == everything[5:]
    assert await listed(api, "?kind=phone&reason=manual") == everything[6:]
    first = await api.get("/v1/suppressions?limit=4&kind=email", expect=200)
    second = await api.get(f"/v1/suppressions?limit=4&kind=email&cursor={first['next_cursor']}", expect=200)
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (4, 1, None)
    rows = (await api.get("/v1/suppressions"))["data"]
    answer = await api.send("GET", "/v1/suppressions", headers={"Accept": "application/x-ndjson"}, expect=200)
    assert [json.loads(line) for line in answer.text.splitlines()] == rows
    answer = await api.send("GET", "/v1/suppressions?reason=manual", headers={"Accept": "text/csv"}, expect=200)
    assert answer.text.splitlines()[0] == ",".join(rows[0])
    assert answer.text.splitlines()[1].startswith('phone,+12025550124,manual,"She said ""no"", twice",')


@pytest.mark.parametrize(
    ("method", "path", "wish", "pointer"),
    [
        ("PUT", "/v1/suppressions/fax/1", {}, "/kind"),
        ("PUT", "/v1/suppressions/email/nobody", {}, "/address"),
        ("PUT", "/v1/suppressions/phone/12", {}, "/address"),
        ("PUT", f"/v1/suppressions/email/{'a' * 320}@example.com", {}, "/address"),
        ("PUT", ANN, {"reason": "bounced"}, "/reason"),
        ("PUT", ANN, {"detail": "x" * 501}, "/detail"),
        ("PUT", ANN, {"detail": ""}, "/detail"),
        ("DELETE", ANN, None, "/reason"),
        ("DELETE", f"{ANN}?reason=%20", None, "/reason"),
        ("DELETE", f"{ANN}?reason={'x' * 501}", None, "/reason"),
        ("DELETE", "/v1/suppressions/email/nobody?reason=x", None, "/address"),
    ],
)
async def test_wrong_suppressions(api: Api, method: str, path: str, wish: Any, pointer: str) -> None:
    answer = await api.send(method, path, wish, expect=problem("invalid-request", 422))
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await listed(api) == []


async def test_the_condition_finds_suppressed_contact_points(api: Api, database: Database) -> None:
    points = [{"kind": "email", "value": f"{name}@example.com"} for name in ("a", "b")]
    await register(api, contact_points=points)
    await bounce(database, "email:a@example.com")
    async with database.session() as session:
        found = (await session.scalars(select(ContactPointKey.key).where(is_suppressed(ContactPointKey.key)))).all()
        held = (await session.scalars(select(Suppression.detail))).all()
    assert (found, held) == (["email:a@example.com"], ["550 no such user"])
