"""Consent: purposes, the state now, the ledger, and suppressed addresses."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)
COMPARED = sa.Text(collation="C")


def upgrade() -> None:
    prepare(op)
    _create_purpose()  # a reference table comes before those that rest on it
    _create_consent()
    _create_suppression()


def _create_purpose() -> None:
    purpose = op.create_table(
        "purpose",
        sa.Column("name", COMPARED, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("needs_consent", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    reference(op, "purpose")
    made = {"created_at": datetime.now(UTC), "created_by": "crm-api"}
    op.bulk_insert(
        purpose,
        [
            {"name": "marketing", "label": "Marketing", "needs_consent": True, **made},
            {"name": "service", "label": "Service: bookings, receipts", "needs_consent": False, **made},
        ],
    )


def _create_consent() -> None:
    op.create_table(
        "consent",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("channel", COMPARED, nullable=False),
        sa.Column("purpose", COMPARED, nullable=False),
        sa.Column("state", COMPARED, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "channel", "purpose", name="pk_consent"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_consent_customer"),
        sa.ForeignKeyConstraint(["purpose"], ["purpose.name"], name="fk_consent_purpose"),
        sa.CheckConstraint("state IN ('granted', 'withdrawn')", name="ck_consent_state"),
    )
    owned_by_customer(op, "consent")
    op.create_index(
        "ix_consent_purpose_channel_state_customer_id", "consent", ["purpose", "channel", "state", "customer_id"]
    )
    op.create_table(
        "consent_event",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("channel", COMPARED, nullable=False),
        sa.Column("purpose", COMPARED, nullable=False),
        sa.Column("state", COMPARED, nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("source", COMPARED, nullable=False),
        sa.Column("wording", sa.Text),
        sa.PrimaryKeyConstraint("customer_id", "id", name="pk_consent_event"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_consent_event_customer"),
        sa.CheckConstraint("state IN ('granted', 'withdrawn')", name="ck_consent_event_state"),
    )
    owned_by_customer(op, "consent_event")


def _create_suppression() -> None:
    op.create_table(
        "suppression",
        sa.Column("key", COMPARED, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.CheckConstraint("reason IN ('bounced', 'complained', 'manual')", name="ck_suppression_reason"),
    )


def downgrade() -> None:
    prepare(op)
    for table in ("suppression", "consent_event", "consent", "purpose"):
        op.drop_table(table)
