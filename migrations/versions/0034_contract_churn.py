"""Churn with a contract: its scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "contract_churn_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("end_probability", sa.Numeric(7, 6)),
        sa.Column("contract_months", sa.Integer, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_contract_churn_score")),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f("ck_contract_churn_score_status")),
        sa.CheckConstraint(
            "(status = 'ok') = (end_probability IS NOT NULL)", name=op.f("ck_contract_churn_score_scored")
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_contract_churn_score_reason")),
    )
    owned_by_customer(op, "contract_churn_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("contract_churn_score")
