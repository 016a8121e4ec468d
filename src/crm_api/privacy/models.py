"""Tables of consent: the purposes there are, the state now, the ledger behind it, and addresses that are left alone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..customers.models import Customer

COMPARED = Text(collation="C")
"""Text that is compared by its bytes and nothing else."""


class Purpose(Base):
    """What customers are contacted for: a reference table. A purpose is never deleted, since consents rest on it."""

    __tablename__ = "purpose"

    name: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    label: Mapped[str]
    needs_consent: Mapped[bool]
    """Whether silence means no; of a purpose that needs none, only a withdrawal does."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class Consent(Base):
    """What counts now: the newest report of a customer, channel and purpose. No row: there was no answer."""

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint("state IN ('granted', 'withdrawn')", name="state"),
        Index("ix_consent_purpose_channel_state_customer_id", "purpose", "channel", "state", "customer_id"),
        {"info": {"on_erase": "delete"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    channel: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    purpose: Mapped[str] = mapped_column(COMPARED, ForeignKey(Purpose.name), primary_key=True)
    state: Mapped[str] = mapped_column(COMPARED)
    since: Mapped[datetime]
    event_id: Mapped[UUID]


class ConsentEvent(Base):
    """The ledger: every report of a grant or a withdrawal, append-only. It is the proof, and outlives an erasure.

    The id is derived from what was reported, so that a repeat is a conflict of the primary key.
    """

    __tablename__ = "consent_event"
    __table_args__ = (
        CheckConstraint("state IN ('granted', 'withdrawn')", name="state"),
        {"info": {"on_erase": "keep"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(COMPARED)
    purpose: Mapped[str] = mapped_column(COMPARED)
    state: Mapped[str] = mapped_column(COMPARED)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    source: Mapped[str] = mapped_column(COMPARED)
    wording: Mapped[str | None]


class Suppression(Base):
    """An address that is left alone, whoever has it: `email:ann@example.com`, as contact_point_key has it."""

    __tablename__ = "suppression"
    __table_args__ = (CheckConstraint("reason IN ('bounced', 'complained', 'manual')", name="reason"),)

    key: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    reason: Mapped[str]
    detail: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
