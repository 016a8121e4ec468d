"""What an operator does to the database itself: its migrations, and what a fresh one needs."""

import asyncio
from typing import Annotated

import typer

from ..access import WORKER_SCOPES
from ..access.keys import load_ring
from ..access.operations import keep_worker_client, prepare_ground
from ..core import migrations
from ..core.db import Database
from ..settings import Settings
from .home import operator_settings, program
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported


def prepare_database(settings: Settings) -> None:
    """Bring the database up to this code, and make what it needs to issue tokens."""
    migrations.upgrade(settings.sqlalchemy_url)
    asyncio.run(_prepare(settings))


@reported
def migrate(
    revision: Annotated[str, typer.Argument(help="Where to; the newest when left out.")] = "head",
    down: Annotated[bool, typer.Option("--down", help="Go back to it; `base` is the empty database.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Bring the database's tables up to this code, or back to an older revision."""
    if down and revision == "head":
        raise CommandFailed("Back to where?", f"Name the revision, for example: {program()} migrate --down base")
    with operator_settings() as settings:
        if down:
            migrations.downgrade(settings.sqlalchemy_url, revision)
        elif revision == "head":
            prepare_database(settings)
        else:
            migrations.upgrade(settings.sqlalchemy_url, revision)
        present = asyncio.run(_present(settings))
    Output(output).result({"revision": present}, f"The database is at {present or 'base: it has no tables'}.")


async def _prepare(settings: Settings) -> None:
    async with Database(settings) as database, database.session() as session:
        await prepare_ground(session, settings)
        await keep_worker_client(session, settings, WORKER_SCOPES)
        if settings.secret_key:
            # A key that is not the database's is told now, not when the first token is asked for.
            await load_ring(session, settings.secret_key.get_secret_value())


async def _present(settings: Settings) -> str | None:
    async with Database(settings) as database, database.session() as session:
        return await migrations.present(session)
