"""Price sensitivity: its scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    prepare(op)
    rates = ("full_price_rate", "full_price_rate_low", "full_price_rate_high", "discount_rate")
    op.create_table(
        "price_sensitivity_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("price_class", sa.Text),
        *(sa.Column(name, sa.Numeric(7, 6)) for name in rates),
        sa.Column("list_minor", sa.BigInteger, nullable=False),
        sa.Column("discount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_price_sensitivity_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_price_sensitivity_score_status"),
        ),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(price_class) = 1)", name=op.f("ck_price_sensitivity_score_scored")
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_price_sensitivity_score_reason")),
    )
    owned_by_customer(op, "price_sensitivity_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("price_sensitivity_score")
