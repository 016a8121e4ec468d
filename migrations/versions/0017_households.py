"""Households, and who is in them."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import looked_up, prepare, reference

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "household",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_household"),
    )
    looked_up(op, "household", "id")
    op.create_table(
        "household_member",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name="pk_household_member"),
    )
    reference(op, "household_member")
    op.create_index("ix_household_member_household_id", "household_member", ["household_id", "customer_id"])


def downgrade() -> None:
    prepare(op)
    op.drop_table("household_member")
    op.drop_table("household")
