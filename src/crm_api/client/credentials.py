"""The access token of a client: fetched once, renewed before it ends, shared by all calls of a session."""

import asyncio
from time import monotonic

import httpx
import orjson

from .patience import patiently

GRANT_PATH = "/oauth/token"


class TokenSource:
    """OAuth 2 client credentials (RFC 6749, section 4.4), with the secret in the Authorization header.

    A token has only the scopes it is asked for, and is renewed when a fifth of its life is left, or at once after
    `reject`.
    """

    def __init__(
        self, http: httpx.AsyncClient, client_id: str, client_secret: str, scope: str, patience_seconds: float
    ) -> None:
        self._http = http
        self._form = {"grant_type": "client_credentials", "scope": scope}
        self._login = httpx.BasicAuth(client_id, client_secret)
        self._patience_seconds = patience_seconds
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def token(self) -> str:
        """Give a token that is still good for a while; of many waiting callers only one fetches it."""
        async with self._lock:
            if not self._token or monotonic() >= self._renew_at:
                await self._fetch()
            return self._token

    def reject(self, token: str) -> None:
        """Forget a token that the API refused, unless another caller has renewed it meanwhile."""
        if token == self._token:
            self._token = ""

    async def _fetch(self) -> None:
        asked_at = monotonic()
        response = await patiently(self._ask, idempotent=True, patience_seconds=self._patience_seconds)
        granted = orjson.loads(response.content)
        self._token = str(granted["access_token"])
        self._renew_at = asked_at + 0.8 * float(granted.get("expires_in", 60))

    async def _ask(self) -> httpx.Response:
        return await self._http.post(GRANT_PATH, data=self._form, auth=self._login)
