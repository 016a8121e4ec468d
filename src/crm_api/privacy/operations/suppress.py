"""Suppress: addresses that are left alone, whoever has them, and lifting that again."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.db import driver
from ...core.trail import emit, record
from ...customers.operations.keys import CONTACT_POINTS
from .. import queries
from ..problems import SuppressionNotFound
from ..suppression_schemas import Reason

_ADD: Final = """
INSERT INTO suppression (key, reason, detail, created_at, created_by)
SELECT came.key, $2, $3, $4, $5 FROM unnest($1::text[]) AS came (key)
ON CONFLICT DO NOTHING RETURNING key
"""
_REPLACE: Final = """
UPDATE suppression SET reason = $2, detail = $3, created_at = $4, created_by = $5 WHERE key = $1
"""
_HOLD: Final = "SELECT reason, detail FROM suppression WHERE key = $1 FOR UPDATE"
_LIFT: Final = "DELETE FROM suppression WHERE key = $1 RETURNING reason, detail, created_at, created_by"


async def suppress(
    session: AsyncSession, keys: Sequence[str], reason: Reason, detail: str | None, *, by: str
) -> list[str]:
    """Leave addresses alone from now on, inside a transaction; answers the keys that were not suppressed yet.

    Keys are those of `contact_point_key`: `email:ann@example.com`. Who was suppressed before stays so for the first
    reason.
    """
    connection = await driver(session)
    at = now()
    rows = await connection.fetch(_ADD, sorted(set(keys)), reason, detail, at, by)
    added = [row["key"] for row in rows]
    await _tell(session, connection, "suppression.added", added, {"reason": reason, "detail": detail}, by)
    return added


async def put_suppression(session: AsyncSession, who: Principal, key: str, detail: str | None) -> dict[str, Any]:
    """Leave an address alone because somebody decided so; `result` says what that changed."""
    connection = await driver(session)
    wanted = {"reason": "manual", "detail": detail}
    while not await suppress(session, [key], "manual", detail, by=who.client_id):
        held = await connection.fetchrow(_HOLD, key)
        if held is None:
            continue  # it was lifted a moment ago
        if dict(held) == wanted:
            return await _read(connection, key, "unchanged")
        await connection.execute(_REPLACE, key, "manual", detail, now(), who.client_id)
        await _tell(session, connection, "suppression.changed", [key], {**wanted, "was": dict(held)}, who.client_id)
        return await _read(connection, key, "updated")
    return await _read(connection, key, "created")


async def _read(connection: asyncpg.Connection, key: str, result: str) -> dict[str, Any]:
    statement = queries.ONE_SUPPRESSION
    row = await connection.fetchrow(statement.sql, *statement.arguments({"key": key}))
    return {**row, "result": result}


async def lift_suppression(session: AsyncSession, who: Principal, key: str, why: str) -> None:
    """Let an address be written to again. Errors: SuppressionNotFound."""
    connection = await driver(session)
    gone = await connection.fetchrow(_LIFT, key)
    if gone is None:
        raise SuppressionNotFound(f"{key.partition(':')[2]} is not suppressed")
    await _tell(session, connection, "suppression.lifted", [key], {"why": why, "was": dict(gone)}, who.client_id)


async def _tell(
    session: AsyncSession,
    connection: asyncpg.Connection,
    what: str,
    keys: Sequence[str],
    changes: dict[str, Any],
    by: str,
) -> None:
    """Leave the trail under the customers whose addresses they are, so that an erasure finds it; the event is for many
    eyes and holds no address.
    """
    owners = await CONTACT_POINTS.owners(connection, keys) if keys else {}
    for key in keys:
        owner = owners.get(key)
        record(session, by, what, ("suppression", key), customer_id=owner, changes=changes)
        reason = changes.get("reason") or changes["was"]["reason"]
        emit(session, what, {"kind": key.partition(":")[0], "reason": reason}, customer_id=owner)
