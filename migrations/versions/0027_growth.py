"""Growth potential: its scores."""

import sqlalchemy as sa
from alembic import op

from crm_api.core.placement import owned_by_customer, prepare

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "growth_score",
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("growth_class", sa.Text),
        sa.Column("spend_minor", sa.BigInteger),
        sa.Column("peer_spend_minor", sa.BigInteger),
        sa.Column("gap_minor", sa.BigInteger),
        sa.Column("white_space_count", sa.Integer),
        sa.Column("white_space_minor", sa.BigInteger),
        sa.Column("top_white_space", sa.Text),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_growth_score")),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f("ck_growth_score_status")),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(growth_class, spend_minor, peer_spend_minor, gap_minor, "
            "white_space_count, white_space_minor) = 6)",
            name=op.f("ck_growth_score_scored"),
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f("ck_growth_score_reason")),
    )
    owned_by_customer(op, "growth_score")


def downgrade() -> None:
    prepare(op)
    op.drop_table("growth_score")
