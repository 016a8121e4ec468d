"""Rotation of clients' secrets: the former one stays good for a while."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    prepare(op)
    op.add_column("client", sa.Column("former_secret_hash", sa.Text))
    op.add_column("client", sa.Column("former_secret_until", sa.DateTime(timezone=True)))
    both = "(former_secret_hash IS NULL) = (former_secret_until IS NULL)"
    op.create_check_constraint(op.f("ck_client_former_secret"), "client", both)


def downgrade() -> None:
    prepare(op)
    op.drop_constraint(op.f("ck_client_former_secret"), "client")
    op.drop_column("client", "former_secret_until")
    op.drop_column("client", "former_secret_hash")
