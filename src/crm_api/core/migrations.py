"""Migrations, driven from code: no file but the revisions themselves has to be found."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parents[3] / "migrations"
# Alembic is imported where it is used: it costs 12 MB, and a process that serves never migrates.


def config(sqlalchemy_url: str) -> "Config":
    """Configure alembic for one database, given as `postgresql+asyncpg://…`."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    settings.set_main_option("sqlalchemy.url", sqlalchemy_url.replace("%", "%%"))
    return settings


def upgrade(sqlalchemy_url: str, revision: str = "head") -> None:
    """Bring a database up to a revision; blocks, and runs a loop of its own."""
    from alembic import command

    command.upgrade(config(sqlalchemy_url), revision)


def downgrade(sqlalchemy_url: str, revision: str) -> None:
    """Take a database back to a revision, `base` for empty."""
    from alembic import command

    command.downgrade(config(sqlalchemy_url), revision)


def newest() -> str:
    """Name the revision this code wants: revisions are numbered, and their files begin with the number."""
    return max(path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py"))


async def present(session: AsyncSession) -> str | None:
    """Name the revision a database is at, or nothing when it was never migrated."""
    if not await session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    revision: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
