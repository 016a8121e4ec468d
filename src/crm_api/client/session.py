"""A session with the API: token, retries and streams in one place, so that typed calls are one line each."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from .. import __version__
from .credentials import TokenSource
from .patience import patiently
from .problems import ApiInterrupted, ApiProblem

NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})

Param = str | int | float | bool | None
Params = Mapping[str, Param | Sequence[Param]]
Chunks = AsyncIterator[bytes] | Callable[[], AsyncIterator[bytes]]


class ApiClient:
    """Calls of one OAuth client; use it as an async context manager.

    Calls that may be repeated without harm (GET, PUT, DELETE, anything with an idempotency key, a batch given as a
    callable) are tried again after broken connections, 502, 503 and 504 for `patience_seconds`; others only when they
    were certainly not executed. A token is fetched when needed and renewed before it ends, or once when it is refused.
    Errors of every call: ApiProblem for an answer of 400 or above, ApiUnreachable, ApiInterrupted.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        scope: str = "",
        patience_seconds: float = 30.0,
    ) -> None:
        """Name the API and the client; `scope` is what the client wants to do, separated by spaces."""
        self._patience_seconds = patience_seconds
        # The answer to a batch starts only when all of it has been stored: reading may have to wait for minutes.
        self._http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport,
            timeout=httpx.Timeout(30.0, read=600.0, pool=None),
            headers={"User-Agent": f"crm-api-client/{__version__}"},
            # A proxy of the environment is for the world outside, never for this machine.
            trust_env=httpx.URL(base_url).host not in LOOPBACK,
        )
        self._tokens = TokenSource(self._http, client_id, client_secret, scope, patience_seconds)

    async def __aenter__(self) -> Self:
        """Open the session; the first call fetches the token."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, for callers that cannot use a `with` block."""
        await self._http.aclose()

    async def get(self, path: str, params: Params | None = None) -> Any:
        """Read JSON."""
        return _parsed(await self.send("GET", path, params=params))

    async def post(self, path: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """Post JSON; with an idempotency key the call is repeated when its fate is unknown."""
        return _parsed(await self.send("POST", path, body=body, idempotency_key=idempotency_key))

    async def put(self, path: str, body: Any = None, *, if_match: str | None = None) -> Any:
        """Put JSON."""
        return _parsed(await self.send("PUT", path, body=body, headers=_if_match(if_match)))

    async def patch(
        self, path: str, body: Any, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Any:
        """Change a resource by a merge patch (RFC 7396)."""
        headers = {"Content-Type": MERGE_PATCH, **_if_match(if_match)}
        return _parsed(await self.send("PATCH", path, body=body, headers=headers, idempotency_key=idempotency_key))

    async def delete(self, path: str) -> Any:
        """Delete a resource."""
        return _parsed(await self.send("DELETE", path))

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> httpx.Response:
        """Make one call and give the whole answer, for callers that need its headers or its bytes.

        `content` is sent as it is, in place of a JSON body; `headers` then say what it is.
        """
        content = content if body is None else orjson.dumps(body)
        sent = {} if body is None else {"Content-Type": "application/json"}
        sent |= {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        sent |= headers or {}

        def build() -> httpx.Request:
            return self._http.build_request(method, path, params=_given(params), content=content, headers=sent)

        repeatable = method in REPEATABLE_METHODS or idempotency_key is not None
        async with self._answer(build, idempotent=repeatable) as response, _unbroken(path):
            await response.aread()
            return response

    async def stream_batch(
        self,
        path: str,
        chunks: Chunks,
        content_type: str = NDJSON,
        *,
        method: str = "POST",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Upload a stream and yield the answer line by line, the summary last.

        `chunks` as a callable is called anew for each attempt; an iterator can be sent only once and is never repeated.
        Errors: also ApiInterrupted when the answer ends without its summary.
        """
        sent = {"Content-Type": content_type, "Accept": NDJSON, **(headers or {})}

        def build() -> httpx.Request:
            content = chunks() if callable(chunks) else chunks
            return self._http.build_request(method, path, params=_given(params), content=content, headers=sent)

        async with self._answer(build, idempotent=callable(chunks), once=not callable(chunks)) as response:
            line: dict[str, Any] = {}
            async for line in _lines(response, path):
                yield line
            if "summary" not in line:
                raise ApiInterrupted(f"{path}: the answer ended without its summary")

    async def stream_out(
        self,
        path: str,
        params: Params | None = None,
        accept: str = NDJSON,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[bytes]:
        """Download a stream as it comes, in chunks of any size."""
        async with self._download(path, params, {"Accept": accept, **(headers or {})}) as response, _unbroken(path):
            async for chunk in response.aiter_bytes():
                yield chunk

    async def stream_lines(self, path: str, params: Params | None = None) -> AsyncIterator[dict[str, Any]]:
        """Download a stream of NDJSON and yield its objects."""
        async with self._download(path, params, {"Accept": NDJSON}) as response:
            async for line in _lines(response, path):
                yield line

    @asynccontextmanager
    async def _download(
        self, path: str, params: Params | None, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        def build() -> httpx.Request:
            return self._http.build_request("GET", path, params=_given(params), headers=headers)

        async with self._answer(build, idempotent=True) as response:
            yield response

    @asynccontextmanager
    async def _answer(
        self, build: Callable[[], httpx.Request], *, idempotent: bool, once: bool = False
    ) -> AsyncIterator[httpx.Response]:
        """Send until the API accepts, and lend the answer with its body still unread."""
        token = ""

        async def call() -> httpx.Response:
            nonlocal token
            token = await self._tokens.token()
            request = build()
            request.headers["Authorization"] = f"Bearer {token}"
            return await self._http.send(request, stream=True)

        patience_seconds = 0.0 if once else self._patience_seconds
        try:
            response = await patiently(call, idempotent=idempotent, patience_seconds=patience_seconds)
        except ApiProblem as problem:
            if problem.status != 401 or once:
                raise
            self._tokens.reject(token)
            response = await patiently(call, idempotent=idempotent, patience_seconds=patience_seconds)
        try:
            yield response
        finally:
            await response.aclose()


@asynccontextmanager
async def _unbroken(path: str) -> AsyncIterator[None]:
    """Name the call whose answer broke off."""
    try:
        yield
    except httpx.TransportError as error:
        raise ApiInterrupted(f"{path}: {str(error) or type(error).__name__}") from error


async def _lines(response: httpx.Response, path: str) -> AsyncIterator[dict[str, Any]]:
    """Parse NDJSON; a last line without its end was cut off and is no line."""
    rest = b""
    async with _unbroken(path):
        async for chunk in response.aiter_bytes():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line:
                    yield orjson.loads(line)
    if rest:
        raise ApiInterrupted(f"{path}: the last line was cut off")


def _parsed(response: httpx.Response) -> Any:
    return orjson.loads(response.content) if response.content else None


def _if_match(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def _given(params: Params | None) -> dict[str, Param | Sequence[Param]]:
    """Leave out parameters that are None: absent, not empty."""
    return {name: value for name, value in (params or {}).items() if value is not None}
