"""How many customers the last check of a segment found to be wrong."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    prepare(op)
    op.add_column("segment", sa.Column("drift_count", sa.Integer))


def downgrade() -> None:
    prepare(op)
    op.drop_column("segment", "drift_count")
