"""Lists of items: what to buy again, what to discover, related products, association rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.placement import owned_by_customer, prepare, reference

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    prepare(op)
    _table(
        "discover_score",
        "customer_id",
        "rank",
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("item", sa.Text(collation="C")),
        sa.Column("appeal", sa.Numeric(18, 6)),
        sa.Column("because_item", sa.Text(collation="C")),
        scored=("kind", "item", "appeal", "because_item"),
    )
    _table(
        "buy_again_score",
        "customer_id",
        "rank",
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("item", sa.Text(collation="C")),
        sa.Column("buy_probability", sa.Numeric(7, 6)),
        sa.Column("usual_gap_days", sa.Numeric(18, 6)),
        sa.Column("elapsed_days", sa.Integer),
        scored=("item", "buy_probability", "usual_gap_days", "elapsed_days"),
    )
    _table(
        "related_products_score",
        "item",
        "rank",
        sa.Column("item", sa.Text(collation="C"), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("related_item", sa.Text(collation="C")),
        sa.Column("similarity", sa.Numeric(7, 6)),
        scored=("related_item", "similarity"),
    )
    _table(
        "association_score",
        "rank",
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("if_items", JSONB, nullable=False),
        sa.Column("then_item", sa.Text(collation="C"), nullable=False),
        sa.Column("support", sa.Numeric(7, 6), nullable=False),
        sa.Column("confidence", sa.Numeric(7, 6), nullable=False),
        sa.Column("lift", sa.Numeric(18, 6), nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("basket_count", "left_count", "right_count")),
        sa.Column("p_value", sa.Numeric(7, 6), nullable=False),
    )
    # All texts that the business wrote sort by their bytes, as where they are made.
    op.alter_column("growth_score", "top_white_space", type_=sa.Text(collation="C"))


def _table(name: str, *columns: str | sa.Column, scored: tuple[str, ...] = ()) -> None:
    keys = [column for column in columns if isinstance(column, str)]
    own = [column for column in columns if not isinstance(column, str)]
    is_owned = keys[0] == "customer_id"
    checks = [
        sa.CheckConstraint("status IN ('ok', 'insufficient_data')", name=op.f(f"ck_{name}_status")),
        sa.CheckConstraint("(status = 'ok') = (reason IS NULL)", name=op.f(f"ck_{name}_reason")),
    ]
    if scored:
        given = f"(status = 'ok') = (num_nonnulls({', '.join(scored)}) = {len(scored)})"
        checks.append(sa.CheckConstraint(given, name=op.f(f"ck_{name}_scored")))
    op.create_table(
        name,
        *([sa.Column("customer_id", sa.Uuid, nullable=False)] if is_owned else []),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        *own,
        sa.Column("observation_count", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", *keys, name=op.f(f"pk_{name}")),
        *checks,
    )
    if is_owned:
        owned_by_customer(op, name)
    else:
        reference(op, name)


def downgrade() -> None:
    prepare(op)
    op.alter_column("growth_score", "top_white_space", type_=sa.Text(collation="default"))
    for name in ("association_score", "related_products_score", "buy_again_score", "discover_score"):
        op.drop_table(name)
