"""Use cases of access."""

import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.trail import record
from ..settings import Settings
from . import keys
from .models import Client
from .problems import ClientIdTaken, UnknownScope
from .scopes import SCOPES
from .tokens import hasher


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
    secret = secret or f"crm_{secrets.token_urlsafe(32)}"
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


async def prepare_ground(session: AsyncSession, settings: Settings) -> None:
    """Make what a fresh database needs before it can issue tokens: a signing key."""
    if settings.secret_key is None:
        raise ValueError("CRM_SECRET_KEY is missing")
    await keys.make_first_key(session, settings.secret_key.get_secret_value())


async def keep_worker_client(session: AsyncSession, settings: Settings, scopes: Iterable[str]) -> None:
    """Register the worker's client, or bring its secret and scopes up to what the settings say."""
    if settings.worker_client_secret is None:
        raise ValueError("CRM_WORKER_CLIENT_SECRET is missing")
    secret = settings.worker_client_secret.get_secret_value()
    client = await session.get(Client, settings.worker_client_id)
    if client is None:
        await register_client(session, "Worker", scopes, client_id=settings.worker_client_id, secret=secret)
        return
    client.scopes = sorted(set(scopes))
    if not hasher.verify(secret, client.secret_hash):
        client.secret_hash = hasher.hash(secret)
