"""Tables of segments. A membership is an interval between two builds; the segment says which build is published."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..customers.models import Customer


class Segment(Base):
    """A saved audience. What it means stands in its versions, who is in it in the memberships at `current_build`."""

    __tablename__ = "segment"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'building', 'built')", name="status"),
        CheckConstraint("(current_build = 0) = (built_at IS NULL)", name="built"),
        Index(
            "uq_segment_name_normalized",
            "name_normalized",
            unique=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_normalized: Mapped[str]
    description: Mapped[str | None]
    definition_version: Mapped[int]
    status: Mapped[str]
    current_build: Mapped[int]
    """The published build; 0 before the first one."""
    built_version: Mapped[int | None]
    """The version of the definition that the published build answers."""
    built_at: Mapped[datetime | None]
    member_count: Mapped[int | None] = mapped_column(BigInteger)
    job_id: Mapped[UUID | None]
    changed_at: Mapped[datetime | None]
    """When the members last changed between two builds."""
    checked_at: Mapped[datetime | None]
    """When all members were last compared with what the segment means."""
    drift_count: Mapped[int | None]
    """How many customers that found to be wrong, and mended."""
    due_at: Mapped[datetime | None]
    """When all customers are to be looked at again, because a day has begun; null when dates mean nothing here."""
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class SegmentVersion(Base):
    """What a segment meant from some time on; never changed."""

    __tablename__ = "segment_version"

    segment_id: Mapped[UUID] = mapped_column(ForeignKey(Segment.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    definition_text: Mapped[str]
    language_version: Mapped[int]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Membership(Base):
    """A customer is in a segment from one build up to, without, another.

    Rows of a build that is not published yet are there already and are seen by nobody: visible is what was entered at
    or before the segment's `current_build` and not left at or before it.
    """

    __tablename__ = "membership"
    __table_args__ = (
        CheckConstraint("left_build > entered_build", name="interval"),
        Index("ix_membership_segment_id", "segment_id", "customer_id"),
        {"info": {"on_erase": "delete"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    segment_id: Mapped[UUID] = mapped_column(primary_key=True)
    """A segment; without a foreign key, since segments are never deleted and the check cost a third of every build."""
    entered_build: Mapped[int] = mapped_column(primary_key=True)
    left_build: Mapped[int | None]
    entered_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class SegmentTopic(Base):
    """What a segment depends on: writes of this topic can change who is in it (core.changes)."""

    __tablename__ = "segment_topic"

    segment_id: Mapped[UUID] = mapped_column(ForeignKey(Segment.id), primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)


class StaleMembership(Base):
    """A customer to be looked at again for a segment."""

    __tablename__ = "stale_membership"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    segment_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)


class MembershipDue(Base):
    """When a customer is to be looked at again for a segment, because a window of hours or minutes moves on."""

    __tablename__ = "membership_due"
    __table_args__ = (
        Index("ix_membership_due_due_at", "due_at"),
        {"info": {"on_erase": "delete"}},
    )

    segment_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
