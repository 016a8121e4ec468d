"""Signing keys: made here, encrypted at rest, published as a JWKS (RFC 7517), used for access tokens (RFC 9068)."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..core.trail import record
from ..settings import LONGEST_TOKEN_SECONDS, SettingsWrong
from .models import SigningKey

ALGORITHM = "ES256"
_KEYS = 0x43524D4B  # advisory lock: two processes that start at once make one key, and rotations follow one another
KEPT = timedelta(seconds=LONGEST_TOKEN_SECONDS) + timedelta(minutes=10)
"""For so long a retired key still verifies: while the last tokens it signed live, and clocks differ a little."""


def _cipher(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(hashlib.sha256(b"signing-key:" + secret.encode()).digest()))


async def make_first_key(session: AsyncSession, secret: str) -> None:
    """Make a signing key unless one is in use."""
    await session.execute(select(func.pg_advisory_xact_lock(_KEYS)))
    if not await session.scalar(select(SigningKey.kid).where(SigningKey.retired_at.is_(None)).limit(1)):
        await _make_key(session, secret)


async def rotate(session: AsyncSession, secret: str, *, at_once: bool = False) -> str:
    """Let a new key sign from now on; answers its name. The one before verifies as long as its tokens live, or, when it
    leaked, not even now: `at_once`.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_KEYS)))
    if at_once:
        await session.execute(delete(SigningKey))
    else:
        await session.execute(update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=now()))
        await drop_served(session)
    kid = await _make_key(session, secret)
    record(session, "operator", "key.rotated", ("signing_key", kid), changes={"at_once": at_once})
    return kid


async def drop_served(session: AsyncSession) -> None:
    """Drop the keys whose last token has expired."""
    await session.execute(delete(SigningKey).where(SigningKey.retired_at < now() - KEPT))


async def list_keys(session: AsyncSession) -> Sequence[SigningKey]:
    """Answer all keys, the newest first."""
    return (await session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc()))).all()


async def _make_key(session: AsyncSession, secret: str) -> str:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM})
    row = insert(SigningKey).values(
        kid=key.thumbprint(),
        public_jwk=orjson.dumps(key.as_dict(private=False)).decode(),
        private_jwk_encrypted=_cipher(secret).encrypt(orjson.dumps(key.as_dict(private=True))),
        created_at=now(),
        retired_at=None,
    )
    await session.execute(row)
    return key.thumbprint()


def can_read(secret: str, encrypted: bytes) -> bool:
    """Say whether a private key was encrypted with this secret."""
    try:
        return bool(_cipher(secret).decrypt(encrypted))
    except InvalidToken:
        return False


class KeyRing:
    """The keys of one moment: the newest signs, all that are not long retired verify."""

    def __init__(self, signing: tuple[str, ECKey], public: dict[str, ECKey]) -> None:
        self._kid, self._signing = signing
        self._public = public
        self.kids = frozenset(public)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in self._public.items()]}

    def sign(self, claims: dict[str, Any]) -> str:
        """Write an access token (RFC 9068)."""
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": self._kid}, claims, self._signing)

    def read(self, token: str) -> dict[str, Any] | None:
        """Answer the claims of a token one of our keys signed, or nothing; its times are not looked at."""
        try:
            found = jwt.decode(token, KeySet(list(self._public.values())), algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            return None
        return found.claims if found.header.get("typ") == "at+jwt" else None


async def load_ring(session: AsyncSession, secret: str) -> KeyRing:
    """Read the keys. Errors: SettingsWrong when CRM_SECRET_KEY is not the one they were encrypted with."""
    good = or_(SigningKey.retired_at.is_(None), SigningKey.retired_at >= now() - KEPT)
    rows = (await session.scalars(select(SigningKey).where(good).order_by(SigningKey.created_at.desc()))).all()
    newest = next((row for row in rows if row.retired_at is None), None)
    if newest is None:
        raise SettingsWrong("The database has no signing key: run `crm migrate`, which makes one")
    try:
        private = _cipher(secret).decrypt(newest.private_jwk_encrypted)
    except InvalidToken:
        raise SettingsWrong(
            "CRM_SECRET_KEY: not the key the signing key was encrypted with; restore the old one"
        ) from None
    signing = ECKey.import_key(orjson.loads(private))
    return KeyRing((newest.kid, signing), {row.kid: _public(row) for row in rows})


def _public(row: SigningKey) -> ECKey:
    return ECKey.import_key({**orjson.loads(row.public_jwk), "kid": row.kid})


def epoch(at: datetime) -> int:
    """Seconds since 1970, as JWT writes times."""
    return int(at.timestamp())


def kid_of(token: str) -> str | None:
    """Answer the name of the key that a token says it was signed with; nothing is verified."""
    try:
        head = orjson.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
        kid = head["kid"]
    except (ValueError, KeyError, TypeError):
        return None
    return kid if isinstance(kid, str) else None
