"""Campaigns, the ledger of their messages, and the queue of what is still to be handed over."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0009"
down_revision = "0008"

TIME = sa.DateTime(timezone=True)
STATUSES = "'draft', 'scheduled', 'planning', 'running', 'paused', 'stopping', 'stopped', 'finished'"


def upgrade() -> None:
    prepare(op)
    _create_campaigns()
    _create_messages()
    _create_queue()


def _create_campaigns() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column(
            "purpose",
            sa.Text(collation="C"),
            sa.ForeignKey("purpose.name", name="fk_campaign_purpose"),
            nullable=False,
        ),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("audience", JSONB),
        sa.Column("language_version", sa.Integer, nullable=False),
        sa.Column("segment_id", sa.Uuid, sa.ForeignKey("segment.id", name="fk_campaign_segment")),
        sa.Column(
            "template_id",
            sa.Uuid,
            sa.ForeignKey("template.id", name="fk_campaign_template"),
            nullable=False,
        ),
        sa.Column("with_offer", sa.Boolean, nullable=False),
        sa.Column("sender_name", sa.Text, nullable=False),
        sa.Column("sender_address", sa.Text, nullable=False),
        sa.Column("reply_to", sa.Text),
        sa.Column("unit_cost_minor", sa.BigInteger),
        sa.Column("unit_cost_currency", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("launch_at", TIME),
        sa.Column("launch_zone", sa.Text, nullable=False),
        sa.Column("starts_at", TIME),
        sa.Column("content", JSONB),
        sa.Column("job_id", sa.Uuid),
        sa.Column("planned_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint(f"status IN ({STATUSES})", name="ck_campaign_status"),
        sa.CheckConstraint("channel IN ('email')", name="ck_campaign_channel"),
        sa.CheckConstraint("(audience IS NULL) <> (segment_id IS NULL)", name="ck_campaign_recipients"),
        sa.CheckConstraint("launch_zone IN ('business', 'customer')", name="ck_campaign_launch_zone"),
        sa.CheckConstraint("(status = 'draft') = (starts_at IS NULL)", name="ck_campaign_scheduled"),
    )
    op.create_index("uq_campaign_code", "campaign", ["code"], unique=True)
    op.create_index(
        "ix_campaign_live",
        "campaign",
        ["starts_at"],
        postgresql_where=sa.text("status NOT IN ('draft', 'stopped', 'finished')"),
    )
    for column in ("purpose", "segment_id", "template_id"):
        op.create_index(f"ix_campaign_{column}", "campaign", [column])
    reference(op, "campaign")
    op.create_table(
        "campaign_link",
        sa.Column(
            "campaign_id",
            sa.Uuid,
            sa.ForeignKey("campaign.id", name="fk_campaign_link_campaign"),
            primary_key=True,
        ),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("url", sa.Text, nullable=False),
    )
    reference(op, "campaign_link")


def _create_messages() -> None:
    op.create_table(
        "message",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("campaign_id", sa.Uuid, nullable=False),
        sa.Column("purpose", sa.Text(collation="C"), nullable=False),
        sa.Column("occurrence", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("address", sa.Text(collation="C")),
        sa.Column("due_at", TIME),
        sa.Column("decision_id", sa.Uuid),
        sa.Column("gateway", sa.Text),
        sa.Column("answer_code", sa.Integer),
        sa.Column("planned_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("customer_id", "id", name="pk_message"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_message_customer"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_message_campaign"),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'bounced', 'failed', 'skipped', 'cancelled', 'unknown')",
            name="ck_message_state",
        ),
        sa.CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ck_message_ended"),
        sa.CheckConstraint("state IN ('pending', 'sent') OR reason IS NOT NULL", name="ck_message_reason"),
    )
    op.create_index(
        "uq_message_occurrence", "message", ["customer_id", "campaign_id", "purpose", "occurrence"], unique=True
    )
    op.create_index("ix_message_campaign_id", "message", ["campaign_id", "state", "customer_id"])
    owned_by_customer(op, "message")


def _create_queue() -> None:
    op.create_table(
        "message_due",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("campaign_id", sa.Uuid, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_id", sa.Uuid),
        sa.Column("leased_until", TIME),
        sa.Column("gateway", sa.Text),
        sa.Column("can_look_up", sa.Boolean),
        sa.CheckConstraint("state IN ('waiting', 'claimed', 'handing_over')", name="ck_message_due_state"),
        sa.CheckConstraint("(state = 'waiting') = (lease_id IS NULL)", name="ck_message_due_lease"),
    )
    op.create_index(
        "ix_message_due_waiting",
        "message_due",
        ["campaign_id", "due_at", "message_id"],
        postgresql_where=sa.text("lease_id IS NULL"),
    )
    op.create_index(
        "ix_message_due_leased", "message_due", ["leased_until"], postgresql_where=sa.text("lease_id IS NOT NULL")
    )
    op.create_table(
        "mailbox_reached",
        sa.Column("campaign_id", sa.Uuid, primary_key=True),
        sa.Column("occurrence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text(collation="C"), primary_key=True),
        sa.Column("message_id", sa.Uuid, nullable=False),
    )


def downgrade() -> None:
    prepare(op)
    for table in ("mailbox_reached", "message_due", "message", "campaign_link", "campaign"):
        op.drop_table(table)
