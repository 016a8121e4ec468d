"""Households: formed, joined, left and dissolved; a customer is in one at most."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from pydantic import MISSING
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.changes import HOUSEHOLD, mark
from ...core.clock import now
from ...core.db import driver
from ...core.etags import check_version
from ...core.ids import new_id
from ...core.problems import InvalidRequest, finding
from ...core.trail import emit, record
from .. import household_queries as queries
from ..household_schemas import MOST_MEMBERS, HouseholdCreate, HouseholdPatch
from ..problems import CustomerNotFound, HouseholdFull, HouseholdNotFound, InAnotherHousehold, NoMember
from .known import known_customers

Document = dict[str, Any]
_FORM: Final = "INSERT INTO household (id, name, version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3)"
_LOCK: Final = "SELECT FROM household WHERE id = $1 FOR UPDATE"
_CHANGE: Final = "UPDATE household SET name = $2, version = $3, updated_at = $4 WHERE id = $1"
_DISSOLVE: Final = "DELETE FROM household WHERE id = $1"
# In order of the key, so that two who form households of the same people cannot wait for each other in a circle.
_JOIN: Final = """
INSERT INTO household_member (customer_id, household_id, joined_at)
SELECT c.customer_id, $2::uuid, $3::timestamptz FROM customer c
WHERE c.customer_id = ANY($1::uuid[]) ORDER BY c.customer_id
ON CONFLICT (customer_id) DO NOTHING RETURNING customer_id
"""
_WHERE_THEY_ARE: Final = "SELECT customer_id, household_id FROM household_member WHERE customer_id = ANY($1::uuid[])"
_LEAVE: Final = "DELETE FROM household_member WHERE household_id = $1 AND customer_id = ANY($2::uuid[])"


async def form(session: AsyncSession, who: Principal, wish: HouseholdCreate) -> Document:
    """Form a household. Errors: InvalidRequest (unknown members), InAnotherHousehold."""
    connection = await driver(session)
    household_id = new_id()
    await connection.execute(_FORM, household_id, wish.name, now())
    record(session, who.client_id, "household.formed", ("household", household_id))
    emit(session, "household.formed", {"id": str(household_id), "version": 1})
    if unknown := await _join(connection, household_id, wish.members):
        errors = [
            finding(f"/members/{wish.members.index(each)}", "customer-not-found", f"No customer has the id {each}")
            for each in unknown
        ]
        raise InvalidRequest(errors[0]["detail"], errors=errors)
    for customer_id in wish.members:
        _tell(session, who, "joined", household_id, customer_id, 1)
    mark(session, HOUSEHOLD, wish.members)
    return await _read(connection, household_id)


async def rename(
    session: AsyncSession, who: Principal, household_id: UUID, wish: HouseholdPatch, if_match: str | None
) -> Document:
    """Give a household another name, or none. Errors: HouseholdNotFound, VersionMismatch."""
    connection = await driver(session)
    before = await _hold(connection, household_id, if_match)
    if wish.name is MISSING or wish.name == before["name"]:
        return before
    version = await _raise_version(connection, household_id, before, wish.name)
    told = {"version": version, "changed": ["name"]}
    record(session, who.client_id, "household.changed", ("household", household_id), changes=told)
    emit(session, "household.changed", {"id": str(household_id), **told})
    return await _read(connection, household_id)


async def dissolve(session: AsyncSession, who: Principal, household_id: UUID, if_match: str | None) -> None:
    """Let all members go, and the household be no more. Errors: HouseholdNotFound, VersionMismatch."""
    connection = await driver(session)
    before = await _hold(connection, household_id, if_match)
    members = await _members(connection, household_id)
    await connection.execute(_LEAVE, household_id, members)
    await connection.execute(_DISSOLVE, household_id)
    for customer_id in members:
        _tell(session, who, "left", household_id, customer_id, before["version"])
    record(session, who.client_id, "household.dissolved", ("household", household_id))
    emit(session, "household.dissolved", {"id": str(household_id), "version": before["version"]})
    mark(session, HOUSEHOLD, members)


async def join(session: AsyncSession, who: Principal, household_id: UUID, customer_id: UUID) -> Document:
    """Let a customer join; who is in already stays.

    Errors: HouseholdNotFound, CustomerNotFound, InAnotherHousehold, HouseholdFull.
    """
    connection = await driver(session)
    before = await _hold(connection, household_id)
    members = await _members(connection, household_id)
    if customer_id in members:
        return before
    if len(members) >= MOST_MEMBERS:
        raise HouseholdFull(f"A household has at most {MOST_MEMBERS} members")
    if await _join(connection, household_id, [customer_id]):
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    version = await _raise_version(connection, household_id, before, before["name"])
    _tell(session, who, "joined", household_id, customer_id, version)
    mark(session, HOUSEHOLD, [*members, customer_id])
    return await _read(connection, household_id)


async def leave(session: AsyncSession, who: Principal, household_id: UUID, customer_id: UUID) -> None:
    """Let a customer leave. Errors: HouseholdNotFound, NoMember."""
    connection = await driver(session)
    before = await _hold(connection, household_id)
    members = await _members(connection, household_id)
    if customer_id not in members:
        raise NoMember(f"Customer {customer_id} is not in the household")
    await connection.execute(_LEAVE, household_id, [customer_id])
    version = await _raise_version(connection, household_id, before, before["name"])
    _tell(session, who, "left", household_id, customer_id, version)
    mark(session, HOUSEHOLD, members)


async def _join(connection: asyncpg.Connection, household_id: UUID, wished: Sequence[UUID]) -> list[UUID]:
    """Let customers join; answers those of them there are not. Errors: InAnotherHousehold."""
    missing = list(wished)
    while missing:
        joined = {row[0] for row in await connection.fetch(_JOIN, missing, household_id, now())}
        missing = [each for each in missing if each not in joined]
        elsewhere = dict(await connection.fetch(_WHERE_THEY_ARE, missing))
        for customer_id, other in elsewhere.items():
            detail = f"Customer {customer_id} is in household {other}"
            raise InAnotherHousehold(detail, customer_id=str(customer_id), existing_id=str(other))
        known = await known_customers(connection, missing)
        if not known:
            return missing
        missing = known  # they left another household a moment ago
    return []


async def _hold(connection: asyncpg.Connection, household_id: UUID, if_match: str | None = None) -> Document:
    """Read a household that nobody else changes until the end. Errors: HouseholdNotFound, VersionMismatch."""
    await connection.execute(_LOCK, household_id)
    found = await _read(connection, household_id)
    check_version(if_match, found["version"], found)
    return found


async def _read(connection: asyncpg.Connection, household_id: UUID) -> Document:
    row = await connection.fetchrow(queries.BY_ID.sql, *queries.BY_ID.arguments({"id": household_id}))
    if row is None:
        raise HouseholdNotFound(f"No household has the id {household_id}")
    return queries.document(row)


async def _members(connection: asyncpg.Connection, household_id: UUID) -> list[UUID]:
    statement = "SELECT customer_id FROM household_member WHERE household_id = $1 ORDER BY customer_id"
    return [row[0] for row in await connection.fetch(statement, household_id)]


async def _raise_version(connection: asyncpg.Connection, household_id: UUID, before: Document, name: str | None) -> int:
    version: int = before["version"] + 1
    await connection.execute(_CHANGE, household_id, name, version, now())
    return version


def _tell(
    session: AsyncSession, who: Principal, what: str, household_id: UUID, customer_id: UUID, version: int
) -> None:
    """Write the audit row and the event of one who joined or left."""
    action, told = f"household.{what}", {"customer_id": str(customer_id), "version": version}
    record(session, who.client_id, action, ("household", household_id), customer_id=customer_id, changes=told)
    emit(session, action, {"id": str(household_id), **told}, customer_id=customer_id)
