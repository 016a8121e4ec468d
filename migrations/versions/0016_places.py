"""Addresses may say where they are, in degrees; the main one's place stands beside the customer, for audiences."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import prepare

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    prepare(op)
    for table in ("address", "customer"):
        op.add_column(table, sa.Column("latitude", sa.Double()))
        op.add_column(table, sa.Column("longitude", sa.Double()))
    op.create_index(
        "ix_customer_place", "customer", ["latitude", "longitude"], postgresql_where=sa.text("latitude IS NOT NULL")
    )


def downgrade() -> None:
    prepare(op)
    op.drop_index("ix_customer_place", "customer")
    for table in ("customer", "address"):
        op.drop_column(table, "longitude")
        op.drop_column(table, "latitude")
