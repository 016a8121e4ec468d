"""Runs the revisions on one connection, in one transaction each, never waiting long for a lock."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from crm_api.models import Base


def run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Base.metadata, transaction_per_migration=True, compare_type=True
    )
    with context.begin_transaction():
        connection.execute(text("SET lock_timeout = '5s'"))
        context.run_migrations()


async def migrate() -> None:
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(migrate())
