"""Analytics: runs, what is current, RFM scores."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0004"
down_revision = "0003"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    _create_runs()
    _create_rfm()


def _create_runs() -> None:
    op.create_table(
        "analytics_run",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("parameters", JSONB, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("watermark", TIME, nullable=False),
        sa.Column("code_version", sa.Text),
        sa.Column("input_hash", sa.Text),
        sa.Column("output_hash", sa.Text),
        sa.Column("row_count", sa.Integer),
        sa.Column("timing", JSONB),
        sa.Column("peak_memory_bytes", sa.BigInteger),
        sa.Column("quality", JSONB),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("rows_dropped_at", TIME),
        sa.Column("problem", JSONB),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'published', 'insufficient_data', 'failed', 'cancelled')",
            name="ck_analytics_run_state",
        ),
    )
    op.create_index("ix_analytics_run_model_id", "analytics_run", ["model", "id"])
    op.create_index("uq_analytics_run_job_id", "analytics_run", ["job_id"], unique=True)
    op.create_table(
        "analytics_run_part",
        sa.Column(
            "run_id",
            sa.Uuid,
            sa.ForeignKey("analytics_run.id", ondelete="CASCADE", name="fk_analytics_run_part_analytics_run"),
            primary_key=True,
        ),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("scored_count", sa.Integer, nullable=False),
        sa.Column("first_customer_id", sa.Uuid),
        sa.Column("last_customer_id", sa.Uuid),
        sa.Column("received_at", TIME, nullable=False),
    )
    op.create_table(
        "analytics_model",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column(
            "current_run_id",
            sa.Uuid,
            sa.ForeignKey("analytics_run.id", name="fk_analytics_model_analytics_run"),
            nullable=False,
        ),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
    )
    op.create_index("uq_analytics_model_current_run_id", "analytics_model", ["current_run_id"], unique=True)
    for table in ("analytics_run", "analytics_run_part", "analytics_model"):
        reference(op, table)


def _create_rfm() -> None:
    op.create_table(
        "rfm_score",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("order_count", sa.Integer, nullable=False),
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("recency_days", sa.Integer),
        sa.Column("recency_score", sa.SmallInteger),
        sa.Column("frequency_score", sa.SmallInteger),
        sa.Column("monetary_score", sa.SmallInteger),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name="ck_rfm_score_status"),
        sa.CheckConstraint(
            "(status = 'ok') = (num_nonnulls(recency_score, frequency_score, monetary_score, recency_days) = 4)",
            name="ck_rfm_score_scored",
        ),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name="ck_rfm_score_reason"),
    )
    owned_by_customer(op, "rfm_score")


def downgrade() -> None:
    prepare(op)
    for table in ("rfm_score", "analytics_model", "analytics_run_part", "analytics_run"):
        op.drop_table(table)
