"""Offers, the products they cover, and the decisions made with them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON, JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    _create_offers()
    _create_decisions()


def _create_offers() -> None:
    op.create_table(
        "offer",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("valid_from", TIME),
        sa.Column("valid_until", TIME),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("margin_minor", sa.BigInteger),
        sa.Column("margin_currency", sa.Text),
        sa.Column("eligibility", JSONB),
        sa.Column("language_version", sa.Integer, nullable=False),
        sa.Column("channels", JSONB, nullable=False),
        sa.Column("campaign", sa.Text),
        sa.Column("product_count", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("status IN ('draft', 'live', 'retired')", name="ck_offer_status"),
        sa.CheckConstraint("valid_from < valid_until", name="ck_offer_window"),
        sa.CheckConstraint("(margin_minor IS NULL) = (margin_currency IS NULL)", name="ck_offer_margin"),
    )
    op.create_index("uq_offer_code", "offer", ["code"], unique=True)
    reference(op, "offer")
    op.create_table(
        "offer_product",
        sa.Column("offer_id", sa.Uuid, sa.ForeignKey("offer.id", name="fk_offer_product_offer"), primary_key=True),
        sa.Column("sku", sa.Text(collation="C"), primary_key=True),
    )
    reference(op, "offer_product")
    op.create_table(
        "offer_edition",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mark", sa.Uuid, nullable=False),
    )
    reference(op, "offer_edition")


def _create_decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("valid_until", TIME, nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_decision_customer"),
    )
    owned_by_customer(op, "decision")


def downgrade() -> None:
    prepare(op)
    for table in ("decision", "offer_edition", "offer_product", "offer"):
        op.drop_table(table)
