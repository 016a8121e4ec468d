"""The authorization server: Authlib's, run unmodified for the client-credentials grant (RFC 6749, section 4.4)."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import structlog
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientCredentialsGrant, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidScopeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from starlette.datastructures import Headers

from ..core.clock import now
from ..settings import Settings
from .keys import KeyRing, epoch
from .models import Client
from .principal import AUDIENCE

hasher = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
"""OWASP's figures; secrets are 256 random bits, so that guessing is hopeless already."""
_NOBODY = hasher.hash("nobody")
_MOST_SECRETS = 2
_PROVING = ThreadPoolExecutor(2, thread_name_prefix="secrets")
"""Each check takes 19 MiB while it lasts, so however many ask, there are never more than two."""
log = structlog.get_logger()


class _KnownClient(ClientMixin):  # type: ignore[misc]  # Authlib is untyped
    """A client as Authlib asks about it; whether its secret is right was found out before, in a thread."""

    def __init__(self, client: Client, *, proved: bool) -> None:
        self.client, self._proved = client, proved

    def get_client_id(self) -> str:
        return self.client.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(wish for wish in (scope or "").split() if wish in self.client.scopes)

    def check_client_secret(self, client_secret: str) -> bool:
        return self._proved

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib is untyped
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def validate_requested_scope(self) -> None:
        wanted = set((self.request.payload.scope or "").split())
        if beyond := wanted - set(self.request.client.client.scopes):
            raise InvalidScopeError(description=f"the client was not granted {' '.join(sorted(beyond))}")


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib is untyped
    """TLS ends before us, so Authlib is told https."""

    def __init__(self, form: dict[str, str], headers: Headers) -> None:
        super().__init__("POST", "https://localhost/oauth/token", headers=headers)
        self._form = form
        self.payload = BasicOAuth2Payload(form)

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib is untyped
    """Lives for one request."""

    def __init__(self, client: _KnownClient | None, settings: Settings, ring: KeyRing) -> None:
        super().__init__()
        self._known, self._settings, self._ring = client, settings, ring
        self.register_grant(_Grant)

    def query_client(self, client_id: str) -> _KnownClient | None:
        return self._known if self._known is not None and self._known.get_client_id() == client_id else None

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def generate_token(
        self, grant_type: str, client: _KnownClient, scope: str | None = None, **_: Any
    ) -> dict[str, Any]:
        granted = client.get_allowed_scope(scope or "")
        issued = epoch(now())
        claims = {
            "iss": self._settings.issuer,
            "aud": AUDIENCE,
            "sub": client.get_client_id(),
            "client_id": client.get_client_id(),
            "scope": granted,
            "iat": issued,
            "exp": issued + self._settings.token_seconds,
            "jti": uuid4().hex,
        }
        token = self._ring.sign(claims)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._settings.token_seconds,
            "scope": granted,
        }

    def save_token(self, token: dict[str, Any], request: _Request) -> None:
        """Tokens are signed, not stored."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> "TokenAnswer":
        return status, body, dict(headers)


TokenAnswer = tuple[int, dict[str, Any], dict[str, str]]


def client_id_of(form: dict[str, str], headers: Headers) -> tuple[str | None, str | None]:
    """Read the credentials a token request carries, in the Authorization header or in the form."""
    if "authorization" in headers:
        client_id, secret = extract_basic_authorization(headers)
        return client_id, secret
    return form.get("client_id"), form.get("client_secret")


async def token_answer(
    form: dict[str, str], headers: Headers, client: Client | None, settings: Settings, ring: KeyRing
) -> TokenAnswer:
    """Answer a token request: status, body, headers."""
    _, secret = client_id_of(form, headers)
    loop = asyncio.get_running_loop()
    fitting = await loop.run_in_executor(_PROVING, fitting_secret, secret or "", good_secrets(client))
    known = None
    if client is not None:
        known = _KnownClient(client, proved=fitting is not None)
        if fitting is not None and fitting != client.secret_hash:
            log.warning("former_secret_used", client=client.client_id, until=client.former_secret_until)
    server = _Server(known, settings, ring)
    answer: TokenAnswer = server.create_token_response(_Request(form, headers))
    return answer


def good_secrets(client: Client | None) -> list[str]:
    """Answer the hashes of the secrets a client may prove itself with: the present one first."""
    if client is None or client.revoked_at is not None:
        return []
    if client.former_secret_hash is None or client.former_secret_until is None or client.former_secret_until <= now():
        return [client.secret_hash]
    return [client.secret_hash, client.former_secret_hash]


def fitting_secret(secret: str, good: Sequence[str]) -> str | None:
    """Find the hash that a secret fits. Whoever is refused waits equally long, known or not, rotating or not."""
    for stored in good:
        if hasher.verify(secret, stored):
            return stored
    for _ in range(_MOST_SECRETS - len(good)):
        hasher.verify(secret, _NOBODY)
    return None
