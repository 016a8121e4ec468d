"""Report: one answer of a customer, as it comes over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.db import driver
from ...touchpoints.operations.owners import find_by_external_id, named, unknown
from .. import queries
from ..rules import ConsentChange, report_of
from ..schemas import ConsentCreate
from .set import set_consents


async def report_consent(session: AsyncSession, who: Principal, wish: ConsentCreate) -> dict[str, Any]:
    """Record what a customer said; answers the line of the ledger, and whether it is what counts now.

    Errors: InvalidRequest, PurposeUnknown, CustomerUnknown.
    """
    report = report_of(wish, now())
    connection = await driver(session)
    customer_id = await _customer_meant(connection, wish)
    change = change_of(wish, customer_id, report.occurred_at)
    [outcome] = await set_consents(session, [change], by=who.client_id)
    row = await connection.fetchrow(
        queries.LINE.sql, *queries.LINE.arguments({"customer_id": customer_id, "id": outcome.id})
    )
    return {**row, "result": outcome.result}


def change_of(wish: ConsentCreate, customer_id: UUID, occurred_at: datetime) -> ConsentChange:
    """Answer a report whose customer is found."""
    return ConsentChange(customer_id, wish.channel, wish.purpose, wish.state, occurred_at, wish.source, wish.wording)


async def _customer_meant(connection: asyncpg.Connection, wish: ConsentCreate) -> UUID:
    name = named(wish)
    if isinstance(name, UUID):
        return name
    found = (await find_by_external_id(connection, [name])).get(name)
    if found is None:
        raise unknown(name)
    return found
