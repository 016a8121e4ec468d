"""Who is calling: bearer tokens verified, scopes checked, both visible in OpenAPI."""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.security import OAuth2, SecurityScopes
from sqlalchemy import select

from ..core.db import Database, Session, let_stand_alone
from ..core.idempotency import IdempotencyKey, claim
from ..core.problems import InsufficientScope, Unauthenticated
from ..settings import Settings
from .keys import KeyRing, kid_of
from .living_keys import LivingKeys
from .models import Client
from .scopes import SCOPES

AUDIENCE: Final = "crm-api"
_CHALLENGE: Final = 'Bearer realm="crm-api", resource_metadata="/.well-known/oauth-protected-resource"'
TRUSTED_SECONDS: Final = 30.0
_MOST_TOKENS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request acts for."""

    client_id: str
    scopes: frozenset[str]
    expires_at: int


class Verifier:
    """Verifies access tokens; a verified one is trusted for half a minute, so a revocation is felt within that time."""

    def __init__(self, database: Database, settings: Settings, *, trusted_seconds: float = TRUSTED_SECONDS) -> None:
        self._database, self._settings, self._trusted_seconds = database, settings, trusted_seconds
        self._keys = LivingKeys(database, settings)
        self._ring: KeyRing | None = None
        self._trusted: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def ring(self) -> KeyRing:
        """Answer the signing keys, read again every half minute, so that a rotation reaches every process."""
        ring = await self._keys.read_since(time.monotonic() - self._trusted_seconds)
        if ring is not self._ring:
            if self._ring is not None and self._ring.kids - ring.kids:
                self._trusted.clear()  # a key was dropped, perhaps because it leaked
            self._ring = ring
        return ring

    async def verify(self, token: str) -> Principal:
        """Say who holds a token. Errors: Unauthenticated, with the reason."""
        ring = await self.ring()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._trusted.get(digest)
        if known is not None and known[1] > time.monotonic():
            principal = known[0]
        else:
            principal = await self._verify(token, ring)
            if ring is self._ring:  # else its key may have been dropped meanwhile
                self._trusted[digest] = (principal, time.monotonic() + self._trusted_seconds)
            if len(self._trusted) > _MOST_TOKENS:
                self._trusted.popitem(last=False)
        if principal.expires_at <= time.time():
            raise _refusal("the token has expired; get a new one from /oauth/token")
        return principal

    async def _verify(self, token: str, ring: KeyRing) -> Principal:
        kid = kid_of(token)
        if kid is not None and kid not in ring.kids:
            ring = await self._keys.read_since(time.monotonic())  # another process may have begun to sign with it
        claims = ring.read(token)
        if claims is None:
            raise _refusal("the token was not signed by this service")
        if claims.get("iss") != self._settings.issuer or claims.get("aud") != AUDIENCE:
            raise _refusal("the token was made by or for another service")
        async with self._database.session() as session:
            client = await session.scalar(select(Client).where(Client.client_id == claims["client_id"]))
        if client is None or client.revoked_at is not None:
            raise _refusal("the client was revoked")
        granted = frozenset(str(claims.get("scope", "")).split()) & frozenset(client.scopes)
        return Principal(client.client_id, granted, int(claims["exp"]))


def _refusal(why: str, code: str = "invalid_token") -> Unauthenticated:
    challenge = f'{_CHALLENGE}, error="{code}", error_description="{why}"'
    return Unauthenticated(why[0].upper() + why[1:], headers={"WWW-Authenticate": challenge})


FLOWS = OAuthFlows(clientCredentials=OAuthFlowClientCredentials(tokenUrl="/oauth/token", scopes=SCOPES))


class _Authorize(OAuth2):
    """A permission as a parameter type: `Security(authorize, scopes=["customers:read"])`."""

    def __init__(self) -> None:
        super().__init__(flows=FLOWS, scheme_name="OAuth2", description="Client credentials; tokens live for minutes")

    async def __call__(self, request: Request, required: SecurityScopes) -> Principal:  # type: ignore[override]
        return await authorized(request, required)


class _AuthorizeOnce(OAuth2):
    """As `authorize`, for operations that change something: takes the Idempotency-Key when one is sent."""

    may_stand_alone = False

    def __init__(self) -> None:
        super().__init__(flows=FLOWS, scheme_name="OAuth2", description="Client credentials; tokens live for minutes")

    async def __call__(  # type: ignore[override]
        self, request: Request, required: SecurityScopes, session: Session, key: IdempotencyKey = None
    ) -> Principal:
        who = await authorized(request, required)
        if self.may_stand_alone and not request.state.must_begin:
            let_stand_alone(session)
        if key is not None:
            await claim(request, session, who.client_id, key)
        return who


class _AuthorizeAtOnce(_AuthorizeOnce):
    """As `authorize_once`, for operations that are mostly one statement; they begin no transaction for it."""

    may_stand_alone = True


authorize = _Authorize()
authorize_once = _AuthorizeOnce()
authorize_at_once = _AuthorizeAtOnce()


async def authorized(request: Request, required: SecurityScopes) -> Principal:
    """Say who calls, and spend one of their requests. Errors: Unauthenticated, InsufficientScope, TooManyRequests."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            "Send an access token: Authorization: Bearer …",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    app = request.app
    who: Principal = await app.state.verifier.verify(token.strip())
    request.state.client_id = who.client_id
    reads = request.method in ("GET", "HEAD") or all(scope.endswith(":read") for scope in required.scopes)
    request.state.allowance = app.state.rate_limit.take(who.client_id, "read" if reads else "write")
    if missing := [scope for scope in required.scopes if scope not in who.scopes]:
        names = " ".join(missing)
        challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{names}"'
        raise InsufficientScope(f"The token lacks {names}", headers={"WWW-Authenticate": challenge}, missing=missing)
    return who
