"""When all members of a segment were last compared with what it means."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    prepare(op)
    op.add_column("segment", sa.Column("checked_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    prepare(op)
    op.drop_column("segment", "checked_at")
