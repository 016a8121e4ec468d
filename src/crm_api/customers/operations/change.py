"""Changing a customer: read, judge, write its next version; whoever was faster makes it start again."""

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.changes import CUSTOMER, PRESENCE, mark
from ...core.clock import now
from ...core.db import driver
from ...core.etags import check_version
from ...core.trail import emit, record
from .. import queries, rules
from ..problems import CustomerNotFound
from ..rules import Document
from ..schemas import CustomerFields
from . import keys, store
from .ground import Grounds
from .register import identified
from .rows import loaded

_LOCK = "SELECT FROM customer WHERE customer_id = $1 FOR UPDATE"


async def change(
    session: AsyncSession,
    who: Principal,
    customer_id: UUID,
    wish: CustomerFields,
    grounds: Grounds,
    *,
    if_match: str | None = None,
    adding: bool = False,
) -> tuple[Document, list[str]]:
    """Make of a customer what a wish says; answer it, and the names of the fields that changed.

    Nothing is written when nothing differs. Errors: CustomerNotFound, VersionMismatch, InvalidRequest,
    ExternalIdTaken, ContactPointTaken.
    """
    connection = await driver(session)
    for is_locked in (False, True):
        before = await read(connection, customer_id, locking=is_locked)
        check_version(if_match, before["version"], before)
        after = identified(await grounds.merged(session, before, wish, adding=adding))
        names = rules.changed(before, after)
        if not names:
            break
        after = next_version(after)
        await keys.claim_new(connection, before, after, wish, grounds.settings.phone_region)
        if await store.write(connection, [store.Change(before, after)], grounds.fields.known):
            await keys.release_old(connection, before, after)
            tell_changed(session, who.client_id, "customer.changed", after, names)
            return after, names
    return before, []


async def archive(
    session: AsyncSession, who: Principal, customer_id: UUID, grounds: Grounds, if_match: str | None
) -> Document:
    """Leave a customer out of lists and audiences; everything about it is kept. Once archived, nothing happens.

    Errors: CustomerNotFound, VersionMismatch.
    """
    return await _set_archived(session, who, customer_id, grounds, if_match, is_archived=True)


async def restore(
    session: AsyncSession, who: Principal, customer_id: UUID, grounds: Grounds, if_match: str | None
) -> Document:
    """Take a customer back from the archive. Errors: CustomerNotFound, VersionMismatch."""
    return await _set_archived(session, who, customer_id, grounds, if_match, is_archived=False)


async def _set_archived(
    session: AsyncSession,
    who: Principal,
    customer_id: UUID,
    grounds: Grounds,
    if_match: str | None,
    *,
    is_archived: bool,
) -> Document:
    connection = await driver(session)
    before = await read(connection, customer_id, locking=True)
    check_version(if_match, before["version"], before)
    after = put_away(before) if is_archived else taken_back(before)
    if after is before:
        return before
    declared = await grounds.fields.covering(session, before["custom_fields"])
    await store.write(connection, [store.Change(before, after)], declared)
    action = "customer.archived" if is_archived else "customer.restored"
    tell_changed(session, who.client_id, action, after, ["archived_at"])
    return after


async def read(connection: asyncpg.Connection, customer_id: UUID, *, locking: bool = False) -> Document:
    """Read a customer inside a transaction. Errors: CustomerNotFound."""
    if locking:
        await connection.execute(_LOCK, customer_id)
    row = await connection.fetchrow(queries.BY_ID.sql, customer_id)
    if row is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    return loaded(row)


def next_version(document: Document) -> Document:
    """Answer the document as its next version."""
    return {**document, "version": document["version"] + 1, "updated_at": now()}


def put_away(before: Document) -> Document:
    """Answer the next version of a customer, archived; the same document when it is."""
    if before["archived_at"] is not None:
        return before
    after = next_version(before)
    return {**after, "archived_at": after["updated_at"]}


def taken_back(before: Document) -> Document:
    """Answer the next version of a customer, out of the archive; the same document when it is in none."""
    return before if before["archived_at"] is None else {**next_version(before), "archived_at": None}


def tell_changed(
    session: AsyncSession, by: str, action: str, after: Document, names: list[str], *, job_id: UUID | None = None
) -> None:
    """Write the audit row, the event and the mark of a change; they name the fields and hold no personal data. The
    audit also says by which job it was changed.
    """
    customer_id: Any = after["id"]
    told = {"version": after["version"], "changed": names}
    known = told if job_id is None else {**told, "job": str(job_id)}
    record(session, by, action, ("customer", customer_id), customer_id=customer_id, changes=known)
    emit(session, action, {"id": str(customer_id), **told}, customer_id=customer_id)
    mark(session, PRESENCE if names == ["archived_at"] else CUSTOMER, [customer_id])
