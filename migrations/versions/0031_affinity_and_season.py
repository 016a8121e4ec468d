"""Affinity, several of a customer, and season: their scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "affinity_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("level", sa.Text),
        sa.Column("affinity_index", sa.Numeric(18, 6)),
        sa.Column("share_rate", sa.Numeric(7, 6)),
        sa.Column("line_count", sa.Integer, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", "subject", name=op.f("pk_affinity_score")),
        sa.CheckConstraint(
            "status IN ('ok', 'insufficient_data', 'not_converged', 'not_identified')",
            name=op.f("ck_affinity_score_status"),
        ),
        sa.CheckConstraint("(status = 'ok') = (num_nonnulls(level) = 1)", name=op.f("ck_affinity_score_scored")),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_affinity_score_reason")),
    )
    owned_by_customer(op, "affinity_score")
    op.create_table(
        "season_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("shopper_class", sa.Text),
        sa.Column("peak_month", sa.Integer),
        sa.Column("peak_index", sa.Numeric(18, 6)),
        sa.Column("false_discovery_rate", sa.Numeric(7, 6)),
        sa.Column("days_in_30", sa.Numeric(18, 6), nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_season_score")),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f("ck_season_score_status")),
        sa.CheckConstraint("(status = 'ok') = (num_nonnulls(shopper_class) = 1)", name=op.f("ck_season_score_scored")),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_season_score_reason")),
    )
    owned_by_customer(op, "season_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("season_score")
    op.drop_table("affinity_score")
