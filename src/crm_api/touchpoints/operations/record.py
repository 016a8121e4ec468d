"""Record: one touchpoint, in as few round trips as it takes."""

from typing import Any, Final, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.db import driver
from ...core.trail import emit
from .. import queries
from ..daily_facts import mark_days
from ..rules import Fact, document_of, fact_of
from ..schemas import TouchpointCreate
from .owners import find_by_external_id, named, unknown
from .rows import COLUMNS, ITEM_COLUMNS, conflict, item_rows, row_of, touched_days

_VALUES: Final = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
_INSERT: Final = f"""
INSERT INTO touchpoint ({", ".join(COLUMNS)}) VALUES ({_VALUES}) ON CONFLICT DO NOTHING RETURNING true
"""  # noqa: S608  # the names are those of our columns


class Recorded(NamedTuple):
    """What became of a touchpoint, and how it is stored."""

    result: Literal["created", "repeated"]
    customer_id: UUID
    document: dict[str, Any]


async def record_touchpoint(session: AsyncSession, who: Principal, wish: TouchpointCreate, zone: ZoneInfo) -> Recorded:
    """Record a touchpoint. Errors: InvalidRequest, CustomerUnknown, TouchpointConflict.

    The write itself finds out whether the customer is there and whether the source id was told before.
    """
    connection = await driver(session)
    at = now()  # inside the transaction, as core.watermark wants it
    fact = fact_of(wish, at)
    name = named(wish)
    if isinstance(name, str):
        found = (await find_by_external_id(connection, [name])).get(name)
        if found is None:
            raise unknown(name)
        customer_id = found
    else:
        customer_id = name
    try:
        is_new = await connection.fetchval(_INSERT, *row_of(fact, customer_id, at, who.client_id))
    except asyncpg.ForeignKeyViolationError:
        raise unknown(name) from None
    if not is_new:
        return await _repeated(connection, fact, customer_id)
    made = [(customer_id, fact)]
    if fact.items:
        await connection.copy_records_to_table("order_item", records=item_rows(made), columns=ITEM_COLUMNS)
    await mark_days(session, touched_days(made, zone))
    told = {"id": str(fact.id), "customer_id": str(customer_id), "kind": wish.kind, "occurred_at": fact.occurred_at}
    emit(session, "touchpoint.recorded", told, customer_id=customer_id)
    return Recorded("created", customer_id, document_of(fact, customer_id, at, who.client_id))


async def _repeated(connection: asyncpg.Connection, fact: Fact, customer_id: UUID) -> Recorded:
    """Answer what is stored already. Errors: TouchpointConflict."""
    this = {"customer_id": customer_id, "id": fact.id}
    stored = await connection.fetchrow(queries.BY_ID.sql, *queries.BY_ID.arguments(this))
    content_hash = await connection.fetchval(queries.HASH_BY_ID.sql, *queries.HASH_BY_ID.arguments(this))
    if content_hash != fact.content_hash:
        raise conflict(fact, customer_id, stored["recorded_at"], stored["recorded_by"])
    return Recorded("repeated", customer_id, queries.document(stored))
