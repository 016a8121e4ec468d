"""Streams out: the bytes of `COPY (SELECT …) TO STDOUT` pass through as CSV or NDJSON, one statement, one snapshot.

    form = wants(request)                                   # "json", "csv" or "ndjson", from Accept; else 406
    if form != "json":
        return stream(request, queries.exported(params), form)

The columns of the statement are those of the CSV, and the members of each NDJSON object: write times with
`instant_text`, money with `money_text` (CSV) or `money_object` (NDJSON), so that both read as in the JSON answers.
A stream has a connection of its own, is read no faster than the client takes it, and lets go of everything when the
client leaves. An error after the first bytes breaks the connection: half an answer never looks whole.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
from fastapi import Request
from sqlalchemy import ARRAY, ColumnElement, Select, any_, case, cast, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import Numeric, Text
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .clock import now
from .db import LONGEST_WRITE_SECONDS, Database
from .money import currencies, minor_digits
from .problems import NotAcceptable, NotAvailable
from .read import Prepared

Form = Literal["json", "csv", "ndjson", "events", "vega_lite", "svg"]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]

MEDIA_TYPES: Final[dict[Form, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "events": "text/event-stream",
    "vega_lite": "application/vnd.vegalite.v5+json",
    "svg": "image/svg+xml",
}
STREAM_SECONDS: Final = 3_600
"""A stream may take an hour; the statement ends with it."""
_MOST_STREAMS: Final = 8
_QUEUE_SECONDS: Final = 10
_SORT_MEMORY: Final = "64MB"  # what a stream of 100,000 customers sorts stays in memory
# A stream is read no faster than by one process, and those who wait for an answer need the other processors.
_SETTINGS: Final = f"""
SET statement_timeout = '{STREAM_SECONDS}s'; SET work_mem = '{_SORT_MEMORY}'; SET max_parallel_workers_per_gather = 0
"""
_STALLED_SECONDS: Final = 60
_BLOCK_BYTES: Final = 64 * 1024
# JSON text holds no control characters, so with these as delimiter and quote CSV leaves every line as it is.
_RAW_LINES: Final = {"format": "csv", "delimiter": "\x02", "quote": "\x01"}


def wants(request: Request, offered: Sequence[Form] = ("json", "csv", "ndjson")) -> Form:
    """Say which of the forms the caller prefers (RFC 9110, section 12.5.1); the first one offered where it is all the
    same to the caller. Errors: NotAcceptable.
    """
    ranges = _ranges(request.headers.get("accept") or "*/*")
    best: Form | None = None
    weight = 0.0
    for form in offered:
        rank = _weight(MEDIA_TYPES[form], ranges)
        if rank > weight:
            best, weight = form, rank
    if best is None:
        names = ", ".join(MEDIA_TYPES[form] for form in offered)
        raise NotAcceptable(f"This operation answers {names}")
    return best


def _ranges(accept: str) -> dict[str, float]:
    found = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                with contextlib.suppress(ValueError):
                    quality = min(max(float(value), 0.0), 1.0)
        found[name] = quality
    return found


def _weight(media_type: str, ranges: dict[str, float]) -> float:
    """Answer the quality that the most specific range gives a type."""
    names = (media_type, media_type.partition("/")[0] + "/*", "*/*")
    return next((ranges[name] for name in names if name in ranges), 0.0)


def watermark() -> datetime:
    """Answer the time up to which `recorded_at` is final: no write that is still under way can be older than that."""
    return now() - timedelta(seconds=LONGEST_WRITE_SECONDS)


def instant_text(column: Column) -> ColumnElement[str]:
    """Write a time as JSON answers do: RFC 3339 in UTC, with Z, and with microseconds only where there are some."""
    local = func.timezone("UTC", column)
    return func.replace(func.to_char(local, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ".000000Z", "Z", type_=Text)


def money_text(minor: Column, currency: Column) -> ColumnElement[str]:
    """Write minor units as decimal text with the digits of the currency."""
    texts = [
        (currency == any_(literal(codes, ARRAY(Text))), decimal_of(minor, digits))
        for digits, codes in _unusual_digits().items()
    ]
    return case(*texts, else_=decimal_of(minor, 2))


def decimal_of(units: Column, digits: int) -> ColumnElement[str]:
    """Move the point of a whole number; numeric keeps as many digits behind it as the factor has."""
    factor = f"0.{'1'.rjust(digits, '0')}" if digits else "1"
    return cast(cast(units, Numeric) * literal_column(factor), Text)


def money_object(minor: Column, currency: Column) -> ColumnElement[Any]:
    """Write money as the object that JSON answers have, or null."""
    money = func.json_build_object("amount", money_text(minor, currency), "currency", currency, type_=JSON)
    return case((minor.is_not(None), money))


def _unusual_digits() -> dict[int, list[str]]:
    """Group the currencies whose minor unit is no hundredth by their digits."""
    groups: dict[int, list[str]] = {}
    for code in sorted(currencies()):
        if (digits := minor_digits(code)) != 2:
            groups.setdefault(digits, []).append(code)
    return groups


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection for a statement that reads much and may take long."""
    connection = await database.connect()
    try:
        await connection.execute(_SETTINGS)
        yield connection
    finally:
        connection.terminate()  # at once, and the statement with it, should it still run


