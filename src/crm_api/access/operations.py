"""Use cases of access."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now, written
from ..core.trail import record
from ..settings import Settings
from . import keys
from .models import Client
from .problems import ClientIdTaken, ClientNotFound, ClientRevoked, UnknownScope
from .scopes import SCOPES
from .tokens import fitting_secret, good_secrets, hasher


async def register_client(
    session: AsyncSession, name: str, scopes: Iterable[str], *, client_id: str | None = None, secret: str | None = None
) -> tuple[str, str]:
    """Register a client; answers its id and its secret, which is never shown again. Errors: UnknownScope,
    ClientIdTaken.
    """
    wanted = sorted(set(scopes))
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise UnknownScope(f"{', '.join(unknown)}; known are {', '.join(SCOPES)}")
    client_id = client_id or f"client_{secrets.token_hex(8)}"
    secret = secret or _new_secret()
    row = insert(Client).values(
        client_id=client_id,
        name=name,
        secret_hash=hasher.hash(secret),
        scopes=wanted,
        created_at=now(),
        revoked_at=None,
    )
    if await session.scalar(row.on_conflict_do_nothing().returning(Client.client_id)) is None:
        raise ClientIdTaken(f"{client_id} is taken")
    record(session, "operator", "client.registered", ("client", client_id), changes={"name": name, "scopes": wanted})
    return client_id, secret


async def list_clients(session: AsyncSession) -> Sequence[Client]:
    """Answer all clients, the oldest first."""
    return (await session.scalars(select(Client).order_by(Client.created_at, Client.client_id))).all()


async def rotate_client(session: AsyncSession, client_id: str, grace: timedelta) -> tuple[str, datetime]:
    """Give a client a new secret; answers it, and until when the one before is good. Of two rotations within the grace
    the second ends the first secret. Errors: ClientNotFound, ClientRevoked.
    """
    client = await _locked(session, client_id)
    if client.revoked_at is not None:
        raise ClientRevoked(f"{client_id} was revoked at {client.revoked_at:%Y-%m-%d %H:%M} UTC")
    secret, until = _new_secret(), now() + grace
    client.former_secret_hash, client.former_secret_until = (client.secret_hash, until) if grace else (None, None)
    client.secret_hash = hasher.hash(secret)
    record(session, "operator", "client.rotated", ("client", client_id), changes={"former_until": written(until)})
    return secret, until


async def revoke_client(session: AsyncSession, client_id: str) -> datetime:
    """Shut a client out for good; its tokens end within half a minute. Answers since when. Errors: ClientNotFound."""
    client = await _locked(session, client_id)
    if client.revoked_at is None:
        client.revoked_at = now()
        client.former_secret_hash = client.former_secret_until = None
        record(session, "operator", "client.revoked", ("client", client_id))
    return client.revoked_at


async def _locked(session: AsyncSession, client_id: str) -> Client:
    client = await session.get(Client, client_id, with_for_update=True)
    if client is None:
        raise ClientNotFound(f"No client {client_id}")
    return client


def _new_secret() -> str:
    return f"crm_{secrets.token_urlsafe(32)}"


async def prepare_ground(session: AsyncSession, settings: Settings) -> None:
    """Make what a fresh database needs before it can issue tokens, a signing key, and drop keys that have served."""
    if settings.secret_key is None:
        raise ValueError("CRM_SECRET_KEY is missing")
    await keys.make_first_key(session, settings.secret_key.get_secret_value())
    await keys.drop_served(session)


async def keep_worker_client(session: AsyncSession, settings: Settings, scopes: Iterable[str]) -> None:
    """Register the worker's client, or bring its secret and scopes up to what the settings say.

    The secret before a rotation is left alone as long as it is good: the settings are brought up next.
    """
    if settings.worker_client_secret is None:
        raise ValueError("CRM_WORKER_CLIENT_SECRET is missing")
    secret = settings.worker_client_secret.get_secret_value()
    client = await session.get(Client, settings.worker_client_id)
    if client is None:
        await register_client(session, "Worker", scopes, client_id=settings.worker_client_id, secret=secret)
        return
    client.scopes = sorted(set(scopes))
    if fitting_secret(secret, good_secrets(client)) is None:
        client.secret_hash = hasher.hash(secret)
