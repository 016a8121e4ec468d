"""Upsert by the id another system has: register the customer, or change the one there is; never two."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.db import driver
from ...core.problems import VersionMismatch
from .. import queries
from ..rules import Document, changed, external_key, nobody
from ..schemas import CustomerFields, ExternalIdInput
from . import keys, store
from .change import change
from .ground import Grounds
from .register import newborn, tell_registered


@dataclass(frozen=True, slots=True)
class Upserted:
    """The customer as it is now, and what was done."""

    document: Document
    result: Literal["created", "updated", "unchanged"]
    changed: list[str]


async def upsert(
    session: AsyncSession,
    who: Principal,
    identifier: ExternalIdInput,
    wish: CustomerFields,
    grounds: Grounds,
    if_match: str | None,
) -> Upserted:
    """Register or change the customer whom another system means.

    Errors: VersionMismatch, InvalidRequest, ExternalIdTaken, ContactPointTaken.
    """
    key = external_key(identifier.system, identifier.external_id)
    known: UUID | None = await (await driver(session)).fetchval(queries.ID_OF_EXTERNAL_KEY.sql, key)
    if known is None:
        if if_match is not None:
            raise VersionMismatch("There is no such customer yet", current=None)
        registered = await _register(session, who, identifier, wish, grounds)
        if isinstance(registered, Upserted):
            return registered
        known = registered
    document, names = await change(session, who, known, wish, grounds, if_match=if_match, adding=True)
    return Upserted(document, "updated" if names else "unchanged", names)


async def _register(
    session: AsyncSession, who: Principal, identifier: ExternalIdInput, wish: CustomerFields, grounds: Grounds
) -> Upserted | UUID:
    """Register the customer, or answer the id of the one that somebody registered a moment ago."""
    start = {**nobody(), "external_ids": [identifier.model_dump()]}
    document = newborn(await grounds.merged(session, start, wish, adding=True))
    key = external_key(identifier.system, identifier.external_id)
    connection = await driver(session)
    if taken := await keys.EXTERNAL_IDS.claim(connection, {key: document["id"]}):
        return taken[key]
    await keys.claim_new(connection, start, document, wish, grounds.settings.phone_region)
    await store.write(connection, [store.Change(None, document)], grounds.fields.known)
    tell_registered(session, who, document["id"])
    return Upserted(document, "created", changed(nobody(), document))
