"""Tables of campaigns and messages: the ledger of who gets what, and the queue of what is still to be handed over."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..customers.models import Customer
from ..segments.models import Segment

COMPARED = Text(collation="C")


class Campaign(Base):
    """One message to many: to whom, in which words, when. What is sent is a copy of the template made at the launch."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'scheduled', 'planning', 'running', 'paused', 'stopping', 'stopped', 'finished')",
            name="status",
        ),
        CheckConstraint("channel IN ('email')", name="channel"),
        CheckConstraint("(audience IS NULL) <> (segment_id IS NULL)", name="recipients"),
        CheckConstraint("launch_zone IN ('business', 'customer')", name="launch_zone"),
        CheckConstraint("(status = 'draft') = (starts_at IS NULL)", name="scheduled"),
        Index("uq_campaign_code", "code", unique=True),
        Index("ix_campaign_purpose", "purpose"),
        Index("ix_campaign_segment_id", "segment_id"),
        Index("ix_campaign_template_id", "template_id"),
        Index("ix_campaign_live", "starts_at", postgresql_where=text("status NOT IN ('draft', 'stopped', 'finished')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(COMPARED)
    """The name touchpoints carry as their `campaign`."""
    name: Mapped[str]
    purpose: Mapped[str] = mapped_column(COMPARED, ForeignKey("purpose.name"))
    channel: Mapped[str]
    audience: Mapped[dict[str, Any] | None]
    language_version: Mapped[int]
    segment_id: Mapped[UUID | None] = mapped_column(ForeignKey(Segment.id))
    template_id: Mapped[UUID] = mapped_column(ForeignKey("template.id"))
    with_offer: Mapped[bool]
    sender_name: Mapped[str]
    sender_address: Mapped[str]
    reply_to: Mapped[str | None]
    unit_cost_minor: Mapped[int | None] = mapped_column(BigInteger)
    unit_cost_currency: Mapped[str | None]
    status: Mapped[str]
    launch_at: Mapped[datetime | None]
    """The local time of the launch, kept as if it were UTC; the zone says whose local time it is."""
    launch_zone: Mapped[str]
    starts_at: Mapped[datetime | None]
    """The instant from which its recipients are planned: that of the first zone there is, if the customers' counts."""
    content: Mapped[dict[str, Any] | None]
    job_id: Mapped[UUID | None]
    planned_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Message(Base):
    """What one customer gets, or does not get, of one campaign; there before anything is handed over.

    Whatever is not `pending` is final and has a reason.
    """

    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'sent', 'bounced', 'failed', 'skipped', 'cancelled', 'unknown')", name="state"
        ),
        CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("state IN ('pending', 'sent') OR reason IS NOT NULL", name="reason"),
        Index("uq_message_occurrence", "customer_id", "campaign_id", "purpose", "occurrence", unique=True),
        Index("ix_message_campaign_id", "campaign_id", "state", "customer_id"),
        {"info": {"on_erase": "anonymize"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey(Campaign.id))
    purpose: Mapped[str] = mapped_column(COMPARED)
    occurrence: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    address: Mapped[str | None] = mapped_column(COMPARED)
    due_at: Mapped[datetime | None]
    decision_id: Mapped[UUID | None]
    gateway: Mapped[str | None]
    answer_code: Mapped[int | None]
    planned_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class MessageDue(Base):
    """The queue: what of the ledger is pending, who has it, and how far the hand-over is. Local to the primary.

    Times are the database's own, since the clocks of those who take part may disagree.
    """

    __tablename__ = "message_due"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'claimed', 'handing_over')", name="state"),
        CheckConstraint("(state = 'waiting') = (lease_id IS NULL)", name="lease"),
        Index(
            "ix_message_due_waiting", "campaign_id", "due_at", "message_id", postgresql_where=text("lease_id IS NULL")
        ),
        Index("ix_message_due_leased", "leased_until", postgresql_where=text("lease_id IS NOT NULL")),
        {"info": {"on_erase": "delete"}},
    )

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID]
    campaign_id: Mapped[UUID]
    due_at: Mapped[datetime]
    state: Mapped[str]
    attempt: Mapped[int]
    """Hand-overs begun so far; a report names the one it is about."""
    lease_id: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]
    gateway: Mapped[str | None]
    can_look_up: Mapped[bool | None]
    """Whether that gateway can say later if it took a message."""


class MailboxReached(Base):
    """Which mailboxes a campaign has claimed: a mailbox that moved from one customer to another is reached once."""

    __tablename__ = "mailbox_reached"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    campaign_id: Mapped[UUID] = mapped_column(primary_key=True)
    occurrence: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    message_id: Mapped[UUID]


class CampaignLink(Base):
    """Where a link in a campaign's messages leads; the message carries its number, so nobody can bend it."""

    __tablename__ = "campaign_link"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey(Campaign.id), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    url: Mapped[str]
