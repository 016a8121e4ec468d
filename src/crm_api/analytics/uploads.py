"""A part of a run's rows as it arrives: CSV or NDJSON, spooled as CSV until all of it is there."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from fastapi import Request

from ..core.batch_document import CSV, NDJSON, NDJSON_TYPES
from ..core.csv_records import column_problem
from ..core.problems import BodyTooLarge, InvalidRequest, Problem, UnsupportedMediaType, finding
from ..core.spool import Spool
from ..core.upload import LineCutter, Record, chunks
from .score_tables import ScoreTable

MOST_ROWS: Final = 200_000
"""What one part may hold, so that storing it and dropping it stay short."""
_LONGEST_LINE: Final = 4096
_ROWS_AT_ONCE: Final = 1_000
"""So that whoever reads meanwhile waits for a millisecond at most."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Rows of one part: CSV lines without a header, and which columns they have."""

    lines: Spool
    columns: Sequence[str]


async def received(request: Request, table: ScoreTable, lines: Spool) -> Upload:
    """Read the body to its end. Errors: UnsupportedMediaType, InvalidRequest, BodyTooLarge, those of core.upload."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != CSV and kind not in NDJSON_TYPES:
        raise UnsupportedMediaType(f"send {CSV} or {NDJSON}, not {kind or 'a body without Content-Type'}")
    columns: Sequence[str] = () if kind == CSV else table.names
    count = 0
    async for records in chunks(request, LineCutter(_LONGEST_LINE), _ROWS_AT_ONCE):
        good = _good(records, count)
        if not columns:
            columns = _header(good.pop(0), table)
        if count + len(good) > MOST_ROWS:
            raise BodyTooLarge(f"a part holds at most {MOST_ROWS} rows; send more parts")
        lines.write(_closed(good, count) if kind == CSV else _as_csv(good, count, table))
        count += len(good)
    return Upload(lines, columns or table.names)


def _good(records: Sequence[Record], first: int) -> list[bytes]:
    for index, record in enumerate(records, first):
        if isinstance(record, Problem):
            record.errors = [finding(f"/{index}", record.code, record.detail)]
            raise record
    return cast(list[bytes], records)


def _header(line: bytes, table: ScoreTable) -> list[str]:
    """Read which columns there are; they may stand in any order. Errors: InvalidRequest."""
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").removesuffix("\r")
    names = next(csv.reader([text]), [])
    for name in names:
        if name not in table.names:
            raise column_problem(name, "is unknown")
        if names.count(name) > 1:
            raise column_problem(name, "stands twice in the header")
    if missing := [name for name in table.names if name not in names]:
        raise column_problem(missing[0], "is missing")
    return names


def _closed(lines: Sequence[bytes], first: int) -> bytes:
    """Join lines of CSV. No value holds a line end, so a quote is closed on its own line. Errors: InvalidRequest."""
    text = b"\n".join([*lines, b""])
    if b'"' in text:
        for index, line in enumerate(lines, first):
            if line.count(b'"') % 2:
                raise _wrong_line(f"/{index}", "invalid-csv", "a quote is not closed on its line")
    return text


def _as_csv(lines: Sequence[bytes], first: int, table: ScoreTable) -> bytes:
    """Write JSON lines as CSV. What its values may be is judged later, for CSV and JSON alike."""
    made = io.StringIO()
    write = csv.writer(made, lineterminator="\n").writerow
    for index, line in enumerate(lines, first):
        write(_cells(line, index, table))
    return made.getvalue().encode()


def _cells(line: bytes, index: int, table: ScoreTable) -> list[str | int | None]:
    try:
        row: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _wrong_line(f"/{index}", "invalid-json", str(error)) from None
    if not isinstance(row, dict):
        raise _wrong_line(f"/{index}", "dict-type", "a row is a JSON object")
    for name, value in row.items():
        if name not in table.names:
            raise _wrong_line(f"/{index}/{name}", "extra-forbidden", f"columns are {', '.join(table.names)}")
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise _wrong_line(f"/{index}/{name}", "wrong-type", "values are texts, whole numbers or null")
    return [row.get(name) for name in table.names]


def _wrong_line(pointer: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"{pointer}: {detail}", errors=[finding(pointer, code, detail)])
