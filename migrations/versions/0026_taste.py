"""Taste: its scores, several of a customer."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "taste_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("opinion", sa.Text),
        sa.Column("avoid_probability", sa.Numeric(7, 6)),
        sa.Column("like_probability", sa.Numeric(7, 6)),
        sa.Column("share_rate", sa.Numeric(7, 6)),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", "subject", name=op.f("pk_taste_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_taste_score_status"),
        ),
        sa.CheckConstraint("(status = 'ok') = (num_nonnulls(opinion) = 1)", name=op.f("ck_taste_score_scored")),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_taste_score_reason")),
    )
    owned_by_customer(op, "taste_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("taste_score")
