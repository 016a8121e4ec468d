"""Models can be planned to run by themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import prepare, reference

revision = "0021"
down_revision = "0020"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "analytics_plan",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("parameters", JSONB, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("next_at", TIME),
        sa.Column("last_run_id", sa.Uuid),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )
    op.create_index("ix_analytics_plan_next_at", "analytics_plan", ["next_at"])
    reference(op, "analytics_plan")


def downgrade() -> None:
    prepare(op)
    op.drop_table("analytics_plan")
