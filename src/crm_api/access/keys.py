"""Signing keys: made here, encrypted at rest, published as a JWKS (RFC 7517), used for access tokens (RFC 9068)."""

import hashlib
from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.clock import now
from ..settings import SettingsWrong
from .models import SigningKey

ALGORITHM = "ES256"
_FIRST_KEY = 0x43524D4B  # advisory lock: two processes that start at once make one key


def _cipher(secret: str) -> Fernet:
    return Fernet(urlsafe_b64encode(hashlib.sha256(b"signing-key:" + secret.encode()).digest()))


async def make_first_key(session: AsyncSession, secret: str) -> None:
    """Make a signing key unless one is in use."""
    await session.execute(select(func.pg_advisory_xact_lock(_FIRST_KEY)))
    if await session.scalar(select(SigningKey.kid).where(SigningKey.retired_at.is_(None)).limit(1)):
        return
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM})
    row = insert(SigningKey).values(
        kid=key.thumbprint(),
        public_jwk=orjson.dumps(key.as_dict(private=False)).decode(),
        private_jwk_encrypted=_cipher(secret).encrypt(orjson.dumps(key.as_dict(private=True))),
        created_at=now(),
        retired_at=None,
    )
    await session.execute(row.on_conflict_do_nothing())


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
    rows = (await session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc()))).all()
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
