"""Marks of what changed, and which memberships are to be looked at again: at once, or when time has passed."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare, reference

revision = "0011"
down_revision = "0010"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    op.create_table("watched_topic", sa.Column("topic", sa.Text, primary_key=True))
    op.create_table(
        "change_mark",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("marked_at", TIME, nullable=False),
    )
    op.create_table(
        "segment_topic",
        sa.Column("segment_id", sa.Uuid, sa.ForeignKey("segment.id", name="fk_segment_topic_segment"), nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("segment_id", "topic"),
    )
    reference(op, "segment_topic")
    op.create_table(
        "stale_membership",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, primary_key=True),
    )
    op.create_table(
        "membership_due",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("due_at", TIME, nullable=False),
    )
    op.create_index("ix_membership_due_due_at", "membership_due", ["due_at"])
    op.add_column("segment", sa.Column("due_at", TIME))
    op.add_column("segment", sa.Column("changed_at", TIME))


def downgrade() -> None:
    prepare(op)
    op.drop_column("segment", "changed_at")
    op.drop_column("segment", "due_at")
    for table in ("membership_due", "stale_membership", "segment_topic", "change_mark", "watched_topic"):
        op.drop_table(table)