def stream(request: Request, statement: Select[Any], form: Form) -> Response:
    """Answer all rows of a statement as they come. Errors, before the first bytes: those of the database, NotAvailable
    when too many streams are under way.
    """
    if form == "csv":
        return StreamResponse(request, Prepared(statement), form, {"format": "csv", "header": True})
    rows = statement.subquery("line")
    return StreamResponse(request, Prepared(select(func.row_to_json(rows.table_valued()))), form, _RAW_LINES)


class StreamResponse(Response):
    """An answer that is a COPY."""

    def __init__(self, request: Request, statement: Prepared, form: Form, options: dict[str, Any]) -> None:
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        super().__init__(None, 200, headers, MEDIA_TYPES[form])
        del self.headers["content-length"]
        self._database: Database = request.app.state.database
        self._places = _places(request)
        self._statement, self._options = statement, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        copying = asyncio.create_task(self._copy(_Outlet(self, send)))
        leaving = asyncio.create_task(_client_left(receive))
        try:
            await asyncio.wait({copying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
        finally:
            for task in (copying, leaving):
                task.cancel()
            await asyncio.gather(copying, leaving, return_exceptions=True)

    async def _copy(self, outlet: "_Outlet") -> None:
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise NotAvailable("Too many streams are under way", headers={"Retry-After": "5"}) from None
        try:
            async with reading(self._database) as connection:
                statement = self._statement
                arguments = statement.arguments({})
                await connection.copy_from_query(statement.sql, *arguments, output=outlet.write, **self._options)
        finally:
            self._places.release()
        await outlet.end()


class _Outlet:
    """Sends what comes in blocks, and begins the answer with the first of them."""

    def __init__(self, response: StreamResponse, send: Send) -> None:
        self._response, self._send = response, send
        self._block = bytearray()
        self._has_begun = False

    async def write(self, data: bytes) -> None:
        self._block += data
        if len(self._block) >= _BLOCK_BYTES:
            await self._flush(more=True)

    async def end(self) -> None:
        await self._flush(more=False)

    async def _flush(self, *, more: bool) -> None:
        block, self._block = bytes(self._block), bytearray()
        async with asyncio.timeout(_STALLED_SECONDS):
            if not self._has_begun:
                self._has_begun = True
                start = {"type": "http.response.start", "status": 200, "headers": self._response.raw_headers}
                await self._send(start)
            await self._send({"type": "http.response.body", "body": block, "more_body": more})


def _places(request: Request) -> asyncio.Semaphore:
    """Answer the places for streams of this process, each of which costs a connection."""
    state = request.app.state
    if not hasattr(state, "stream_places"):
        state.stream_places = asyncio.Semaphore(_MOST_STREAMS)
    places: asyncio.Semaphore = state.stream_places
    return places


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
