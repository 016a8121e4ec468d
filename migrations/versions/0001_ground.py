"""The ground: access, audit, outbox, idempotency, jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import prepare

revision = "0001"
down_revision = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    op.create_table(
        "client",
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("public_jwk", sa.Text, nullable=False),
        sa.Column("private_jwk_encrypted", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("retired_at", TIME),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("resource_type", sa.Text, nullable=False),
        sa.Column("resource_id", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("request_id", sa.Text),
        sa.Column("changes", JSONB, nullable=False),
    )
    op.create_index("ix_audit_entry_resource", "audit_entry", ["resource_type", "resource_id", "id"])
    op.create_index(
        "ix_audit_entry_customer_id",
        "audit_entry",
        ["customer_id"],
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_table(
        "outbox_event",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("occurred_at", TIME, nullable=False),
        sa.Column("position", sa.BigInteger),
    )
    op.create_index("ix_outbox_event_unplaced", "outbox_event", ["id"], postgresql_where=sa.text("position IS NULL"))
    op.create_index(
        "ix_outbox_event_position",
        "outbox_event",
        ["position"],
        unique=True,
        postgresql_where=sa.text("position IS NOT NULL"),
    )
    op.create_table(
        "idempotency_record",
        sa.Column("key_hash", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", JSONB, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
    )
    op.create_index("ix_idempotency_record_expires_at", "idempotency_record", ["expires_at"])
    _create_jobs()


def _create_jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("nature", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("cursor", JSONB),
        sa.Column("progress", sa.Float),
        sa.Column("counts", JSONB, nullable=False),
        sa.Column("result", JSONB),
        sa.Column("problem", JSONB),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("run_after", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("expires_at", TIME),
        sa.Column("cancel_requested_at", TIME),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("most_attempts", sa.Integer, nullable=False),
        sa.Column("lease_id", sa.Uuid),
        sa.Column("leased_by", sa.Text),
        sa.Column("leased_until", TIME),
        sa.Column("singleton_key", sa.Text),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="ck_job_state"),
        sa.CheckConstraint("nature IN ('set', 'hands')", name="ck_job_nature"),
        sa.CheckConstraint("(state = 'running') = (lease_id IS NOT NULL)", name="ck_job_lease"),
    )
    live = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_job_due", "job", ["run_after", "id"], postgresql_where=live)
    op.create_index("uq_job_singleton_key", "job", ["singleton_key"], unique=True, postgresql_where=live)
    op.create_index("ix_job_expires_at", "job", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.create_table(
        "job_attempt",
        sa.Column(
            "job_id", sa.Uuid, sa.ForeignKey("job.id", ondelete="CASCADE", name="fk_job_attempt_job"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("lease_id", sa.Uuid, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("outcome", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "worker_seen",
        sa.Column("worker", sa.Text, primary_key=True),
        sa.Column("seen_at", TIME, nullable=False),
    )


def downgrade() -> None:
    prepare(op)
    for table in (
        "worker_seen",
        "job_attempt",
        "job",
        "idempotency_record",
        "outbox_event",
        "audit_entry",
        "signing_key",
        "client",
    ):
        op.drop_table(table)
