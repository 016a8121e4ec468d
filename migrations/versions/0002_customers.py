"""Customers, how they are reached, their identifiers and addresses, declared custom fields."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import looked_up, owned_by_customer, prepare, reference

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)
COMPARED = sa.Text(collation="C")


def upgrade() -> None:
    prepare(op)
    _create_customer()
    _create_what_belongs_to_customers()
    _create_lookups()
    op.create_table(
        "custom_field_declaration",
        sa.Column("key", COMPARED, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("choices", sa.ARRAY(sa.Text)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(
            "type IN ('text', 'integer', 'number', 'boolean', 'date', 'choice')",
            name="ck_custom_field_declaration_type",
        ),
        sa.CheckConstraint("(type = 'choice') = (choices IS NOT NULL)", name="ck_custom_field_declaration_choices"),
    )
    reference(op, "custom_field_declaration")


def _create_customer() -> None:
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("given_name", sa.Text),
        sa.Column("family_name", sa.Text),
        sa.Column("organization_name", sa.Text),
        sa.Column("birth_date", sa.Date),
        sa.Column("language", COMPARED),
        sa.Column("time_zone", COMPARED),
        sa.Column("tags", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("custom_fields", JSONB, nullable=False),
        sa.Column("display_name_normalized", COMPARED, nullable=False),
        sa.Column("given_name_normalized", COMPARED),
        sa.Column("family_name_normalized", COMPARED),
        sa.Column("organization_name_normalized", COMPARED),
        sa.Column("tags_normalized", sa.ARRAY(COMPARED), nullable=False),
        sa.Column("custom_normalized", JSONB, nullable=False),
        sa.Column("country", COMPARED),
        sa.Column("region_normalized", COMPARED),
        sa.Column("city_normalized", COMPARED),
        sa.Column("postal_code_normalized", COMPARED),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("archived_at", TIME),
        sa.CheckConstraint("kind IN ('person', 'organization')", name="ck_customer_kind"),
        sa.CheckConstraint(
            "kind = 'person' OR (given_name IS NULL AND family_name IS NULL AND birth_date IS NULL)",
            name="ck_customer_organization_is_no_person",
        ),
    )
    op.create_index("ix_customer_created_at_customer_id", "customer", ["created_at", "customer_id"])
    op.create_index(
        "ix_customer_display_name_normalized_customer_id", "customer", ["display_name_normalized", "customer_id"]
    )
    op.create_index("ix_customer_tags_normalized", "customer", ["tags_normalized"], postgresql_using="gin")
    owned_by_customer(op, "customer")


def _create_what_belongs_to_customers() -> None:
    op.create_table(
        "contact_point",
        _owner("contact_point"),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("normalized", COMPARED, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("is_primary", sa.Boolean, nullable=False),
        sa.CheckConstraint("kind IN ('email', 'phone')", name="ck_contact_point_kind"),
    )
    op.create_table(
        "external_id",
        _owner("external_id"),
        sa.Column("system", COMPARED, primary_key=True),
        sa.Column("external_id", COMPARED, primary_key=True),
    )
    op.create_table(
        "address",
        _owner("address"),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("label", sa.Text),
        sa.Column("lines", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("postal_code", sa.Text),
        sa.Column("city", sa.Text),
        sa.Column("region", sa.Text),
        sa.Column("country", sa.Text),
    )
    for table in ("contact_point", "external_id", "address"):
        owned_by_customer(op, table)


def _owner(table: str) -> sa.Column[object]:
    key = sa.ForeignKey("customer.customer_id", name=f"fk_{table}_customer")
    return sa.Column("customer_id", sa.Uuid, key, primary_key=True)


def _create_lookups() -> None:
    for table in ("contact_point_key", "external_id_key"):
        op.create_table(
            table,
            sa.Column("key", COMPARED, primary_key=True),
            sa.Column("customer_id", sa.Uuid, nullable=False),
        )
        looked_up(op, table, "key")


def downgrade() -> None:
    prepare(op)
    for table in (
        "custom_field_declaration",
        "external_id_key",
        "contact_point_key",
        "address",
        "external_id",
        "contact_point",
        "customer",
    ):
        op.drop_table(table)
