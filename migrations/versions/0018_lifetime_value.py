"""Lifetime value: its scores, and the states of runs whose data cannot tell."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0018"
down_revision = "0017"

NAME = "ck_analytics_run_state"
DOUBLED = "ck_analytics_run_ck_analytics_run_state"
"""What the convention of names made of it in migration 0004."""
STATES = "'queued', 'running', 'published', 'insufficient_data', {}'failed', 'cancelled'"


def upgrade() -> None:
    prepare(op)
    _set_states(DOUBLED, NAME, "'not_converged', 'not_identified', ")
    op.add_column("analytics_run_part", sa.Column("unscored_status", sa.Text))
    op.add_column("analytics_run_part", sa.Column("unscored_reason", sa.Text))
    op.create_table(
        "lifetime_value_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("expected_purchases", sa.Numeric(18, 6)),
        sa.Column("purchases_low", sa.Integer),
        sa.Column("purchases_high", sa.Integer),
        sa.Column("alive_probability", sa.Numeric(7, 6)),
        *(
            sa.Column(f"{name}_minor", sa.BigInteger)
            for name in ("mean_value", "lifetime_value", "value_low", "value_high")
        ),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_lifetime_value_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_lifetime_value_score_status"),
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_lifetime_value_score_reason")),
    )
    owned_by_customer(op, "lifetime_value_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("lifetime_value_score")
    op.drop_column("analytics_run_part", "unscored_reason")
    op.drop_column("analytics_run_part", "unscored_status")
    op.execute(
        "UPDATE analytics_run SET state = 'insufficient_data' WHERE state IN ('not_converged', 'not_identified')"
    )
    _set_states(NAME, DOUBLED, "")


def _set_states(before: str, name: str, more: str) -> None:
    op.drop_constraint(op.f(before), "analytics_run")
    op.create_check_constraint(op.f(name), "analytics_run", f"state IN ({STATES.format(more)})")
