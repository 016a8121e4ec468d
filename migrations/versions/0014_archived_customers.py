"""Archived customers have an index of their own: a run leaves them out, and they are few."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    prepare(op)
    op.create_index(
        "ix_customer_archived", "customer", ["customer_id"], postgresql_where=sa.text("archived_at IS NOT NULL")
    )


def downgrade() -> None:
    prepare(op)
    op.drop_index("ix_customer_archived", "customer")
