"""What happened, twice told: the audit says who did it, the outbox tells whoever listens. Both share the change's
transaction.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import BigInteger, Index, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from .clock import now
from .db import Base
from .ids import new_id


class AuditEntry(Base):
    """Who changed what, when, by which request. Append-only."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_resource", "resource_type", "resource_id", "id"),
        Index("ix_audit_entry_customer_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
        {"info": {"on_erase": "anonymize"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    customer_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    changes: Mapped[dict[str, Any]]


class OutboxEvent(Base):
    """An event on its way out. `position` is given by one relay after commit, since sequences are not in commit
    order.
    """

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_unplaced", "id", postgresql_where=text("position IS NULL")),
        Index("ix_outbox_event_position", "position", unique=True, postgresql_where=text("position IS NOT NULL")),
        {"info": {"on_erase": "anonymize"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    customer_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    position: Mapped[int | None] = mapped_column(BigInteger)


def record(
    session: AsyncSession,
    actor: str,
    action: str,
    resource: tuple[str, UUID | str],
    *,
    customer_id: UUID | None = None,
    changes: dict[str, Any] | None = None,
) -> None:
    """Write the audit row of a change, for example `record(session, who.client_id, "customer.registered", ("customer",
    id))`.
    """
    kind, name = resource
    session.add(
        AuditEntry(
            id=new_id(),
            occurred_at=now(),
            actor=actor,
            action=action,
            resource_type=kind,
            resource_id=str(name),
            customer_id=customer_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            changes=changes or {},
        )
    )


def emit(session: AsyncSession, event_type: str, data: dict[str, Any], *, customer_id: UUID | None = None) -> None:
    """Put an event into the outbox, for example `emit(session, "customer.registered", {"id": str(id)},
    customer_id=id)`.
    """
    session.add(
        OutboxEvent(id=new_id(), type=event_type, customer_id=customer_id, data=data, occurred_at=now(), position=None)
    )
