"""Tables of offers and of the decisions made with them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..customers.models import Customer

ORDERED = Text(collation="C")
"""Text that pages and rankings are ordered by, the same way in the database and in Python."""


class Offer(Base):
    """Something to be offered: until when, to whom, how urgently, in which words."""

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'live', 'retired')", name="status"),
        CheckConstraint("valid_from < valid_until", name="window"),
        CheckConstraint("(margin_minor IS NULL) = (margin_currency IS NULL)", name="margin"),
        Index("uq_offer_code", "code", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ORDERED)
    name: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str]
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    priority: Mapped[int]
    margin_minor: Mapped[int | None] = mapped_column(BigInteger)
    margin_currency: Mapped[str | None]
    eligibility: Mapped[dict[str, Any] | None]
    language_version: Mapped[int]
    """The version of the audience language that `eligibility` is written in."""
    channels: Mapped[dict[str, Any]]
    campaign: Mapped[str | None]
    product_count: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OfferProduct(Base):
    """A product that an offer covers, by its number; the product itself need not be registered."""

    __tablename__ = "offer_product"

    offer_id: Mapped[UUID] = mapped_column(ForeignKey(Offer.id), primary_key=True)
    sku: Mapped[str] = mapped_column(ORDERED, primary_key=True)


class OfferEdition(Base):
    """One row, which every change of an offer marks anew as the last act of its transaction.

    Processes that keep offers in memory compare the mark with theirs. The newest `updated_at` would not do: times are
    not in commit order, and a change that commits late would be missed.
    """

    __tablename__ = "offer_edition"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mark: Mapped[UUID]


class Decision(Base):
    """What was decided for a customer, as it was answered."""

    __tablename__ = "decision"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]
    decided_at: Mapped[datetime]
    decided_by: Mapped[str]
    valid_until: Mapped[datetime]
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Kept as text, since it is only ever answered."""
