"""`crm keys`: what access tokens are signed with."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from ..access import keys as access_keys
from ..access.models import SigningKey
from ..core.clock import now
from ..core.db import Database
from ..settings import Settings
from .home import operator_settings, program
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported

keys = typer.Typer(no_args_is_help=True, help="Signing keys: what access tokens are signed with.")


@keys.command("list")
@reported
def list_all(output: OutputOption = Format.text) -> None:
    """List the signing keys, the newest first; the first that is not retired signs."""
    with operator_settings() as settings:
        found = [_facts(row, settings) for row in asyncio.run(_listed(settings))]
    lines = [_told(facts) for facts in found]
    Output(output).result(found, "\n".join(lines) or f"There is no key yet: {program()} migrate makes one.")


@keys.command("rotate")
@reported
def rotate(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The old key leaked: tokens signed with it end within half a minute.")
    ] = False,
    secret_lost: Annotated[
        bool, typer.Option("--secret-lost", help="CRM_SECRET_KEY is another one than before, on purpose.")
    ] = False,
    output: OutputOption = Format.text,
) -> None:
    """Let a new key sign. All API processes follow within half a minute; tokens of the old key live to their end."""
    with operator_settings() as settings:
        secret = _secret(settings)
        newest = next((row for row in asyncio.run(_listed(settings)) if row.retired_at is None), None)
        if newest and not secret_lost and not access_keys.can_read(secret, newest.private_jwk_encrypted):
            raise CommandFailed(
                "CRM_SECRET_KEY is not the one the API works with: it could not read a key that is made with this one.",
                "Set the API's own. If that one is lost: set a new one everywhere, "
                f"{program()} keys rotate --secret-lost, and start the API again.",
            )
        kid = asyncio.run(_rotated(settings, secret, at_once=at_once))
    minutes = access_keys.KEPT.total_seconds() / 60
    old = "The old ones are gone" if at_once else f"The old one verifies for another {minutes:.0f} minutes"
    told = f"{kid} signs from now on; every process follows within 30 seconds. {old}."
    Output(output).result({"kid": kid, "at_once": at_once}, told)


def _secret(settings: Settings) -> str:
    if settings.secret_key is None:
        raise CommandFailed("CRM_SECRET_KEY is missing.", "Set it: the new key is encrypted with it.")
    return settings.secret_key.get_secret_value()


def _facts(row: SigningKey, settings: Settings) -> dict[str, object]:
    verifies_until = row.retired_at + access_keys.KEPT if row.retired_at else None
    return {
        "kid": row.kid,
        "created_at": row.created_at,
        "retired_at": row.retired_at,
        "verifies_until": verifies_until,
        "readable": access_keys.can_read(_secret(settings), row.private_jwk_encrypted),
    }


def _told(facts: dict[str, object]) -> str:
    until = facts["verifies_until"]
    if not isinstance(until, datetime):
        state = "in use" if facts["readable"] else "in use, and not readable with this CRM_SECRET_KEY"
    else:
        state = f"{'verifies until' if until > now() else 'served until'} {until:%Y-%m-%d %H:%M} UTC"
    return f"{facts['kid']}  made {facts['created_at']:%Y-%m-%d %H:%M} UTC  {state}"


async def _listed(settings: Settings) -> Sequence[SigningKey]:
    async with Database(settings) as database, database.session() as session:
        return await access_keys.list_keys(session)


async def _rotated(settings: Settings, secret: str, *, at_once: bool) -> str:
    async with Database(settings) as database, database.session() as session:
        return await access_keys.rotate(session, secret, at_once=at_once)
