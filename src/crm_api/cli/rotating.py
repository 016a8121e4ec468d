"""`crm client rotate` and `crm client revoke`: a new secret for a client, or its end."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import typer

from ..access.operations import revoke_client, rotate_client
from ..core.clock import written
from ..core.db import Database
from ..core.secret_files import write_secret
from ..settings import Settings, read_settings
from .home import Home, KeptClient, operator_settings, program
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported
from .spans import span

ClientArgument = Annotated[str, typer.Argument(metavar="ID", help="Its id, as `crm client list` tells it.")]
GraceOption = Annotated[
    timedelta,
    typer.Option(
        parser=span, metavar="SPAN", help="How long the old secret stays good: 90s, 30m, 1h, 7d; 0 ends it now."
    ),
]

_RESTART = "Start the workers again before the old secret ends"


@reported
def rotate(client_id: ClientArgument, grace: GraceOption = "24h", output: OutputOption = Format.text) -> None:  # type: ignore[assignment]  # typer parses the default too
    """Give a client a new secret, printed once. The old one stays good for the grace."""
    given, home = read_settings(), Home(read_settings().home)
    with operator_settings() as settings:
        secret, until = asyncio.run(_rotated(settings, client_id, grace))
    kept = _keep(given, home, client_id, secret)
    old = f"until {until:%Y-%m-%d %H:%M:%S} UTC" if grace else "no longer"
    told = f"client_id      {client_id}\nclient_secret  {secret}\nold secret     good {old}\n"
    facts = {
        "client_id": client_id,
        "client_secret": secret,
        "former_secret_until": written(until) if grace else None,
        "saved": kept is not None,
    }
    Output(output).result(facts, told + (kept or "The secret is not shown again."))


@reported
def revoke(client_id: ClientArgument, output: OutputOption = Format.text) -> None:
    """Shut a client out for good; its tokens end within half a minute."""
    with operator_settings() as settings:
        since = asyncio.run(_revoked(settings, client_id))
        is_worker = client_id == settings.worker_client_id
    told = f"{client_id} is revoked since {since:%Y-%m-%d %H:%M:%S} UTC. Its tokens end within 30 seconds."
    if is_worker:
        told += f"\nThe workers were this client: give them another CRM_WORKER_CLIENT_ID, then {program()} migrate."
    Output(output).result({"client_id": client_id, "revoked_at": written(since)}, told)


def _keep(given: Settings, home: Home, client_id: str, secret: str) -> str | None:
    """Put the new secret where the old one is kept here; says what is to be done next, or nothing."""
    kept = []
    for name in home.kept_clients():
        try:
            saved = home.kept_client(name)
        except CommandFailed:
            continue  # a damaged file is nobody's
        if saved.client_id == client_id:
            home.keep_client(name, KeptClient(client_id, secret, saved.scope))
            kept.append(f"Saved for {program()} token --client {name}.")
    if client_id == given.worker_client_id:
        file = home.folder / "worker.secret"
        if given.worker_client_secret is None and file.exists():
            write_secret(file, secret)
            kept.append(f"Saved in {file}. {_RESTART}: {program()} down, {program()} up.")
        else:
            kept.append(f"Set CRM_WORKER_CLIENT_SECRET to it. {_RESTART}.")
    return "\n".join(kept) or None


async def _rotated(settings: Settings, client_id: str, grace: timedelta) -> tuple[str, datetime]:
    async with Database(settings) as database, database.session() as session:
        return await rotate_client(session, client_id, grace)


async def _revoked(settings: Settings, client_id: str) -> datetime:
    async with Database(settings) as database, database.session() as session:
        return await revoke_client(session, client_id)
