"""Divisions by need, value now and value to come: their scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "divisions_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("need", sa.Text),
        sa.Column("need_index", sa.Numeric(18, 6)),
        sa.Column("actual_value", sa.Text),
        sa.Column("potential_value", sa.Text),
        sa.Column("actual_minor", sa.BigInteger),
        sa.Column("potential_minor", sa.BigInteger),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_divisions_score")),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f("ck_divisions_score_status")),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(actual_value, potential_value, actual_minor, potential_minor) = 4)",
            name=op.f("ck_divisions_score_scored"),
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_divisions_score_reason")),
    )
    owned_by_customer(op, "divisions_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("divisions_score")
