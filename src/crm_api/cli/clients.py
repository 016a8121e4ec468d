"""OAuth clients: registered in the database, asking for tokens by HTTP as everybody does."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated

import httpx
import typer

from ..access import SCOPES
from ..access.models import Client
from ..access.operations import list_clients, register_client
from ..client.problems import problem_of
from ..core.clock import now, written
from ..core.db import Database
from ..settings import Settings, read_settings
from .home import Home, KeptClient, operator_settings, program
from .output import Format, Output, OutputOption
from .reporting import reported
from .rotating import revoke, rotate

client = typer.Typer(no_args_is_help=True, help="OAuth clients: who may call, and what they may do.")
# What only a worker does is not part of `all`.
_OF_WORKERS = ("jobs:work", "scores:write")
ALL_SCOPES = tuple(scope for scope in SCOPES if scope not in _OF_WORKERS)

ScopeOption = Annotated[
    list[str], typer.Option(help="What it may do, repeated or separated by commas; `all` for everything.")
]


@client.command("create")
@reported
def create_client(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    scope: ScopeOption,
    save: Annotated[bool, typer.Option("--save", help="Keep the secret here, for `crm token --client NAME`.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Register a client; its id and secret are printed once. One saved already under this name is left as it is."""
    out, home = Output(output), Home(read_settings().home)
    with operator_settings() as settings:
        if save and (kept := kept_and_known(settings, home, name)):
            facts = {"client_id": kept.client_id, "name": name, "scopes": kept.scope.split(), "saved": True}
            out.result(facts, f"The client {name!r} is saved already: {kept.client_id}")
            return
        made = register(settings, name, expanded(scope))
    if save:
        home.keep_client(name, made)
    facts = {"client_id": made.client_id, "client_secret": made.secret, "name": name, "scopes": made.scope.split()}
    told = f"client_id      {made.client_id}\nclient_secret  {made.secret}\nscopes         {made.scope}\n"
    saved = f"Saved. A token: {program()} token --client {name}"
    out.result({**facts, "saved": save}, told + (saved if save else "The secret is not shown again."))


@client.command("list")
@reported
def list_all(output: OutputOption = Format.text) -> None:
    """List the clients, the oldest first."""
    with operator_settings() as settings:
        found = asyncio.run(_listed(settings))
    lines = [f"{row.client_id}  {row.name}{_state(row)}\n    {' '.join(row.scopes)}" for row in found]
    Output(output).result([_facts(row) for row in found], "\n".join(lines) or "There is no client yet.")


client.command("rotate")(rotate)
client.command("revoke")(revoke)


@reported
def token(
    client: Annotated[str | None, typer.Option(help="A client saved here; not needed when only one is.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Only these of its scopes.")] = None,
    output: OutputOption = Format.text,
) -> None:
    """Print an access token, fetched from the API as any client fetches it."""
    home = Home(read_settings().home)
    saved = home.chosen_client(client, "token --client")
    wanted = " ".join(expanded(scope)) if scope else saved.scope
    answer = httpx.post(
        f"{home.api_url()}/oauth/token",
        data={"grant_type": "client_credentials", "scope": wanted},
        auth=(saved.client_id, saved.secret),
        timeout=30,
    )
    if answer.is_error:
        raise problem_of(answer)
    granted = answer.json()
    Output(output).result(granted, granted["access_token"])


def expanded(scopes: Iterable[str]) -> list[str]:
    """Read scopes as people type them."""
    words = [word for part in scopes for word in part.replace(",", " ").split()]
    return sorted({scope for word in words for scope in (ALL_SCOPES if word == "all" else (word,))})


def kept_and_known(settings: Settings, home: Home, name: str) -> KeptClient | None:
    """Return the client saved under a name, when this database knows it too."""
    if name not in home.kept_clients():
        return None
    kept = home.kept_client(name)
    known = any(row.client_id == kept.client_id and not row.revoked_at for row in asyncio.run(_listed(settings)))
    return kept if known else None


def register(settings: Settings, name: str, scopes: Iterable[str]) -> KeptClient:
    """Register a client."""
    return asyncio.run(_registered(settings, name, sorted(scopes)))


async def _registered(settings: Settings, name: str, scopes: list[str]) -> KeptClient:
    async with Database(settings) as database, database.session() as session:
        return KeptClient(*await register_client(session, name, scopes), " ".join(scopes))


async def _listed(settings: Settings) -> Sequence[Client]:
    async with Database(settings) as database, database.session() as session:
        return await list_clients(session)


def _facts(row: Client) -> dict[str, object]:
    return {
        "client_id": row.client_id,
        "name": row.name,
        "scopes": row.scopes,
        "created_at": written(row.created_at),
        "revoked_at": written(row.revoked_at) if row.revoked_at else None,
        "former_secret_until": written(row.former_secret_until) if row.former_secret_until else None,
    }


def _state(row: Client) -> str:
    if row.revoked_at:
        return f" (revoked {row.revoked_at:%Y-%m-%d %H:%M} UTC)"
    if row.former_secret_until and row.former_secret_until > now():
        return f" (its old secret is good until {row.former_secret_until:%Y-%m-%d %H:%M} UTC)"
    return ""
