"""The change feed: the order in which events were written, and how far positions were given."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    prepare(op)
    op.execute("CREATE SEQUENCE outbox_event_sequence")
    # What was written before has no order but that of its ids. The default fills it without touching a row.
    op.execute("ALTER TABLE outbox_event ADD COLUMN sequence_number bigint DEFAULT 0")
    op.execute("ALTER TABLE outbox_event ALTER COLUMN sequence_number DROP DEFAULT")
    op.drop_index("ix_outbox_event_unplaced", "outbox_event")
    op.create_index(
        "ix_outbox_event_unplaced",
        "outbox_event",
        ["sequence_number", "id"],
        postgresql_where=sa.text("position IS NULL"),
    )
    op.create_table(
        "event_feed",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("last_position", sa.BigInteger, nullable=False),
        sa.Column("dropped_until", sa.BigInteger, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_event_feed_one")),
        sa.CheckConstraint("0 <= dropped_until AND dropped_until <= last_position", name=op.f("ck_event_feed_order")),
    )


def downgrade() -> None:
    prepare(op)
    op.drop_table("event_feed")
    op.drop_index("ix_outbox_event_unplaced", "outbox_event")
    op.create_index("ix_outbox_event_unplaced", "outbox_event", ["id"], postgresql_where=sa.text("position IS NULL"))
    op.drop_column("outbox_event", "sequence_number")
    op.execute("DROP SEQUENCE outbox_event_sequence")
