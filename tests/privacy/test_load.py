"""Batches of consents: bad lines, repeats, any order, atomic loads, few statements however many lines."""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import orjson
from fastapi import FastAPI
from sqlalchemy import event, func, select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.privacy.models import Consent, ConsentEvent
from crm_api.touchpoints.models import Touchpoint

from ..calling import Api, problem
from .planting import AT, LATER, NDJSON, counts, ledger, load, register, report, said, standing


async def stored(database: Database, model: Any) -> int:
    async with database.session() as session:
        return (await session.scalars(select(func.count()).select_from(model))).one()


async def test_lines_become_the_same_as_single_reports(api: Api) -> None:
    ann, ben = await register(api, "a"), await register(api, "b")
    await report(api, ann, wording="Yes.")
    named = {**said(wording="Yes."), "customer": {"system": "shop", "external_id": "b"}}
    assert await load(api, named) == [counts(created=1)]
    mine, other = await ledger(api, customer_id=ann), await ledger(api, customer_id=ben)
    same = set(mine[0]) - {"customer_id", "recorded_at"}
    assert {name: mine[0][name] for name in same} == {name: other[0][name] for name in same}
    assert await standing(api, ben) == ("granted", AT, True)
    [told] = (await api.get(f"/v1/customers/{ben}/timeline"))["data"]
    assert (told["kind"], told["source_id"]) == ("consent.granted", other[0]["id"])
    assert await load(api, named, said(ann)) == [counts(repeated=2)]


async def test_every_sort_of_bad_line_is_told_in_its_place(api: Api, database: Database) -> None:
    ann = await register(api)
    good = said(ann)
    future = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    bad: list[tuple[Any, int, str, str | None]] = [
        (b"{", 400, "invalid-json", None),
        (b"[]", 422, "invalid-request", ""),
        ({**good, "nonsense": 1}, 422, "invalid-request", "/nonsense"),
        ({**good, "occurred_at": future}, 422, "invalid-request", "/occurred_at"),
        ({**good, "customer_id": str(uuid4())}, 422, "customer-unknown", "/customer_id"),
        ({**said(), "customer": {"system": "shop", "external_id": "no"}}, 422, "customer-unknown", "/customer"),
        (said(), 422, "invalid-request", "/customer_id"),
        ({**good, "purpose": "servise"}, 422, "purpose-unknown", "/purpose"),
        ({**good, "wording": "\x00"}, 422, "invalid-request", "/wording"),
        ({**good, "state": "yes"}, 422, "invalid-request", "/state"),
        (orjson.dumps(good)[:-1] + b',"state":"withdrawn"}', 422, "invalid-request", "/state"),
    ]
    lines = [
        line
        for number, (wrong, *_) in enumerate(bad)
        for line in (said(ann, occurred_at=f"2026-01-{number + 1:02}T00:00:00Z"), wrong)
    ]
    *told, summary = await load(api, *lines)
    assert summary == counts(created=len(bad), rejected=len(bad))
    assert [line["index"] for line in told] == list(range(1, 2 * len(bad), 2))
    for line, (_, status, code, pointer) in zip(told, bad, strict=True):
        assert (line["status"], line["problem"]["code"]) == (status, code), line
        if pointer is not None:
            assert [(each["in"], each["pointer"]) for each in line["problem"]["errors"]] == [("line", pointer)]
    assert await stored(database, ConsentEvent) == len(bad)


async def test_lines_may_come_in_any_order_and_in_parts(api: Api, database: Database) -> None:
    customers = [await register(api) for _ in range(4)]
    lines = [
        said(customer, channel=channel, state=state, occurred_at=f"2026-01-{day:02}T00:00:00Z")
        for customer in customers
        for channel in ("email", "sms")
        for day, state in enumerate(("granted", "withdrawn", "granted", "withdrawn", "granted"), 1)
    ]
    lines += [{**line, "state": "withdrawn", "source": "shop"} for line in lines if line["channel"] == "sms"]
    Random(3).shuffle(lines)
    await asyncio.gather(*(load(api, *lines[part::3], *lines[:5]) for part in range(3)))
    assert await stored(database, ConsentEvent) == len(lines) == await stored(database, Touchpoint)
    for customer in customers:
        assert await standing(api, customer, "email") == ("granted", "2026-01-05T00:00:00Z", True)
        assert await standing(api, customer, "sms") == ("withdrawn", "2026-01-05T00:00:00Z", False)


