"""Templates: the words of messages."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare, reference

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "template",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("archived_at", TIME),
        sa.CheckConstraint("channel IN ('email')", name="ck_template_channel"),
    )
    op.create_index(
        "uq_template_name", "template", ["name"], unique=True, postgresql_where=sa.text("archived_at IS NULL")
    )
    reference(op, "template")


def downgrade() -> None:
    prepare(op)
    op.drop_table("template")
