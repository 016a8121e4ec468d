"""Scores are kept run after run: their key begins with the run, so that a new run is added at its end."""

from alembic import op

from crm_api.core.placement import prepare

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    prepare(op)
    op.drop_constraint("pk_rfm_score", "rfm_score")
    op.create_primary_key("pk_rfm_score", "rfm_score", ["run_id", "customer_id"])


def downgrade() -> None:
    prepare(op)
    op.drop_constraint("pk_rfm_score", "rfm_score")
    op.create_primary_key("pk_rfm_score", "rfm_score", ["customer_id", "run_id"])
