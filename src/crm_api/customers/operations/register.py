"""Registering a customer."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.changes import PRESENCE, mark
from ...core.clock import now
from ...core.db import driver
from ...core.ids import new_id
from ...core.trail import emit, record
from ..rules import Document, nobody
from ..schemas import CustomerFields
from . import keys, store
from .ground import Grounds


async def register(session: AsyncSession, who: Principal, wish: CustomerFields, grounds: Grounds) -> Document:
    """Register a customer. Errors: InvalidRequest, ExternalIdTaken, ContactPointTaken."""
    document = newborn(await grounds.merged(session, nobody(), wish))
    connection = await driver(session)
    await keys.claim_new(connection, nobody(), document, wish, grounds.settings.phone_region)
    await store.write(connection, [store.Change(None, document)], grounds.fields.known)
    tell_registered(session, who, document["id"])
    return document


def newborn(merged: Document) -> Document:
    """Give a new customer its id, its version and its times."""
    at = now()
    return identified({"id": new_id(), **merged, "version": 1, "created_at": at, "updated_at": at, "archived_at": None})


def identified(document: Document) -> Document:
    """Give new contact points their ids; they stand in order of their ids, the oldest first."""
    points = [point if point["id"] else {**point, "id": str(new_id())} for point in document["contact_points"]]
    return {**document, "contact_points": sorted(points, key=lambda point: str(point["id"]))}


def tell_registered(session: AsyncSession, who: Principal, customer_id: UUID) -> None:
    """Write the audit row, the event and the mark of a new customer."""
    record(session, who.client_id, "customer.registered", ("customer", customer_id), customer_id=customer_id)
    emit(session, "customer.registered", {"id": str(customer_id), "version": 1}, customer_id=customer_id)
    mark(session, PRESENCE, [customer_id])
