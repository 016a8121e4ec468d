"""Migrations, driven from code: no file but the revisions themselves has to be found."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

FOLDER = Path(__file__).parents[3] / "migrations"


def config(sqlalchemy_url: str) -> Config:
    """Configure alembic for one database, given as `postgresql+asyncpg://…`."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.set_main_option("sqlalchemy.url", sqlalchemy_url.replace("%", "%%"))
    return settings


def upgrade(sqlalchemy_url: str, revision: str = "head") -> None:
    """Bring a database up to a revision; blocks, and runs a loop of its own."""
    command.upgrade(config(sqlalchemy_url), revision)


def downgrade(sqlalchemy_url: str, revision: str) -> None:
    """Take a database back to a revision, `base` for empty."""
    command.downgrade(config(sqlalchemy_url), revision)


def newest() -> str | None:
    """Name the revision this code wants."""
    return ScriptDirectory(str(FOLDER)).get_current_head()


async def present(session: AsyncSession) -> str | None:
    """Name the revision a database is at, or nothing when it was never migrated."""
    if not await session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    revision: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
