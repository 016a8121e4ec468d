"""Runs keep how their inputs and outputs lie."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import prepare

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    prepare(op)
    op.add_column("analytics_run", sa.Column("distributions", JSONB))


def downgrade() -> None:
    prepare(op)
    op.drop_column("analytics_run", "distributions")
