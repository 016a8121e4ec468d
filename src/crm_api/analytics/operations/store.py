"""Store a part of a run's rows: set-wise, all rows or none. Why a row is wrong is asked only when one is."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Any, NoReturn, cast
from uuid import UUID

import asyncpg
from sqlalchemy import BigInteger, CursorResult, Row, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable

from ...core.clock import now
from ...core.db import driver
from ...core.problems import InvalidRequest, NotAvailable, finding
from ...core.spool import Spool
from .. import staging
from ..models import AnalyticsRun, AnalyticsRunPart
from ..schemas import RowsParams
from ..score_tables import ScoreTable
from ..uploads import Upload
from .hold import find, look, take

# Nobody sees rows before their run is published. That commit waits for the disk, and for all that came before it; if a
# crash loses a part until then, the run lacks rows and is not published.
_ALONE = select(
    func.set_config("synchronous_commit", "off", True), func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger))
)
_PLACE = re.compile(r", line (?P<line>\d+)(, column (?P<column>\w+))?")


async def store_rows(session: AsyncSession, run_id: UUID, table: ScoreTable, params: RowsParams, upload: Upload) -> int:
    """Store a part, in place of what was stored under its number before; answers how many rows it has.

    Errors: InvalidRequest with the lines that are wrong, RunNotFound, LeaseLost, RunNotOpen.
    """
    run = await find(session, run_id)
    await look(session, run, params.lease_id)
    await session.execute(_ALONE, {"key": _key_of_part(run_id, params.part)})
    await _stage(session, table, upload)
    extent = (await session.execute(staging.extent(table))).one()
    if extent.first is None and table.output.subject is None:
        await _refuse_malformed(session, table)
    await _replace(session, table, run, params.part, extent)
    await take(session, run, params.lease_id)  # last, since parts that come side by side wait for each other from here
    return int(extent.row_count)


def _key_of_part(run_id: UUID, part: int) -> int:
    """Name the advisory lock under which one sender of a part waits for another."""
    return int.from_bytes(run_id.bytes[8:], "big", signed=True) ^ part


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
        await asyncio.sleep(0)  # the driver itself waits only while the database reads slowly


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


async def _refuse_malformed(session: AsyncSession, table: ScoreTable) -> None:
    wrong = (await session.execute(staging.malformed(table))).mappings().all()
    _refuse(
        finding(f"/{row['index']}/{column.name}", "wrong-value", staging.expected(column))
        for row in wrong
        for column in table.columns
        if row[column.name]
    )


async def _replace(session: AsyncSession, table: ScoreTable, run: AnalyticsRun, part: int, extent: Row[Any]) -> None:
    """Errors: InvalidRequest, when a row is wrong."""
    stored = await session.get(AnalyticsRunPart, (run.id, part))
    dropped = None if stored is None else staging.drop_part(stored, table.model)
    stored = stored or AnalyticsRunPart(run_id=run.id, part=part)
    stored.row_count, stored.scored_count = extent.row_count, extent.scored_count
    stored.unscored_status, stored.unscored_reason = extent.unscored_status, extent.unscored_reason
    stored.first_customer_id, stored.last_customer_id = extent.first, extent.last
    stored.received_at = now()
    session.add(stored)
    await session.flush()
    if dropped is not None:
        await session.execute(dropped)
    if extent.row_count and await _kept_count(session, table, stored, run) != extent.row_count:
        await _refuse_malformed(session, table)
        await _refuse_customers(session, table, run, stored)


async def _kept_count(session: AsyncSession, table: ScoreTable, part: AnalyticsRunPart, run: AnalyticsRun) -> int:
    whose = staging.about(part, run.watermark)
    if await session.scalar(staging.welcome_count(table), whose) != part.row_count:
        return 0
    try:
        async with session.begin_nested():
            kept = await session.execute(staging.keep(table), whose)
            return cast(CursorResult[Any], kept).rowcount
    except IntegrityError:
        return 0


async def _refuse_customers(
    session: AsyncSession, table: ScoreTable, run: AnalyticsRun, part: AnalyticsRunPart
) -> NoReturn:
    """Errors: InvalidRequest, with the rows that are about a wrong customer, which is all that is left to be wrong."""
    twice = (await session.execute(staging.repeated(table))).all()
    *_, key = table.output.identity
    what = " and ".join(f"this {name.removesuffix('_id')}" for name in table.output.identity)
    _refuse(finding(f"/{row.index}/{key}", "duplicate", f"row {row.first} is about {what}") for row in twice)
    await _refuse_strangers(session, table, run, part)
    others = (await session.execute(staging.already_kept(table, run.id, part.part))).all()
    _refuse(finding(f"/{row.index}/{key}", "duplicate", f"part {row.other_part} is about {what}") for row in others)
    raise NotAvailable("The rows changed while they were stored; send them again", headers={"Retry-After": "1"})


async def _refuse_strangers(
    session: AsyncSession, table: ScoreTable, run: AnalyticsRun, part: AnalyticsRunPart
) -> None:
    if table.output.subject is not None:
        return
    lines = await session.scalars(staging.strangers(table), staging.about(part, run.watermark))
    why = "no customer with this id was active at the run's watermark"
    _refuse(finding(f"/{index}/customer_id", "unknown-customer", why) for index in lines)


def _refuse(findings: Iterable[dict[str, str]]) -> None:
    """Errors: InvalidRequest, when something was found."""
    if errors := list(islice(findings, staging.MOST_FINDINGS)):
        raise InvalidRequest(f"{errors[0]['pointer']}: {errors[0]['detail']}", errors=errors)
