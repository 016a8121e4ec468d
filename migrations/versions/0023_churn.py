"""Churn without a contract: its scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "churn_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("churn_probability", sa.Numeric(7, 6)),
        sa.Column("expected_purchases", sa.Numeric(18, 6)),
        sa.Column("churn_quartile", sa.Integer),
        sa.Column("days_since_purchase", sa.Integer),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_churn_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_churn_score_status"),
        ),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(churn_probability, expected_purchases, churn_quartile) = 3)",
            name=op.f("ck_churn_score_scored"),
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_churn_score_reason")),
    )
    owned_by_customer(op, "churn_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("churn_score")
