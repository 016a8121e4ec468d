"""Purposes are declared and described anew, and never deleted."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from crm_api.core import migrations
from crm_api.core.db import Database
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.core.trail import AuditEntry, OutboxEvent

from ..calling import Api, problem
from .planting import AT, register, report, standing

NEWS = {"label": "Newsletter", "needs_consent": True}


async def test_two_purposes_are_there_from_the_start(postgres: ThrowawayPostgres, api: Api) -> None:
    """Looked at in a database that no test has emptied."""
    admin = await asyncpg.connect(postgres.url_of("postgres", "postgres"))
    await admin.execute("CREATE DATABASE fresh OWNER crm")
    await admin.close()
    url = postgres.url_of("fresh")
    await asyncio.to_thread(migrations.upgrade, url.replace("postgresql://", "postgresql+asyncpg://"))
    fresh = await asyncpg.connect(url)
    rows = await fresh.fetch("SELECT name, label, needs_consent, created_by FROM purpose ORDER BY name")
    await fresh.close()
    found = [dict(row) for row in rows]
    page = await api.get("/v1/purposes", expect=200)
    assert [{name: each[name] for name in found[0]} for each in page["data"]] == found
    assert [(each["name"], each["needs_consent"]) for each in found] == [("marketing", True), ("service", False)]


async def test_a_purpose_is_declared_and_described_anew(api: Api, database: Database) -> None:
    answer = await api.send("PUT", "/v1/purposes/newsletter", NEWS, expect=201)
    made = answer.json()
    assert answer.headers["location"] == "/v1/purposes/newsletter"
    assert made | {"name": "newsletter", **NEWS, "created_by": "tests", "result": "created"} == made
    assert (await api.put("/v1/purposes/newsletter", NEWS, expect=200))["result"] == "unchanged"
    changed = await api.put("/v1/purposes/newsletter", {"label": "News", "needs_consent": False}, expect=200)
    assert changed == {**made, "label": "News", "needs_consent": False, "result": "updated"}
    read = await api.get("/v1/purposes/newsletter", expect=200)
    assert {**read, "result": "updated"} == changed
    assert (await api.put("/v1/purposes/newsletter", {"label": "News"}))["needs_consent"] is True
    async with database.session() as session:
        audited = select(AuditEntry.action, AuditEntry.changes).where(AuditEntry.resource_type == "purpose")
        entries = (await session.execute(audited.order_by(AuditEntry.id))).all()
        events = (await session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.id))).all()
    assert [tuple(entry) for entry in entries] == [
        ("purpose.declared", NEWS),
        (
            "purpose.changed",
            {"label": {"from": "Newsletter", "to": "News"}, "needs_consent": {"from": True, "to": False}},
        ),
        ("purpose.changed", {"needs_consent": {"from": False, "to": True}}),
    ]
    assert events == ["purpose.declared", "purpose.changed", "purpose.changed"]


async def test_of_many_callers_one_declares(api: Api) -> None:
    answers = await api.race(8, "PUT", "/v1/purposes/newsletter", NEWS)
    assert sorted(answer.json()["result"] for answer in answers) == ["created", *7 * ["unchanged"]]


async def test_consents_to_a_new_purpose_are_taken_at_once(api: Api) -> None:
    ann = await register(api)
    await api.put("/v1/purposes/newsletter", NEWS, expect=201)
    assert await standing(api, ann, purpose="newsletter") == (None, None, False)
    await report(api, ann, purpose="newsletter")
    assert await standing(api, ann, purpose="newsletter") == ("granted", AT, True)


async def test_what_silence_means_can_change(api: Api) -> None:
    ann = await register(api)
    await api.put("/v1/purposes/marketing", {"label": "Marketing", "needs_consent": False}, expect=200)
    assert await standing(api, ann) == (None, None, True)
    await report(api, ann, state="withdrawn")
    assert await standing(api, ann) == ("withdrawn", AT, False)


async def test_a_purpose_in_use_cannot_be_deleted(api: Api, database: Database) -> None:
    await report(api, await register(api))
    await api.send("DELETE", "/v1/purposes/marketing", expect=problem("method-not-allowed", 405))
    with pytest.raises(IntegrityError):
        async with database.session() as session:
            await session.execute(text("DELETE FROM purpose WHERE name = 'marketing'"))
    assert len((await api.get("/v1/purposes"))["data"]) == 2


async def test_purposes_are_listed_in_pages(api: Api) -> None:
    for name in ("b", "a_1", "zoo"):
        await api.put(f"/v1/purposes/{name}", {"label": name.upper()}, expect=201)
    first = await api.get("/v1/purposes?limit=3", expect=200)
    second = await api.get(f"/v1/purposes?limit=3&cursor={first['next_cursor']}", expect=200)
    assert [each["name"] for each in first["data"] + second["data"]] == ["a_1", "b", "marketing", "service", "zoo"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("name", "wish", "pointer"),
    [
        ("Newsletter", NEWS, "/name"),
        ("a-b", NEWS, "/name"),
        ("a" * 51, NEWS, "/name"),
        ("a", {}, "/label"),
        ("a", {"label": " "}, "/label"),
        ("a", {"label": "x" * 201}, "/label"),
        ("a", {"label": "x", "needs_consent": "yes"}, "/needs_consent"),
        ("a", {"label": "x", "needs_consent": None}, "/needs_consent"),
        ("a", {"label": "x", "name": "b"}, "/name"),
    ],
)
async def test_wrong_purposes(api: Api, name: str, wish: dict[str, Any], pointer: str) -> None:
    refused = await api.put(f"/v1/purposes/{name}", wish, expect=problem("invalid-request", 422))
    assert [error["pointer"] for error in refused["errors"]] == [pointer]
    assert len((await api.get("/v1/purposes"))["data"]) == 2


async def test_an_unknown_purpose_is_not_found(api: Api) -> None:
    await api.get("/v1/purposes/nothing", expect=problem("purpose-not-found", 404))
