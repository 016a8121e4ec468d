"""Plans of runs about some of the customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import prepare

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    prepare(op)
    op.add_column("analytics_plan", sa.Column("audience", JSONB))


def downgrade() -> None:
    prepare(op)
    op.drop_column("analytics_plan", "audience")
