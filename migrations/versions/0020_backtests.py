"""Backtests are kept with their runs, and a run can wait for somebody to agree to it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import prepare, reference

revision = "0020"
down_revision = "0019"

NAME = "ck_analytics_run_state"
STATES = (
    "'queued', 'running', 'published', 'insufficient_data', 'not_converged', 'not_identified', 'failed', 'cancelled'"
)


def upgrade() -> None:
    prepare(op)
    _set_states(f"'awaiting_approval', 'rejected', {STATES}")
    op.add_column("analytics_run", sa.Column("approval", JSONB))
    op.create_table(
        "analytics_backtest",
        sa.Column(
            "run_id",
            sa.Uuid,
            sa.ForeignKey("analytics_run.id", ondelete="CASCADE", name=op.f("fk_analytics_backtest_analytics_run")),
            primary_key=True,
        ),
        sa.Column("cut_on", sa.Date),
        sa.Column("until", sa.Date),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("title", sa.Text),
        sa.Column("loss", sa.Double),
        sa.Column("loss_name", sa.Text),
        sa.Column("figures", JSONB, nullable=False),
        sa.Column("calibration", JSONB, nullable=False),
        sa.Column("vega_lite", JSONB),
        sa.Column("svg", sa.Text),
    )
    reference(op, "analytics_backtest")


def downgrade() -> None:
    prepare(op)
    op.drop_table("analytics_backtest")
    op.drop_column("analytics_run", "approval")
    op.execute("UPDATE analytics_run SET state = 'failed' WHERE state IN ('awaiting_approval', 'rejected')")
    _set_states(STATES)


def _set_states(states: str) -> None:
    op.drop_constraint(op.f(NAME), "analytics_run")
    op.create_check_constraint(op.f(NAME), "analytics_run", f"state IN ({states})")
