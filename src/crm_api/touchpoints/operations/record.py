"""Record: one touchpoint, in as few round trips as it takes."""

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.changes import mark
from ...core.clock import now
from ...core.db import driver, reach, stands_alone, write_last
from ...core.trail import emit
from .. import queries
from ..daily_facts import mark_days
from ..rules import Fact, document_of, fact_of, topic_of
from ..schemas import TouchpointCreate
from .owners import find_by_external_id, named, unknown
from .rows import COLUMN_TYPES, COLUMNS, ITEM_COLUMNS, conflict, item_rows, row_of, touched_days

_PLACES: Final = ", ".join(f"${number}::{COLUMN_TYPES[name]}" for number, name in enumerate(COLUMNS, 1))
# Stamped and inserted within 200 ms, so that what core.watermark called final stays final without a transaction around.
INSERT_AT_ONCE: Final = f"""
INSERT INTO touchpoint ({", ".join(COLUMNS)}) SELECT {_PLACES}
WHERE statement_timestamp() < ${COLUMNS.index("recorded_at") + 1} + interval '200 milliseconds'
ON CONFLICT DO NOTHING
"""  # the names are those of our columns
_INSERT: Final = f"""
INSERT INTO touchpoint ({", ".join(COLUMNS)}) SELECT {_PLACES} ON CONFLICT DO NOTHING RETURNING true
"""  # the names are those of our columns


class Recorded(NamedTuple):
    """What became of a touchpoint, and how it is stored."""

    result: Literal["created", "repeated"]
    customer_id: UUID
    document: dict[str, Any]


async def record_touchpoint(session: AsyncSession, who: Principal, wish: TouchpointCreate, zone: ZoneInfo) -> Recorded:
    """Record a touchpoint. Errors: InvalidRequest, CustomerUnknown, TouchpointConflict.

    The write itself finds out whether the customer is there and whether the source id was told before.
    """
    fact = fact_of(wish, now())
    customer_id = await _customer_meant(session, wish)
    days = touched_days([(customer_id, fact)], zone)
    if stands_alone(session) and not fact.items and not days:
        at = now()
        write_last(session, INSERT_AT_ONCE, *row_of(fact, customer_id, at, who.client_id))
    else:
        connection = await driver(session)
        at = now()  # inside the transaction, as core.watermark wants it
        if not await _insert(connection, fact, customer_id, at, who):
            return await _repeated(connection, fact, customer_id)
        await mark_days(session, days)
    told = {"id": str(fact.id), "customer_id": str(customer_id), "kind": wish.kind, "occurred_at": fact.occurred_at}
    emit(session, "touchpoint.recorded", told, customer_id=customer_id)
    mark(session, topic_of(wish.kind), [customer_id])
    return Recorded("created", customer_id, document_of(fact, customer_id, at, who.client_id))


async def _customer_meant(session: AsyncSession, wish: TouchpointCreate) -> UUID:
    name = named(wish)
    if isinstance(name, UUID):
        return name
    found = (await find_by_external_id(await reach(session), [name])).get(name)
    if found is None:
        raise unknown(name)
    return UUID(str(found))  # reads outside of transactions answer ids as text


async def _insert(connection: asyncpg.Connection, fact: Fact, customer_id: UUID, at: datetime, who: Principal) -> bool:
    """Insert a touchpoint with its items, unless it is there. Errors: CustomerUnknown."""
    try:
        is_new = await connection.fetchval(_INSERT, *row_of(fact, customer_id, at, who.client_id))
    except asyncpg.ForeignKeyViolationError:
        raise unknown(named(fact.wish)) from None
    if is_new and fact.items:
        items = item_rows([(customer_id, fact)])
        await connection.copy_records_to_table("order_item", records=items, columns=ITEM_COLUMNS)
    return bool(is_new)


async def _repeated(connection: asyncpg.Connection, fact: Fact, customer_id: UUID) -> Recorded:
    """Answer what is stored already. Errors: TouchpointConflict."""
    this = {"customer_id": customer_id, "id": fact.id}
    stored = await connection.fetchrow(queries.BY_ID.sql, *queries.BY_ID.arguments(this))
    content_hash = await connection.fetchval(queries.HASH_BY_ID.sql, *queries.HASH_BY_ID.arguments(this))
    if content_hash != fact.content_hash:
        raise conflict(fact, customer_id, stored["recorded_at"], stored["recorded_by"])
    return Recorded("repeated", customer_id, queries.document(stored))
