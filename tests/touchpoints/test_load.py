"""Batches of touchpoints: bad lines, repeats, conflicts, atomic loads, broken connections, real lengths."""

import asyncio
import gzip
from collections import Counter
from typing import Any
from uuid import uuid4

import orjson
import pytest
import zstandard
from fastapi import FastAPI
from httpx import AsyncClient, Timeout
from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api, problem
from ..serving import served
from .planting import AT, NDJSON, counts, happening, load, order, register


async def stored(database: Database) -> int:
    async with database.session() as session:
        return int(await session.scalar(text("SELECT count(*) FROM touchpoint")) or 0)


def numbered(customer: str, number: int, **fields: Any) -> dict[str, Any]:
    return happening(customer, source="till", source_id=f"r{number}", **fields)


async def test_lines_become_the_same_touchpoints_as_single_ones(api: Api) -> None:
    customer = await register(api, "a")
    wish = order(customer, "1.10", "2.20", source="till", source_id="1", properties={"a": [1.0, "x"]}, channel="web")
    single = await api.post("/v1/touchpoints", wish, expect=201)
    named = {name: value for name, value in wish.items() if name != "customer_id"}
    other = await register(api, "b")
    assert await load(api, {**named, "customer": {"system": "shop", "external_id": "b"}}) == [counts(created=1)]
    loaded = await api.get(f"/v1/customers/{other}/timeline/{single['id']}")
    same = set(loaded) - {"customer_id", "recorded_at"}
    assert {name: loaded[name] for name in same} == {name: single[name] for name in same}
    assert await load(api, wish) == [counts(repeated=1)]


async def test_every_sort_of_bad_line_is_told_in_its_place(api: Api, database: Database) -> None:
    customer = await register(api)
    good = numbered(customer, 1)
    await load(api, good)
    bad: list[tuple[Any, int, str, str | None]] = [
        (b"{", 400, "invalid-json", None),
        (b'"text"', 422, "invalid-request", ""),
        ({**good, "nonsense": 1}, 422, "invalid-request", "/nonsense"),
        ({**good, "occurred_at": "1800-01-01T00:00:00Z"}, 422, "invalid-request", "/occurred_at"),
        ({**good, "customer_id": str(uuid4())}, 422, "customer-unknown", "/customer_id"),
        (happening(customer={"system": "shop", "external_id": "nobody"}), 422, "customer-unknown", "/customer"),
        ({**good, "channel": "web"}, 409, "touchpoint-conflict", None),
        ({**good, "source": None}, 422, "invalid-request", "/source"),
        (orjson.dumps(good)[:-1] + b',"kind":"a"}', 422, "invalid-request", "/kind"),
        ({**good, "properties": {"a": "\x00"}}, 422, "invalid-request", "/properties/a"),
        (orjson.dumps(good)[:-1] + b',"properties":{"a":%d}}' % 10**30, 422, "invalid-request", "/properties/a"),
        ({**good, "items": [{"sku": "a", "paid_amount": "1.00"}]}, 422, "invalid-request", "/amount"),
    ]  # fmt: skip
    mixed = [line for number, (line, *_) in enumerate(bad, 10) for line in (numbered(customer, number), line)]
    *told, summary = await load(api, *mixed)
    assert summary == counts(created=len(bad), rejected=len(bad))
    assert [line["index"] for line in told] == list(range(1, 2 * len(bad), 2))
    for line, (_, status, code, pointer) in zip(told, bad, strict=True):
        assert (line["status"], line["problem"]["code"]) == (status, code), line
        if pointer is not None:
            assert [(each["in"], each["pointer"]) for each in line["problem"]["errors"]] == [("line", pointer)]
    assert await stored(database) == 1 + len(bad)


async def test_a_conflict_names_both(api: Api) -> None:
    customer = await register(api)
    first = await api.post("/v1/touchpoints", numbered(customer, 1), expect=201)
    *_, told, _ = await load(api, numbered(customer, 1, channel="web"))
    assert told["problem"]["stored"]["href"] == f"/v1/customers/{customer}/timeline/{first['id']}"
    assert told["problem"]["stored"]["recorded_at"] == first["recorded_at"]
    assert told["problem"]["sent"]["source_id"] == "r1"


async def test_of_the_same_source_id_in_one_batch_the_first_counts(api: Api) -> None:
    customer = await register(api)
    lines = [numbered(customer, 1), numbered(customer, 1, channel="web"), numbered(customer, 1)]
    created, conflict, repeated, summary = await load(api, *lines, query="?results=all")
    assert (created["result"], conflict["status"], repeated["result"]) == ("created", 409, "repeated")
    assert created["id"] == repeated["id"]
    assert summary == counts(created=1, repeated=1, rejected=1)


async def test_atomic_batches_are_whole_or_nothing(api: Api, database: Database) -> None:
    customer = await register(api)
    lines = [numbered(customer, number) for number in range(6_000)]
    body = b"".join(orjson.dumps(line) + b"\n" for line in [*lines, happening(uuid4())])
    told = await api.post(
        "/v1/touchpoints/batch?atomic=true", content=body, headers=NDJSON, expect=problem("batch-refused", 422)
    )
    assert [(each["pointer"], each["code"]) for each in told["errors"]] == [("/6000/customer_id", "customer-unknown")]
    assert await stored(database) == 0
    assert await load(api, *lines, query="?atomic=true") == [counts(created=6_000)]
    assert await load(api, *lines, query="?atomic=true") == [counts(repeated=6_000)]


