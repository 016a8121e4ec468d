"""The climate of addresses: its scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "climate_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("climate_zone", sa.Text),
        sa.Column("climate_group", sa.Text),
        sa.Column("heat", sa.Text),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_climate_score")),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f("ck_climate_score_status")),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(climate_zone, climate_group, heat) = 3)",
            name=op.f("ck_climate_score_scored"),
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_climate_score_reason")),
    )
    owned_by_customer(op, "climate_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("climate_score")
