"""What happened, twice told: the audit says who did it, the outbox tells whoever listens. Both share the change's
transaction.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from .clock import as_text, now
from .closing import Part
from .db import Act, Base, leave
from .ids import new_id

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


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
    order. `sequence_number` is taken with the last statement of the change: of two changes that met, or followed each
    other, it says which was first, whichever process made them and whatever its clock says.
    """

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_unplaced", "sequence_number", "id", postgresql_where=text("position IS NULL")),
        Index("ix_outbox_event_position", "position", unique=True, postgresql_where=text("position IS NOT NULL")),
        {"info": {"on_erase": "anonymize"}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str]
    customer_id: Mapped[UUID | None]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    position: Mapped[int | None] = mapped_column(BigInteger)
    sequence_number: Mapped[int | None] = mapped_column(BigInteger)


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
    entry = {
        "id": new_id(),
        "occurred_at": now(),
        "actor": actor,
        "action": action,
        "resource_type": kind,
        "resource_id": str(name),
        "customer_id": customer_id,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "changes": changes or {},
    }
    _pending(session).entries.append(entry)


def emit(session: AsyncSession, event_type: str, data: dict[str, Any], *, customer_id: UUID | None = None) -> None:
    """Put an event into the outbox: `emit(session, "customer.registered", {"id": str(id)}, customer_id=id)`."""
    event = {
        "id": new_id(),
        "type": event_type,
        "customer_id": customer_id,
        "data": data,
        "occurred_at": now(),
        "position": None,
    }
    _pending(session).events.append(event)


@asynccontextmanager
async def savepoint(session: AsyncSession) -> AsyncIterator[None]:
    """A part of a transaction that is undone by itself when it raises; what it recorded, emitted and would have told
    after the commit goes with it.
    """
    pending = _pending(session)
    told: list[Act] = session.info.setdefault("after_commit", [])
    entry_count, event_count, told_count = len(pending.entries), len(pending.events), len(told)
    try:
        async with session.begin_nested():
            yield
    except BaseException:
        del pending.entries[entry_count:], pending.events[event_count:], told[told_count:]
        raise


@dataclass(frozen=True, slots=True)
class _Pending:
    """What a transaction will have told when it commits; written at its end, in one round trip."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def _pending(session: AsyncSession) -> _Pending:
    pending: _Pending | None = session.info.get("trail")
    if pending is None:
        pending = session.info["trail"] = _Pending()
        leave(session, partial(_parts, pending))
    return pending


def _insertion(model: type[Base], **taken: str) -> str:
    """Write the statement that inserts rows given as one array for each column, but for those that are `taken`."""
    columns = [column for column in model.__table__.columns if column.name not in taken]
    arrays = ", ".join(
        f"${number}::{column.type.compile(dialect=_DIALECT)}[]" for number, column in enumerate(columns, 1)
    )
    names = ", ".join([*(column.name for column in columns), *taken])
    values = ", ".join(["*", *taken.values()])
    return f"INSERT INTO {model.__tablename__} ({names}) SELECT {values} FROM unnest({arrays})"  # noqa: S608  # ours


_ENTRY_COLUMNS: Final = [column.name for column in AuditEntry.__table__.columns]
_SEQUENCE: Final = "sequence_number"
_EVENT_COLUMNS: Final = [column.name for column in OutboxEvent.__table__.columns if column.name != _SEQUENCE]
_ADD_ENTRIES: Final = _insertion(AuditEntry)
_ADD_EVENTS: Final = _insertion(OutboxEvent, **{_SEQUENCE: "nextval('outbox_event_sequence')"})


def _json(told: dict[str, Any]) -> str:
    return orjson.dumps(told, default=as_text, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _parts(pending: _Pending) -> Iterator[Part]:
    for row in pending.entries:
        row["changes"] = _json(row["changes"])
    for row in pending.events:
        row["data"] = _json(row["data"])
    if pending.entries:
        yield Part(_ADD_ENTRIES, [[row[name] for row in pending.entries] for name in _ENTRY_COLUMNS])
    if pending.events:
        yield Part(_ADD_EVENTS, [[row[name] for row in pending.events] for name in _EVENT_COLUMNS])
