"""Reads: statements compiled once, run on the driver, dumped by orjson."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg
import orjson
from sqlalchemy import ColumnElement, Select, Subquery, Text, TextClause, Uuid, cast, func, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from starlette.responses import Response

from .etags import etag

_LIMIT = "SELECT set_config('statement_timeout', $1, true)"
_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


class Prepared:
    """A statement as the driver takes it. Compiling costs a hundred times what running does, so keep it: at module
    level, or by lru_cache of its shape.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | TextClause) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._writers: Mapping[str, Callable[[Any], Any]] = compiled._bind_processors  # type: ignore[assignment]
        # Written once: a list of hundreds that is bound in the statement would else be written anew by every call.
        self._fixed = {name: self._written(name, compiled.params[name]) for name in self._names}

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Order the values as the driver wants them; those bound in the statement itself may be left out."""
        fixed = self._fixed
        return [self._written(name, values[name]) if name in values else fixed[name] for name in self._names]

    def _written(self, name: str, value: Any) -> Any:
        write = self._writers.get(name)
        return value if write is None else write(value)


class Together:
    """Several statements as one, which sees one snapshot and costs one round trip; a value bound in some of them under
    one name is the same in all.
    """

    def __init__(self, statements: Mapping[str, Select[Any]]) -> None:
        parts = {name: statement.subquery(name) for name, statement in statements.items()}
        self._names = {name: [str(column.name) for column in part.c] for name, part in parts.items()}
        self.statement = Prepared(select(*(_gathered(part).label(name) for name, part in parts.items())))

    def rows(self, row: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        """Answer the rows of each statement, by its name, from the one row there is."""
        return {
            name: [dict(zip(columns, values, strict=True)) for values in row[name]]
            for name, columns in self._names.items()
        }


def _gathered(part: Subquery) -> ColumnElement[Any]:
    """Write the rows of a statement as an array; the driver cannot read ids in it but as text."""
    columns = [cast(column, Text) if isinstance(column.type, Uuid) else column for column in part.c]
    return func.array(select(func.row(*columns)).select_from(part).scalar_subquery())


class Reader:
    """Runs prepared reads; a read that meets a changed table is run once more (after ALTER TABLE each connection fails
    once).
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    async def rows(self, statement: Prepared, **values: Any) -> list[asyncpg.Record]:
        """Answer all rows."""
        arguments = statement.arguments(values)
        try:
            rows: list[asyncpg.Record] = await self.pool.fetch(statement.sql, *arguments)
        except asyncpg.InvalidCachedStatementError:
            rows = await self.pool.fetch(statement.sql, *arguments)
        return rows

    async def together(self, statements: Together, **values: Any) -> dict[str, list[dict[str, Any]]]:
        """Answer the rows of several statements, by their names."""
        row = await self.row(statements.statement, **values)
        assert row is not None  # noqa: S101  # a statement of scalar subqueries answers one row
        return statements.rows(row)

    async def rows_within(self, seconds: float, statement: Prepared, **values: Any) -> list[asyncpg.Record]:
        """Answer all rows. Errors: TimeoutError, when that takes longer; the database works on it no more then."""
        arguments, limit = statement.arguments(values), f"{max(round(seconds * 1000), 1)}ms"
        try:
            async with self.pool.acquire() as connection, connection.transaction(readonly=True):
                await connection.execute(_LIMIT, limit)
                rows: list[asyncpg.Record] = await connection.fetch(statement.sql, *arguments)
        except asyncpg.QueryCanceledError:
            raise TimeoutError from None
        return rows

    async def planned_rows(self, statement: Prepared, **values: Any) -> int:
        """Answer how many rows the planner expects."""
        plan = await self.pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values))
        return int(orjson.loads(plan)[0]["Plan"]["Plan Rows"])

    async def row(self, statement: Prepared, **values: Any) -> asyncpg.Record | None:
        """Answer the first row, or nothing."""
        arguments = statement.arguments(values)
        try:
            return await self.pool.fetchrow(statement.sql, *arguments)
        except asyncpg.InvalidCachedStatementError:
            return await self.pool.fetchrow(statement.sql, *arguments)


def dump(document: Any) -> bytes:
    """Write a document as JSON: times in UTC with Z, ids as text."""
    return orjson.dumps(document, default=str, option=orjson.OPT_UTC_Z)


def answer(
    document: Any, *, status: int = 200, version: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer a document; personal data must not be kept by caches on the way."""
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if version is not None:
        sent["ETag"] = etag(version)
    return Response(dump(document), status, sent, media_type="application/json")


def raw_json(text: str | None) -> orjson.Fragment | None:
    """Pass a JSON text from PostgreSQL through without parsing it."""
    return None if text is None else orjson.Fragment(text)
