"""Where tables lie when the database is a Citus cluster; on a plain PostgreSQL every function here does nothing more
than ask.
"""

from typing import Any

from sqlalchemy import text


def prepare(op: Any) -> None:
    """Begin a migration: both settings are accepted by a plain PostgreSQL and needed by Citus."""
    op.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
    op.execute("SET LOCAL citus.enable_local_reference_table_foreign_keys = off")


def owned_by_customer(op: Any, table: str) -> None:
    """Spread a table by `customer_id`, beside the customer it belongs to."""
    if _is_cluster(op):
        op.execute(f"SELECT create_distributed_table('{table}', 'customer_id')")


def looked_up(op: Any, table: str, column: str) -> None:
    """Spread a lookup table by the one column it is looked up by."""
    if _is_cluster(op):
        op.execute(f"SELECT create_distributed_table('{table}', '{column}', colocate_with => 'none')")


def reference(op: Any, table: str) -> None:
    """Keep a small table whole on every node."""
    if _is_cluster(op):
        op.execute(f"SELECT create_reference_table('{table}')")


def _is_cluster(op: Any) -> bool:
    return bool(op.get_bind().execute(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")).scalar())
