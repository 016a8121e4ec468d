"""The timeline: touchpoints, order items, products, daily facts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)
COMPARED = sa.Text(collation="C")


def upgrade() -> None:
    prepare(op)
    _create_touchpoint()
    _create_order_item()
    _create_product()
    _create_daily_facts()


def _create_touchpoint() -> None:
    op.create_table(
        "touchpoint",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", COMPARED, nullable=False),
        sa.Column("channel", COMPARED),
        sa.Column("direction", COMPARED),
        sa.Column("department", COMPARED),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("source", COMPARED),
        sa.Column("source_id", COMPARED),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", COMPARED),
        sa.Column("cost_minor", sa.BigInteger),
        sa.Column("cost_currency", COMPARED),
        sa.Column("campaign", COMPARED),
        sa.Column("subject", sa.Text),
        sa.Column("properties", JSONB, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "id", name="pk_touchpoint"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_touchpoint_customer"),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name="ck_touchpoint_direction"),
        sa.CheckConstraint("(amount_minor IS NULL) = (currency IS NULL)", name="ck_touchpoint_amount"),
        sa.CheckConstraint("(cost_minor IS NULL) = (cost_currency IS NULL)", name="ck_touchpoint_cost"),
        sa.CheckConstraint("source_id IS NULL OR source IS NOT NULL", name="ck_touchpoint_source"),
    )
    owned_by_customer(op, "touchpoint")
    op.create_index("ix_touchpoint_timeline", "touchpoint", ["customer_id", sa.text("occurred_at DESC"), "id"])
    op.create_index("ix_touchpoint_recorded_at", "touchpoint", ["recorded_at"], postgresql_using="brin")


def _create_order_item() -> None:
    op.create_table(
        "order_item",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("touchpoint_id", sa.Uuid, nullable=False),
        sa.Column("line_number", sa.SmallInteger, nullable=False),
        sa.Column("sku", COMPARED, nullable=False),
        sa.Column("quantity", sa.Numeric(14, 3), nullable=False),
        sa.Column("paid_minor", sa.BigInteger, nullable=False),
        sa.Column("list_minor", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "touchpoint_id", "line_number", name="pk_order_item"),
        sa.ForeignKeyConstraint(
            ["customer_id", "touchpoint_id"],
            ["touchpoint.customer_id", "touchpoint.id"],
            name="fk_order_item_touchpoint",
        ),
    )
    owned_by_customer(op, "order_item")


def _create_product() -> None:
    op.create_table(
        "product",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("sku", COMPARED, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("brand", COMPARED),
        sa.Column("department", COMPARED),
        sa.Column("category", COMPARED),
        sa.Column("product_type", COMPARED),
        sa.Column("size", sa.Text),
        sa.Column("properties", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("uq_product_sku", "product", ["sku"], unique=True)
    op.create_index("ix_product_category", "product", ["department", "category", "product_type"])
    reference(op, "product")


def _create_daily_facts() -> None:
    op.create_table(
        "customer_day",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("business_date", sa.Date, nullable=False),
        sa.Column("currency", COMPARED, nullable=False),
        sa.Column("order_count", sa.Integer, nullable=False),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("net_minor", sa.BigInteger, nullable=False),
        sa.Column("list_minor", sa.BigInteger, nullable=False),
        sa.Column("discount_minor", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "business_date", "currency", name="pk_customer_day"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_customer_day_customer"),
    )
    owned_by_customer(op, "customer_day")
    op.create_table(
        "customer_day_dirty",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("business_date", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "business_date", name="pk_customer_day_dirty"),
    )


def downgrade() -> None:
    prepare(op)
    for table in ("customer_day_dirty", "customer_day", "product", "order_item", "touchpoint"):
        op.drop_table(table)