async def test_a_chunk_leaves_one_audit_row_and_one_event(api: Api, database: Database) -> None:
    ann = await register(api)
    lines = [said(ann), said(ann), said(ann, state="withdrawn", occurred_at=LATER)]
    *told, summary = await load(api, *lines, query="?results=all")
    assert [line["result"] for line in told] == ["created", "repeated", "created"]
    assert told[0]["id"] == told[1]["id"]
    assert summary == counts(created=2, repeated=1)
    async with database.session() as session:
        entries = (await session.scalars(select(AuditEntry).where(AuditEntry.action.like("consent%")))).all()
        events = (await session.scalars(select(OutboxEvent).where(OutboxEvent.type.like("consent%")))).all()
    assert [entry.action for entry in entries] == ["consents.loaded"]
    assert [(event.type, event.data["created"], event.data["repeated"]) for event in events] == [
        ("consents.loaded", 2, 1)
    ]


async def test_atomic_batches_are_whole_or_nothing(api: Api, database: Database) -> None:
    ann = await register(api)
    lines = [said(ann, occurred_at=f"2026-01-{day:02}T00:00:00Z") for day in range(1, 11)]
    body = b"".join(orjson.dumps(line) + b"\n" for line in [*lines, said(ann, purpose="x")])
    told = await api.post(
        "/v1/consents/batch?atomic=true", content=body, headers=NDJSON, expect=problem("batch-refused", 422)
    )
    assert [(each["pointer"], each["code"]) for each in told["errors"]] == [("/10/purpose", "purpose-unknown")]
    assert await stored(database, ConsentEvent) == 0
    assert await load(api, *lines, query="?atomic=true") == [counts(created=10)]
    assert await stored(database, Consent) == 1


async def test_the_number_of_statements_does_not_grow_with_the_lines(app: FastAPI, api: Api) -> None:
    ann = await register(api)
    run: list[str] = []

    def note(query: Any) -> None:
        run.append(query.query)

    def listen(connection: Any, *_: Any) -> None:
        connection.driver_connection.add_query_logger(note)

    pool = app.state.database.engine.sync_engine
    event.listen(pool, "checkout", listen)
    found = {}
    for year, count in ((2024, 10), (2025, 2_000)):
        lines = [said(ann, occurred_at=f"{year}-01-01T00:{n // 60:02}:{n % 60:02}Z") for n in range(count)]
        run.clear()
        assert await load(api, *lines) == [counts(created=count)]
        found[count] = list(run)
    event.remove(pool, "checkout", listen)
    assert found[10] == found[2_000]
    tables = [table for statement in found[10] for table in re.findall(r"INSERT INTO (\w+)", statement)]
    assert tables[:3] == ["consent_event", "consent", "touchpoint"]


async def test_two_batches_with_the_same_lines_store_each_once(api: Api, database: Database) -> None:
    customers = [await register(api) for _ in range(5)]
    lines = [
        said(customers[n % 5], occurred_at=f"2025-01-01T00:{n // 60:02}:{n % 60:02}Z", state="withdrawn")
        for n in range(1_500)
    ]
    answers = await asyncio.gather(load(api, *lines), load(api, *reversed(lines)), load(api, *lines))
    total: Counter[str] = Counter()
    for answer in answers:
        assert len(answer) == 1, answer[0]
        total.update(answer[0]["summary"])
    assert total == Counter(received=4_500, created=1_500, repeated=3_000, rejected=0)
    assert await stored(database, ConsentEvent) == await stored(database, Touchpoint) == 1_500
