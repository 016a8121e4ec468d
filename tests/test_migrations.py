"""Migrations go up and down, and end where the models say."""

import asyncio

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from crm_api.core import migrations
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.models import Base


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata))


async def test_up_down_up(postgres: ThrowawayPostgres) -> None:
    admin = await asyncpg.connect(postgres.url_of("postgres", "postgres"))
    await admin.execute("CREATE DATABASE up_down OWNER crm")
    await admin.close()
    url = postgres.url_of("up_down").replace("postgresql://", "postgresql+asyncpg://")
    await asyncio.to_thread(migrations.upgrade, url)
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await asyncio.to_thread(migrations.downgrade, url, "base")
    async with engine.connect() as connection:
        left = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        )
        assert left.all() == ["alembic_version"]
    await asyncio.to_thread(migrations.upgrade, url)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


def test_the_newest_revision_is_the_one_alembic_goes_to() -> None:
    script = ScriptDirectory.from_config(migrations.config("postgresql+asyncpg://nobody@127.0.0.1/none"))
    assert script.get_heads() == [migrations.newest()]
