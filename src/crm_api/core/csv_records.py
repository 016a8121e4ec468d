"""CSV as records (RFC 4180): cells are named by the header, and each row becomes one JSON document."""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from .problems import InvalidRequest, Problem
from .upload import LineCutter, Record

RowMaker = Callable[[list[str]], Any]
CsvForm = Callable[[Sequence[str]], RowMaker]
"""Answers, for a header, what makes a JSON document of a row's cells. Errors: InvalidRequest, for unknown columns."""


class BadCsv(Problem, status=400, code="invalid-csv", title="A row is not valid CSV"):
    """Rows are separated by line ends and cells by commas; cells with commas, quotes or line ends stand in double
    quotes, and quotes inside them are doubled (RFC 4180). The text is UTF-8; each row has as many cells as the header.
    """


class CsvCutter:
    """Records are rows, which may hold line ends inside quotes; the first one is the header and is none."""

    def __init__(self, form: CsvForm, longest: int) -> None:
        self._lines = LineCutter(longest)
        self._form = form
        self._make: RowMaker | None = None
        self._header: list[str] = []
        self._open: list[bytes] = []
        self._size = self._quotes = 0

    def cut(self, piece: bytes) -> list[Record]:
        return list(self._documents(self._rows(self._lines.cut(piece))))

    def end(self) -> list[Record]:
        rows = list(self._rows(self._lines.end()))
        if self._open:
            rows.append(b"\n".join(self._open))
        return list(self._documents(rows))

    def _rows(self, lines: list[Record]) -> Iterator[Record]:
        """Join lines as long as a quote is open."""
        for line in lines:
            if isinstance(line, Problem):
                self._close()
                yield line
                continue
            self._open.append(line)
            self._size += len(line) + 1
            self._quotes += line.count(b'"')
            if self._quotes % 2 == 0:
                yield b"\n".join(self._open)
                self._close()
            elif self._size > self._lines.longest:
                yield self._lines.too_long()
                self._close()

    def _close(self) -> None:
        self._open.clear()
        self._size = self._quotes = 0

    def _documents(self, rows: Iterator[Record] | list[Record]) -> Iterator[Record]:
        for row in rows:
            if isinstance(row, bytes) and row.isspace():
                continue
            if self._make is None:
                self._make = self._read_header(row)
            elif row:
                yield self._document(row, self._make)

    def _read_header(self, row: Record) -> RowMaker:
        """Errors: BadCsv, InvalidRequest; without its header nothing of the file can be read."""
        if isinstance(row, Problem):
            raise row
        self._header = [name.strip() for name in _cells(row.removeprefix(b"\xef\xbb\xbf"))]
        if twice := [name for name in self._header if self._header.count(name) > 1]:
            raise column_problem(twice[0], "stands twice in the header")
        return self._form(self._header)

    def _document(self, row: Record, make: RowMaker) -> Record:
        if isinstance(row, Problem):
            return row
        try:
            cells = _cells(row)
        except BadCsv as problem:
            return problem
        if len(cells) != len(self._header):
            return BadCsv(f"{len(cells)} cells, where the header has {len(self._header)}")
        return orjson.dumps(make(cells))


def column_problem(name: str, detail: str) -> InvalidRequest:
    """Refuse a file for one of its columns."""
    finding = {"in": "body", "pointer": "", "code": "csv-column", "detail": f"column {name[:100]!r} {detail}"}
    return InvalidRequest(f"Column {name[:100]!r} {detail}", errors=[finding])


def _cells(row: bytes) -> list[str]:
    try:
        return next(csv.reader([row.decode().removesuffix("\r")], strict=True), [])
    except UnicodeDecodeError as error:
        raise BadCsv(f"not UTF-8 at byte {error.start}") from None
    except csv.Error as error:
        raise BadCsv(str(error)) from None
