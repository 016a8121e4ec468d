"""Declare: purposes are added and described anew; none is ever deleted, since consents rest on them."""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.db import driver
from ...core.trail import emit, record
from .. import queries
from ..purpose_schemas import PurposeWish

_ADD: Final = """
INSERT INTO purpose (name, label, needs_consent, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING name, label, needs_consent, created_at, created_by
"""
_CHANGE: Final = "UPDATE purpose SET label = $2, needs_consent = $3 WHERE name = $1"


async def put_purpose(session: AsyncSession, who: Principal, name: str, wish: PurposeWish) -> dict[str, Any]:
    """Declare a purpose, or describe the one there is anew; `result` says which."""
    connection = await driver(session)
    wanted = {"label": wish.label, "needs_consent": wish.needs_consent}
    made = await connection.fetchrow(_ADD, name, wish.label, wish.needs_consent, now(), who.client_id)
    if made is not None:
        record(session, who.client_id, "purpose.declared", ("purpose", name), changes=wanted)
        emit(session, "purpose.declared", {"name": name, **wanted})
        return {**made, "result": "created"}
    found = await connection.fetchrow(f"{queries.ONE_PURPOSE.sql} FOR UPDATE", name)
    changed = {key: {"from": found[key], "to": value} for key, value in wanted.items() if found[key] != value}
    if not changed:
        return {**found, "result": "unchanged"}
    await connection.execute(_CHANGE, name, wish.label, wish.needs_consent)
    record(session, who.client_id, "purpose.changed", ("purpose", name), changes=changed)
    emit(session, "purpose.changed", {"name": name, **wanted})
    return {**found, **wanted, "result": "updated"}
