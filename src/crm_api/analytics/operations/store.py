"""Store a part of a run's rows: set-wise, after every row has passed every check."""

import re
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import CursorResult, Row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable

from ...core.clock import now
from ...core.db import driver
from ...core.problems import InvalidRequest, finding
from ...core.spool import Spool
from .. import staging
from ..models import AnalyticsRun, AnalyticsRunPart
from ..schemas import RowsParams
from ..score_tables import ScoreTable
from ..uploads import Upload
from .hold import check_open, find, take

_PLACE = re.compile(r", line (?P<line>\d+)(, column (?P<column>\w+))?")


async def store_rows(session: AsyncSession, run_id: UUID, table: ScoreTable, params: RowsParams, upload: Upload) -> int:
    """Store a part, in place of what was stored under its number before; answers how many rows it has.

    Errors: InvalidRequest with the lines that are wrong, RunNotFound, LeaseLost, RunNotOpen.
    """
    run = await find(session, run_id)
    check_open(run)
    await _stage(session, table, upload)
    await _check_form(session, table)
    extent = (await session.execute(staging.extent(table))).one()
    if extent.row_count:
        await _check_customers(session, table, run, extent)
    await take(session, run, params.lease_id)
    await _replace(session, table, run.id, params.part, extent)
    return int(extent.row_count)


async def _stage(session: AsyncSession, table: ScoreTable, upload: Upload) -> None:
    await session.execute(CreateTable(table.staged))
    connection = await driver(session)
    try:
        await connection.copy_to_table(
            table.staged.name, source=_pieces(upload.lines), columns=list(upload.columns), format="csv"
        )
    except asyncpg.DataError as error:
        raise _unreadable(table, error) from None


async def _pieces(lines: Spool) -> AsyncIterator[bytes]:
    for piece in lines.pieces():
        yield piece


def _unreadable(table: ScoreTable, error: asyncpg.DataError) -> InvalidRequest:
    """Say which line cannot be read, and which value if it is one: PostgreSQL tells both, lines from 1."""
    place = _PLACE.search(str(getattr(error, "context", "") or ""))
    index, name = (int(place["line"]) - 1, place["column"]) if place else (0, None)
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        fault = finding(f"/{index}", "invalid-csv", str(error))
    else:
        fault = finding(f"/{index}/{column.name}", "wrong-value", staging.expected(column))
    return InvalidRequest(f"{fault['pointer']}: {fault['detail']}", errors=[fault])


async def _check_form(session: AsyncSession, table: ScoreTable) -> None:
    wrong = (await session.execute(staging.malformed(table))).mappings().all()
    _refuse(
        finding(f"/{row['index']}/{column.name}", "wrong-value", staging.expected(column))
        for row in wrong
        for column in table.columns
        if row[column.name]
    )


async def _check_customers(session: AsyncSession, table: ScoreTable, run: AnalyticsRun, extent: Row[Any]) -> None:
    twice = (await session.execute(staging.repeated(table))).all()
    _refuse(
        finding(f"/{row.index}/customer_id", "duplicate", f"row {row.first} is about this customer") for row in twice
    )
    lines = await session.scalars(staging.strangers(table, extent.first, extent.last, run.watermark))
    why = "no customer with this id was active at the run's watermark"
    _refuse(finding(f"/{index}/customer_id", "unknown-customer", why) for index in lines)


async def _replace(session: AsyncSession, table: ScoreTable, run_id: UUID, part: int, extent: Row[Any]) -> None:
    """Errors: InvalidRequest, for customers that another part is about."""
    stored = await session.get(AnalyticsRunPart, (run_id, part))
    dropped = None if stored is None else staging.drop_part(stored, table.model)
    stored = stored or AnalyticsRunPart(run_id=run_id, part=part)
    stored.row_count, stored.scored_count = extent.row_count, extent.scored_count
    stored.first_customer_id, stored.last_customer_id = extent.first, extent.last
    stored.received_at = now()
    session.add(stored)
    await session.flush()
    if dropped is not None:
        await session.execute(dropped)
    kept = cast(CursorResult[Any], await session.execute(staging.keep(table, run_id, part)))
    if kept.rowcount != extent.row_count:
        others = (await session.execute(staging.already_kept(table, run_id, part))).all()
        _refuse(
            finding(f"/{row.index}/customer_id", "duplicate", f"part {row.other_part} is about this customer")
            for row in others
        )


def _refuse(findings: Iterable[dict[str, str]]) -> None:
    """Errors: InvalidRequest, when something was found."""
    if errors := list(islice(findings, staging.MOST_FINDINGS)):
        raise InvalidRequest(f"{errors[0]['pointer']}: {errors[0]['detail']}", errors=errors)
