"""Streams out, on planted statements: exact bytes, bounded memory, and nothing held for clients that have left."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import orjson
import pytest
from fastapi import APIRouter, FastAPI, Request, Security
from httpx import ASGITransport, AsyncClient
from sqlalchemy import BigInteger, Integer, Text, column, func, literal, literal_column, select, values
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response

from crm_api.access import Principal, authorize
from crm_api.app import create_app
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.problems import NotAcceptable
from crm_api.core.route import Route
from crm_api.core.streams import instant_text, money_object, money_text, stream, wants, watermark
from crm_api.settings import Settings
from tests.calling import Api, problem
from tests.serving import served

router = APIRouter(route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["customers:read"])]


@router.get("/v1/planted-stream", summary="Stream numbers")
async def stream_planted(request: Request, who: CanRead, rows: int = 10, about: str = "", fail_at: int = 0) -> Response:
    """Stream numbers. Scope: customers:read."""
    number = literal_column("number", Integer)
    statement = select(
        number,
        literal(about, Text).label("about"),
        instant_text(literal_column("timestamptz '2026-01-31 09:30:00+02'")).label("at"),
        func.div(literal_column("1"), number - literal(fail_at, Integer)).label("inverse"),
    ).select_from(func.generate_series(1, rows).alias("number"))
    return stream(request, statement, wants(request, ("csv", "ndjson")))


@router.get("/v1/planted-money", summary="Stream money")
async def stream_money(request: Request, who: CanRead) -> Response:
    """Stream money. Scope: customers:read."""
    rows = values(column("minor", BigInteger), column("currency", Text), name="amounts").data(
        [(1230, "EUR"), (-5, "USD"), (1230, "JPY"), (7, "TND"), (None, None)]
    )
    form = wants(request, ("csv", "ndjson"))
    write = money_text if form == "csv" else money_object
    return stream(request, select(write(rows.c.minor, rows.c.currency).label("amount")), form)


@pytest.fixture(scope="module")
async def planted(settings: Settings) -> AsyncIterator[FastAPI]:
    """The service with streams of its own."""
    made = create_app(settings)
    made.router.routes.extend(router.routes)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def streams(planted: FastAPI, token: str, clean: None) -> AsyncIterator[Api]:
    transport = ASGITransport(planted, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://crm.test", timeout=60) as client:
        yield Api(client).bearing(token)


AWKWARD = "a \"quoted\", \\backslash\\\tTab\r\nline $1 ' '); DROP TABLE customer; -- ü 😀 \x01\x02"


async def test_csv_is_what_csv_readers_read(streams: Api) -> None:
    answer = await streams.send(
        "GET", "/v1/planted-stream", params={"about": AWKWARD, "rows": 3}, headers={"Accept": "text/csv"}, expect=200
    )
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert header == ["number", "about", "at", "inverse"]
    assert rows == [[str(n), AWKWARD, "2026-01-31T07:30:00Z", str(1 // n)] for n in (1, 2, 3)]


async def test_ndjson_is_one_document_per_line(streams: Api) -> None:
    answer = await streams.send(
        "GET",
        "/v1/planted-stream",
        params={"about": AWKWARD, "rows": 3},
        headers={"Accept": "application/x-ndjson"},
        expect=200,
    )
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content.endswith(b"}\n")
    assert [orjson.loads(line) for line in answer.content.splitlines()] == [
        {"number": n, "about": AWKWARD, "at": "2026-01-31T07:30:00Z", "inverse": 1 // n} for n in (1, 2, 3)
    ]


async def test_nothing_to_stream(streams: Api) -> None:
    empty = {"params": {"rows": 0}}
    assert await streams.get("/v1/planted-stream", **empty, headers={"Accept": "application/x-ndjson"}) is None
    assert (
        await streams.get("/v1/planted-stream", **empty, headers={"Accept": "text/csv"}) == "number,about,at,inverse\n"
    )


async def test_money_has_the_digits_of_its_currency(streams: Api) -> None:
    table = await streams.get("/v1/planted-money", headers={"Accept": "text/csv"})
    assert table.splitlines() == ["amount", "12.30", "-0.05", "1230", "0.007", ""]
    lines = await streams.send("GET", "/v1/planted-money", headers={"Accept": "application/x-ndjson"})
    assert [orjson.loads(line)["amount"] for line in lines.content.splitlines()] == [
        {"amount": "12.30", "currency": "EUR"},
        {"amount": "-0.05", "currency": "USD"},
        {"amount": "1230", "currency": "JPY"},
        {"amount": "0.007", "currency": "TND"},
        None,
    ]


async def test_an_error_before_the_first_bytes_is_a_problem(streams: Api) -> None:
    await streams.get("/v1/planted-stream", params={"fail_at": 1}, expect=problem("invalid-request", 422))


async def test_an_error_in_the_middle_breaks_the_connection(planted: FastAPI, token: str) -> None:
    path = "/v1/planted-stream?rows=2000000&fail_at=1900000"
    async with served(planted) as address, _ask(address, token, path) as (reader, _):
        body = await reader.read(-1)
    assert body.startswith(b"HTTP/1.1 200")
    assert not body.endswith(b"0\r\n\r\n")


async def test_a_client_that_leaves_releases_everything(planted: FastAPI, token: str, database: Database) -> None:
    async with served(planted) as address:
        async with _ask(address, token, "/v1/planted-stream?rows=50000000&fail_at=-1") as (reader, writer):
            assert (await reader.read(10_000)).startswith(b"HTTP/1.1 200")
            await _becomes(lambda: _running(database), 1)
            writer.transport.abort()
        await _becomes(lambda: _running(database), 0)
    assert planted.state.stream_places._value == 8


async def test_a_slow_client_holds_the_database_back(planted: FastAPI, token: str, database: Database) -> None:
    async with served(planted) as address:
        async with _ask(address, token, "/v1/planted-stream?rows=50000000&fail_at=-1") as (reader, writer):
            await reader.read(10_000)
            await _becomes(lambda: database.pool.fetchval(_IS_HELD_BACK), True)
            writer.transport.abort()
        await _becomes(lambda: _running(database), 0)


async def test_more_streams_than_places_are_refused(
    planted: FastAPI, streams: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted.state, "stream_places", asyncio.Semaphore(0), raising=False)
    monkeypatch.setattr("crm_api.core.streams._QUEUE_SECONDS", 0.05)
    answer = await streams.send("GET", "/v1/planted-stream", expect=problem("not-available", 503))
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("application/x-ndjson", "ndjson"),
        ("text/*", "csv"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.8", "ndjson"),
        ("application/json;q=0, */*", "csv"),
        ("TEXT/CSV ; Q=0.3", "csv"),
        ("text/html, */*;q=0.1", "json"),
        ("text/csv;q=nonsense", "csv"),
    ],
)
def test_accept_chooses_the_form(accept: str | None, form: str) -> None:
    assert wants(_asking(accept)) == form


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "nonsense"])
def test_nothing_acceptable_is_a_problem(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        wants(_asking(accept))


def test_the_watermark_is_older_than_any_write_under_way() -> None:
    asked = now()
    assert 59 < (asked - watermark()).total_seconds() <= 60


def _asking(accept: str | None) -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return StarletteRequest({"type": "http", "headers": headers})


_COPYING = "FROM pg_stat_activity WHERE query LIKE 'COPY (%generate_series%' AND state = 'active'"
_IS_HELD_BACK = f"SELECT wait_event = 'ClientWrite' {_COPYING}"


async def _running(database: Database) -> int:
    return int(await database.pool.fetchval(f"SELECT count(*) {_COPYING}"))


async def _becomes(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    async with asyncio.timeout(10):
        while await ask() != wanted:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _ask(
    address: tuple[str, int], token: str, path: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address, limit=1_000)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: crm.test\r\nAccept: text/csv\r\nAuthorization: Bearer {token}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    await writer.drain()
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
