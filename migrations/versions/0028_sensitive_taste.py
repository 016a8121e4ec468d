"""Sensitive taste: its scores, of customers who agreed to it."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "sensitive_taste_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("opinion", sa.Text),
        *(sa.Column(name, sa.Numeric(7, 6)) for name in ("avoid_probability", "like_probability", "share_rate")),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", "subject", name=op.f("pk_sensitive_taste_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_sensitive_taste_score_status"),
        ),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(opinion) = 1)", name=op.f("ck_sensitive_taste_score_scored")
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_sensitive_taste_score_reason")),
    )
    owned_by_customer(op, "sensitive_taste_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("sensitive_taste_score")
