"""Tables of the timeline. Touchpoints are append-only; a repeat is a conflict of the primary key."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base
from ..customers.models import Customer

COMPARED = Text(collation="C")
"""Text that is compared by its bytes and nothing else."""


class Touchpoint(Base):
    """Something that happened, in event time (`occurred_at`) and receive time (`recorded_at`).

    With a source id the id is derived from source and source id; `content_hash` tells a repeat from a conflict.
    """

    __tablename__ = "touchpoint"
    __table_args__ = (
        CheckConstraint("direction IN ('inbound', 'outbound')", name="direction"),
        CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="amount"),
        CheckConstraint("(cost_minor IS NULL) = (cost_currency IS NULL)", name="cost"),
        CheckConstraint("source_id IS NULL OR source IS NOT NULL", name="source"),
        Index("ix_touchpoint_timeline", "customer_id", text("occurred_at DESC"), "id"),
        Index("ix_touchpoint_recorded_at", "recorded_at", postgresql_using="brin"),
        {"info": {"on_erase": "anonymize"}},
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(COMPARED)
    channel: Mapped[str | None] = mapped_column(COMPARED)
    direction: Mapped[str | None] = mapped_column(COMPARED)
    department: Mapped[str | None] = mapped_column(COMPARED)
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    source: Mapped[str | None] = mapped_column(COMPARED)
    source_id: Mapped[str | None] = mapped_column(COMPARED)
    recorded_by: Mapped[str]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(COMPARED)
    cost_minor: Mapped[int | None] = mapped_column(BigInteger)
    cost_currency: Mapped[str | None] = mapped_column(COMPARED)
    campaign: Mapped[str | None] = mapped_column(COMPARED)
    subject: Mapped[str | None]
    properties: Mapped[dict[str, Any]]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)


class OrderItem(Base):
    """A line of an order. The product is named by its SKU, known or not; amounts are in the order's currency."""

    __tablename__ = "order_item"
    __table_args__ = (
        ForeignKeyConstraint(["customer_id", "touchpoint_id"], [Touchpoint.customer_id, Touchpoint.id]),
        {"info": {"on_erase": "anonymize"}},
    )

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    touchpoint_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_number: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    sku: Mapped[str] = mapped_column(COMPARED)
    quantity: Mapped[Decimal] = mapped_column(Numeric(14, 3))
    paid_minor: Mapped[int] = mapped_column(BigInteger)
    list_minor: Mapped[int] = mapped_column(BigInteger)


class Product(Base):
    """Something the business sells: a reference table, known to every node."""

    __tablename__ = "product"
    __table_args__ = (
        Index("uq_product_sku", "sku", unique=True),
        Index("ix_product_category", "department", "category", "product_type"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(COMPARED)
    name: Mapped[str]
    brand: Mapped[str | None] = mapped_column(COMPARED)
    department: Mapped[str | None] = mapped_column(COMPARED)
    category: Mapped[str | None] = mapped_column(COMPARED)
    product_type: Mapped[str | None] = mapped_column(COMPARED)
    size: Mapped[str | None]
    properties: Mapped[dict[str, Any]]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CustomerDay(Base):
    """Daily facts: a customer's trade on one local date of the business; recomputed, never counted up."""

    __tablename__ = "customer_day"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    business_date: Mapped[date] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    order_count: Mapped[int]
    line_count: Mapped[int]
    net_minor: Mapped[int] = mapped_column(BigInteger)
    list_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)


class CustomerDayDirty(Base):
    """A day whose facts are to be recomputed; written by whoever changes the timeline, in the same transaction."""

    __tablename__ = "customer_day_dirty"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(primary_key=True)
