"""Tables of advertising: the audiences, their exports, and which hashes a destination was told.

No row names a customer. A hash is told or taken back whoever had the address, so that it can still be taken back when
the customer was erased.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..privacy.models import COMPARED, Purpose
from ..segments.models import Segment


class AdvertisingAudience(Base):
    """The members of a segment at a destination. What it hands over is fixed; another wish is another audience."""

    __tablename__ = "advertising_audience"
    __table_args__ = (
        CheckConstraint("phone_form IN ('digits', 'e164')", name="phone_form"),
        Index("ix_advertising_audience_segment_id", "segment_id", "id"),
        Index("ix_advertising_audience_purpose", "purpose"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    segment_id: Mapped[UUID] = mapped_column(ForeignKey(Segment.id))
    destination: Mapped[str]
    purpose: Mapped[str] = mapped_column(COMPARED, ForeignKey(Purpose.name))
    identifiers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    phone_form: Mapped[str]
    last_export: Mapped[int]
    acknowledged_export: Mapped[int]
    """What the destination has: the hashes of this export; 0 before the first one."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    ended_at: Mapped[datetime | None]


class AdvertisingExport(Base):
    """What is to be added and removed at a destination since the last export that was acknowledged."""

    __tablename__ = "advertising_export"
    __table_args__ = (
        CheckConstraint("status IN ('running', 'ready', 'acknowledged', 'replaced', 'failed')", name="status"),
    )

    audience_id: Mapped[UUID] = mapped_column(ForeignKey(AdvertisingAudience.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    job_id: Mapped[UUID]
    addition_count: Mapped[int | None] = mapped_column(BigInteger)
    removal_count: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    ready_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    """When it was first read: from then on the destination may know what it adds, acknowledged or not."""
    acknowledged_at: Mapped[datetime | None]


class AdvertisingIdentifier(Base):
    """A hash of an audience, from the export that first told it up to the last one that found it wanted.

    Of an export, rows that it found and that are younger than what was acknowledged are additions, rows that it did
    not find are removals; these go when it is acknowledged. Nothing is deleted at an erasure: the hash is not wanted
    then, and stays until the destination was told so.
    """

    __tablename__ = "advertising_identifier"
    __table_args__ = ({"info": {"on_erase": "keep"}},)

    audience_id: Mapped[UUID] = mapped_column(primary_key=True)
    """An audience; without a foreign key, since audiences are never deleted and the check costs every row."""
    kind: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    added_export: Mapped[int]
    seen_export: Mapped[int]
    missed_export: Mapped[int]
    """The last export that was read and did not find it, before it was found again; 0 when there was none."""
