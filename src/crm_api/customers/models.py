"""Tables of customers: what belongs to one is keyed by it first, what is unique among all lies in lookup tables."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ..core.db import Base

COMPARED = Text(collation="C")
"""Text normalized by the application; the database compares its bytes and nothing else."""


class Customer(Base):
    """A person or an organization. `version` covers its contact points, identifiers, addresses, custom fields and tags.

    `*_normalized`, `country`, `custom_normalized`, `latitude` and `longitude` are what audiences compare: names and
    custom text as core.text.normalized leaves them, and the place of the first address.
    """

    __tablename__ = "customer"
    __table_args__ = (
        CheckConstraint("kind IN ('person', 'organization')", name="kind"),
        CheckConstraint(
            "kind = 'person' OR (given_name IS NULL AND family_name IS NULL AND birth_date IS NULL)",
            name="organization_is_no_person",
        ),
        Index("ix_customer_created_at_customer_id", "created_at", "customer_id"),
        Index("ix_customer_display_name_normalized_customer_id", "display_name_normalized", "customer_id"),
        Index("ix_customer_archived", "customer_id", postgresql_where=text("archived_at IS NOT NULL")),
        Index("ix_customer_place", "latitude", "longitude", postgresql_where=text("latitude IS NOT NULL")),
        Index("ix_customer_tags_normalized", "tags_normalized", postgresql_using="gin"),
        {"info": {"on_erase": "anonymize"}},
    )

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    display_name: Mapped[str]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    organization_name: Mapped[str | None]
    birth_date: Mapped[date | None]
    language: Mapped[str | None] = mapped_column(COMPARED)
    time_zone: Mapped[str | None] = mapped_column(COMPARED)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    custom_fields: Mapped[dict[str, Any]]
    display_name_normalized: Mapped[str] = mapped_column(COMPARED)
    given_name_normalized: Mapped[str | None] = mapped_column(COMPARED)
    family_name_normalized: Mapped[str | None] = mapped_column(COMPARED)
    organization_name_normalized: Mapped[str | None] = mapped_column(COMPARED)
    tags_normalized: Mapped[list[str]] = mapped_column(ARRAY(COMPARED))
    custom_normalized: Mapped[dict[str, Any]]
    country: Mapped[str | None] = mapped_column(COMPARED)
    region_normalized: Mapped[str | None] = mapped_column(COMPARED)
    city_normalized: Mapped[str | None] = mapped_column(COMPARED)
    postal_code_normalized: Mapped[str | None] = mapped_column(COMPARED)
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class ContactPoint(Base):
    """An e-mail address or telephone number, as given and in its compared form."""

    __tablename__ = "contact_point"
    __table_args__ = (CheckConstraint("kind IN ('email', 'phone')", name="kind"), {"info": {"on_erase": "delete"}})

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    value: Mapped[str]
    normalized: Mapped[str] = mapped_column(COMPARED)
    label: Mapped[str | None]
    is_primary: Mapped[bool]


class ContactPointKey(Base):
    """Whose a contact point is: `email:ann@example.com`, `phone:+12025550123`. It belongs to one customer at a time."""

    __tablename__ = "contact_point_key"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    key: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    customer_id: Mapped[UUID]


class ExternalId(Base):
    """The name by which another system knows a customer."""

    __tablename__ = "external_id"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    system: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    external_id: Mapped[str] = mapped_column(COMPARED, primary_key=True)


class ExternalIdKey(Base):
    """Whom another system means: `shop/4711`. Kept at erasure: an old import must not make the customer anew."""

    __tablename__ = "external_id_key"
    __table_args__ = ({"info": {"on_erase": "keep"}},)

    key: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    customer_id: Mapped[UUID]


class Address(Base):
    """A postal address; position 0 is the main one."""

    __tablename__ = "address"
    __table_args__ = ({"info": {"on_erase": "delete"}},)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.customer_id), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None]
    lines: Mapped[list[str]] = mapped_column(ARRAY(Text))
    postal_code: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    country: Mapped[str | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]


class Household(Base):
    """People who live together, or whatever else is one to the business. `version` covers its members."""

    __tablename__ = "household"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class HouseholdMember(Base):
    """A customer is in a household, and in no other.

    Two ids and a time for each, whole on every node, since members are looked for from one another: so without foreign
    keys.
    """

    __tablename__ = "household_member"
    __table_args__ = (
        Index("ix_household_member_household_id", "household_id", "customer_id"),
        {"info": {"on_erase": "delete"}},
    )

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    household_id: Mapped[UUID]
    joined_at: Mapped[datetime]


class CustomFieldDeclaration(Base):
    """A field the business added to its customers. Its key and type stay for good; values rest on them."""

    __tablename__ = "custom_field_declaration"
    __table_args__ = (
        CheckConstraint("type IN ('text', 'integer', 'number', 'boolean', 'date', 'choice')", name="type"),
        CheckConstraint("(type = 'choice') = (choices IS NOT NULL)", name="choices"),
    )

    key: Mapped[str] = mapped_column(COMPARED, primary_key=True)
    type: Mapped[str]
    label: Mapped[str]
    choices: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
