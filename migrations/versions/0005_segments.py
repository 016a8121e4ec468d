"""Segments, the versions of their definitions, and who is in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0005"
down_revision = "0004"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    prepare(op)
    _create_segments()
    _create_memberships()


def _create_segments() -> None:
    op.create_table(
        "segment",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_normalized", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("current_build", sa.Integer, nullable=False),
        sa.Column("built_version", sa.Integer),
        sa.Column("built_at", TIME),
        sa.Column("member_count", sa.BigInteger),
        sa.Column("job_id", sa.Uuid),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("archived_at", TIME),
        sa.CheckConstraint("status IN ('draft', 'building', 'built')", name="ck_segment_status"),
        sa.CheckConstraint("(current_build = 0) = (built_at IS NULL)", name="ck_segment_built"),
    )
    op.create_index(
        "uq_segment_name_normalized",
        "segment",
        ["name_normalized"],
        unique=True,
        postgresql_where=sa.text("archived_at IS NULL"),
    )
    reference(op, "segment")
    op.create_table(
        "segment_version",
        sa.Column(
            "segment_id", sa.Uuid, sa.ForeignKey("segment.id", name="fk_segment_version_segment"), primary_key=True
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("definition_text", sa.Text, nullable=False),
        sa.Column("language_version", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    reference(op, "segment_version")


def _create_memberships() -> None:
    op.create_table(
        "membership",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("entered_build", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("left_build", sa.Integer),
        sa.Column("entered_at", TIME, nullable=False),
        sa.Column("left_at", TIME),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.customer_id"], name="fk_membership_customer"),
        sa.CheckConstraint("left_build > entered_build", name="ck_membership_interval"),
    )
    op.create_index("ix_membership_segment_id", "membership", ["segment_id", "customer_id"])
    owned_by_customer(op, "membership")


def downgrade() -> None:
    prepare(op)
    for table in ("membership", "segment_version", "segment"):
        op.drop_table(table)
