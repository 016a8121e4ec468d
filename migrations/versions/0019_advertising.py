"""Advertising audiences, their exports, and the hashes that destinations were told."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare, reference

revision = "0019"
down_revision = "0018"

TIME = sa.DateTime(timezone=True)
COMPARED = sa.Text(collation="C")


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "advertising_audience",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("segment_id", sa.Uuid, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("purpose", COMPARED, nullable=False),
        sa.Column("identifiers", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("phone_form", sa.Text, nullable=False),
        sa.Column("last_export", sa.Integer, nullable=False),
        sa.Column("acknowledged_export", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("ended_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_advertising_audience"),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name="fk_advertising_audience_segment"),
        sa.ForeignKeyConstraint(["purpose"], ["purpose.name"], name="fk_advertising_audience_purpose"),
        sa.CheckConstraint("phone_form IN ('digits', 'e164')", name="ck_advertising_audience_phone_form"),
    )
    reference(op, "advertising_audience")
    op.create_index("ix_advertising_audience_segment_id", "advertising_audience", ["segment_id", "id"])
    op.create_index("ix_advertising_audience_purpose", "advertising_audience", ["purpose"])
    op.create_table(
        "advertising_export",
        sa.Column("audience_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("addition_count", sa.BigInteger),
        sa.Column("removal_count", sa.BigInteger),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("ready_at", TIME),
        sa.Column("read_at", TIME),
        sa.Column("acknowledged_at", TIME),
        sa.PrimaryKeyConstraint("audience_id", "number", name="pk_advertising_export"),
        sa.ForeignKeyConstraint(["audience_id"], ["advertising_audience.id"], name="fk_advertising_export_audience"),
        sa.CheckConstraint(
            "status IN ('running', 'ready', 'acknowledged', 'replaced', 'failed')", name="ck_advertising_export_status"
        ),
    )
    reference(op, "advertising_export")
    op.create_table(
        "advertising_identifier",
        sa.Column("audience_id", sa.Uuid, nullable=False),
        sa.Column("kind", COMPARED, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("added_export", sa.Integer, nullable=False),
        sa.Column("seen_export", sa.Integer, nullable=False),
        sa.Column("missed_export", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("audience_id", "kind", "hash", name="pk_advertising_identifier"),
    )


def downgrade() -> None:
    for table in ("advertising_identifier", "advertising_export", "advertising_audience"):
        op.drop_table(table)