async def test_two_batches_with_the_same_lines_store_each_once(api: Api, database: Database) -> None:
    customers = [await register(api) for _ in range(5)]
    lines = [order(customers[n % 5], "1.00", source="till", source_id=str(n)) for n in range(3_000)]
    answers = await asyncio.gather(load(api, *lines), load(api, *reversed(lines)), load(api, *lines))
    total: Counter[str] = Counter()
    for answer in answers:
        assert len(answer) == 1, answer[0]
        total.update(answer[0]["summary"])
    assert total == Counter(received=9_000, created=3_000, repeated=6_000, rejected=0)
    assert await stored(database) == 3_000


async def test_days_are_marked_and_only_those_that_changed(api: Api, database: Database) -> None:
    customer = await register(api)
    lines = [
        order(customer, "1.00", occurred_at="2026-01-31T04:59:59Z", source="till", source_id="1"),
        order(customer, "1.00", occurred_at="2026-01-31T05:00:00Z"),
        happening(customer, occurred_at="2026-02-10T12:00:00Z"),
        happening(customer, kind="order.placed", occurred_at="2026-02-11T12:00:00Z"),
        order(customer, "1.00", kind="order.refunded", occurred_at="2026-02-12T12:00:00Z"),
    ]  # fmt: skip
    await load(api, *lines)
    marks = text("SELECT business_date::text FROM customer_day_dirty ORDER BY 1")
    async with database.session() as session:
        assert (await session.scalars(marks)).all() == ["2026-01-30", "2026-01-31", "2026-02-12"]
        await session.execute(text("TRUNCATE customer_day_dirty"))
    await load(api, lines[0])
    async with database.session() as session:
        assert (await session.scalars(marks)).all() == []
    await api.post("/v1/touchpoints", lines[1], expect=201)
    async with database.session() as session:
        assert (await session.scalars(marks)).all() == ["2026-01-31"]


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
async def test_compressed_and_cut_off(api: Api, database: Database, name: str, compress: Any) -> None:
    customer = await register(api)
    lines = [numbered(customer, number, subject=str(uuid4())) for number in range(11_000)]
    body = compress(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    headers = {**NDJSON, "Content-Encoding": name}
    told = await api.post(
        "/v1/touchpoints/batch", content=body[:-100], headers=headers, expect=problem("bad-content-encoding", 400)
    )
    there = await stored(database)
    assert told["summary"]["created"] == there
    assert 0 < there < 11_000
    answer = await api.send("POST", "/v1/touchpoints/batch", content=body, headers=headers, expect=200)
    assert orjson.loads(answer.content) == counts(created=11_000 - there, repeated=there)


def _body(customer: str, first: int, until: int) -> bytes:
    template = orjson.dumps(numbered(customer, 0)).replace(b'"r0"', b'"r%d"')
    return b"".join(template % number + b"\n" for number in range(first, until))


async def test_a_client_that_sends_all_and_reads_later_is_served(
    app: FastAPI, api: Api, token: str, database: Database
) -> None:
    """200,000 lines, each with an answer of its own: neither side may wait for the other for ever."""
    customer = await register(api)
    sent = _body(customer, 0, 200_000)
    headers = {**NDJSON, "Authorization": f"Bearer {token}"}
    async with served(app) as (host, port), AsyncClient(timeout=Timeout(300)) as client:
        url = f"http://{host}:{port}/v1/touchpoints/batch?results=all"
        answer = await client.post(url, content=sent, headers=headers)
    *lines, summary = answer.content.splitlines()
    assert orjson.loads(summary) == counts(created=200_000)
    assert len(lines) == 200_000
    assert orjson.loads(lines[-1])["index"] == 199_999
    assert await stored(database) == 200_000


async def test_a_broken_connection_is_mended_by_sending_again(
    app: FastAPI, api: Api, token: str, database: Database
) -> None:
    customer = await register(api)
    body = _body(customer, 0, 12_000)
    async with served(app) as address:
        _, writer = await asyncio.open_connection(*address)
        head = (
            "POST /v1/touchpoints/batch HTTP/1.1\r\nHost: crm.test\r\nContent-Type: application/x-ndjson\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body[: len(body) - 1_000])
        await writer.drain()
        async with asyncio.timeout(30):
            while await stored(database) < 5_000:
                await asyncio.sleep(0.05)
        writer.transport.abort()
        async with asyncio.timeout(30):
            while await stored(database) < 10_000:  # the chunk that was complete is stored
                await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)
    assert await stored(database) == 10_000
    answer = await api.send("POST", "/v1/touchpoints/batch", content=body, headers=NDJSON, expect=200)
    assert orjson.loads(answer.content) == counts(created=2_000, repeated=10_000)


async def test_other_content_types_are_refused(api: Api) -> None:
    for kind in ("text/csv", "application/json", "text/plain"):
        await api.post(
            "/v1/touchpoints/batch",
            content=b"{}",
            headers={"Content-Type": kind},
            expect=problem("unsupported-media-type", 415),
        )


async def test_one_row_tells_of_a_chunk(api: Api, database: Database) -> None:
    customer = await register(api)
    await load(api, *(numbered(customer, number, occurred_at=AT) for number in range(100)))
    async with database.session() as session:
        [event] = (
            await session.execute(text("SELECT type, data FROM outbox_event WHERE type LIKE 'touchpoint%'"))
        ).all()
        [entry] = (
            await session.execute(text("SELECT actor, changes FROM audit_entry WHERE action LIKE 'touchpoint%'"))
        ).all()
    assert event.type == "touchpoints.loaded"
    assert event.data["created"] == entry.changes["created"] == 100
    assert event.data["first_id"] < event.data["last_id"]
    assert entry.actor == "tests"
