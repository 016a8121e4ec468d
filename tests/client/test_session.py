"""The client session against a small API that grants tokens, refuses, breaks off and comes back."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from crm_api.client import ApiClient, ApiInterrupted, ApiProblem, ApiUnreachable


class SmallApi:
    """An API in memory: answers are queued by the test, everything received is kept."""

    def __init__(self, *, token_seconds: int = 600) -> None:
        self.token_seconds = token_seconds
        self.granted = 0
        self.good_tokens: set[str] = set()
        self.answers: list[Response] = []
        self.requests: list[tuple[Request, bytes]] = []
        routes = [
            Route("/oauth/token", self.grant, methods=["POST"]),
            Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
        self.app = Starlette(routes=routes)

    async def grant(self, request: Request) -> Response:
        login = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if login != "partner:secret":
            return JSONResponse({"error": "invalid_client", "error_description": "No such client"}, 401)
        self.granted += 1
        self.scope = (await request.form()).get("scope")
        token = f"token-{self.granted}"
        self.good_tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})

    async def answer(self, request: Request) -> Response:
        self.requests.append((request, await request.body()))
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good_tokens:
            return problem(401, "unauthenticated")
        return self.answers.pop(0) if self.answers else JSONResponse({"ok": True})

    def client(self, secret: str = "secret", *, patience_seconds: float = 5) -> ApiClient:
        transport = httpx.ASGITransport(self.app)
        return ApiClient("http://api.test", "partner", secret, transport, patience_seconds=patience_seconds)


def problem(status: int, code: str, **headers: str) -> Response:
    document = {"status": status, "code": code, "title": code, "detail": f"It is {code}"}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(document, status, names, media_type="application/problem+json")


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_token_is_asked_for_with_its_scopes() -> None:
    small = SmallApi()
    transport = httpx.ASGITransport(small.app)
    async with ApiClient("http://api.test", "partner", "secret", transport, scope="customers:read fields:read") as api:
        await api.get("/v1/customers")
    assert small.scope == "customers:read fields:read"


async def test_one_token_serves_all_calls_at_once() -> None:
    small = SmallApi()
    async with small.client() as api:
        answers = await asyncio.gather(*(api.get("/v1/customers") for _ in range(8)))
    assert answers == [{"ok": True}] * 8
    assert small.granted == 1


async def test_a_token_is_renewed_before_it_ends() -> None:
    small = SmallApi(token_seconds=0)
    async with small.client() as api:
        await api.get("/v1/customers")
        await api.get("/v1/customers")
    assert small.granted == 2


async def test_a_refused_token_is_replaced_once_and_the_call_repeated() -> None:
    small = SmallApi()
    async with small.client() as api:
        await api.get("/v1/customers")
        small.good_tokens.clear()
        assert await api.post("/v1/customers", {"a": 1}) == {"ok": True}
    assert small.granted == 2
    assert [body for _, body in small.requests] == [b"", b'{"a":1}', b'{"a":1}']


async def test_a_token_that_is_always_refused_ends_in_the_problem() -> None:
    small = SmallApi()
    small.answers = [problem(401, "unauthenticated"), problem(401, "unauthenticated")]
    async with small.client() as api:
        with pytest.raises(ApiProblem) as raised:
            await api.get("/v1/customers")
    assert raised.value.status == 401
    assert small.granted == 2


async def test_a_wrong_secret_is_told_in_words() -> None:
    async with SmallApi().client(secret="wrong") as api:
        with pytest.raises(ApiProblem, match="401 invalid_client: No such client"):
            await api.get("/v1/customers")


async def test_a_problem_carries_its_document() -> None:
    small = SmallApi()
    fault = {"pointer": "/items/0/sku", "code": "missing", "detail": "sku is missing"}
    small.answers = [JSONResponse({"code": "invalid-request", "detail": "No", "errors": [fault]}, 422)]
    async with small.client() as api:
        with pytest.raises(ApiProblem) as raised:
            await api.post("/v1/touchpoints", {})
    assert (raised.value.status, raised.value.code, raised.value.errors) == (422, "invalid-request", [fault])
    assert "/items/0/sku sku is missing" in str(raised.value)


async def test_a_refusal_that_is_no_json_is_a_problem_too() -> None:
    small = SmallApi()
    small.answers = [Response("gateway says no", 400)]
    async with small.client() as api:
        with pytest.raises(ApiProblem, match="gateway says no"):
            await api.get("/v1/customers")


async def test_reading_waits_until_the_api_is_back() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available"), problem(502, "x"), JSONResponse({"back": True})]
    async with small.client() as api:
        assert await api.get("/v1/customers") == {"back": True}
    assert len(small.requests) == 3


async def test_writing_without_a_key_is_not_repeated_when_its_fate_is_unknown() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available")]
    async with small.client() as api:
        with pytest.raises(ApiProblem) as raised:
            await api.post("/v1/customers", {})
    assert raised.value.status == 503
    assert len(small.requests) == 1


async def test_writing_with_a_key_is_repeated_with_the_same_key() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available"), problem(409, "in-progress", retry_after="0")]
    async with small.client() as api:
        assert await api.post("/v1/customers", {}, idempotency_key="k-1") == {"ok": True}
    assert [request.headers["idempotency-key"] for request, _ in small.requests] == ["k-1"] * 3


async def test_too_many_requests_waits_as_long_as_asked() -> None:
    small = SmallApi()
    small.answers = [problem(429, "too-many-requests", retry_after="1")]
    async with small.client() as api:
        started = asyncio.get_running_loop().time()
        assert await api.post("/v1/customers", {}) == {"ok": True}
    assert asyncio.get_running_loop().time() - started >= 1


async def test_a_conflict_is_no_reason_to_repeat() -> None:
    small = SmallApi()
    small.answers = [problem(409, "taken")]
    async with small.client() as api:
        with pytest.raises(ApiProblem, match="409 taken"):
            await api.put("/v1/products/by-sku/1", {})
    assert len(small.requests) == 1


async def test_patience_ends() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available")] * 50
    async with small.client(patience_seconds=0.5) as api:
        with pytest.raises(ApiProblem, match="503"):
            await api.get("/v1/customers")
    assert 2 <= len(small.requests) < 8


async def test_an_answer_without_a_body_is_none() -> None:
    small = SmallApi()
    small.answers = [Response(status_code=204)]
    async with small.client() as api:
        assert await api.delete("/v1/customers/1") is None


async def test_a_patch_is_a_merge_patch_with_its_version() -> None:
    small = SmallApi()
    async with small.client() as api:
        await api.patch("/v1/customers/1", {"birth_date": None}, if_match='"3"')
    [(request, body)] = small.requests
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert (request.headers["if-match"], body) == ('"3"', b'{"birth_date":null}')


async def test_parameters_that_are_none_are_left_out() -> None:
    small = SmallApi()
    async with small.client() as api:
        await api.get("/v1/customers", {"limit": 10, "cursor": None})
    assert str(small.requests[0][0].url.query) == "limit=10"


async def test_a_batch_goes_up_in_chunks_and_comes_back_in_lines() -> None:
    small = SmallApi()
    lines = [{"index": 1, "status": 422, "problem": {}}, {"summary": {"received": 2, "rejected": 1}}]
    small.answers = [Response(b"\n".join(map(orjson.dumps, lines)) + b"\n")]
    async with small.client() as api:
        answer = [line async for line in api.stream_batch("/v1/products/batch", chunks(b'{"a":', b"1}\n"))]
    [(request, body)] = small.requests
    assert answer == lines
    assert body == b'{"a":1}\n'
    assert request.headers["content-type"] == "application/x-ndjson"


async def test_a_batch_that_can_be_made_anew_is_repeated_whole() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available"), Response(b'{"summary":{}}\n')]
    async with small.client() as api:
        answer = [line async for line in api.stream_batch("/b", lambda: chunks(b"1\n", b"2\n"))]
    assert answer == [{"summary": {}}]
    assert [body for _, body in small.requests] == [b"1\n2\n"] * 2


async def test_a_batch_that_can_be_sent_only_once_is_not_repeated() -> None:
    small = SmallApi()
    small.answers = [problem(503, "not-available"), Response(b'{"summary":{}}\n')]
    async with small.client() as api:
        with pytest.raises(ApiProblem, match="503"):
            [line async for line in api.stream_batch("/b", chunks(b"1\n"))]
    assert len(small.requests) == 1


@pytest.mark.parametrize("body", [b"", b'{"index":0}\n', b'{"summary":{}}'])
async def test_a_batch_answer_without_a_whole_summary_is_no_answer(body: bytes) -> None:
    small = SmallApi()
    small.answers = [Response(body)]
    async with small.client() as api:
        with pytest.raises(ApiInterrupted):
            [line async for line in api.stream_batch("/b", lambda: chunks(b"1\n"))]


async def test_a_stream_comes_down_as_bytes_or_as_objects() -> None:
    small = SmallApi()
    small.answers = [StreamingResponse(chunks(b'{"n":1}\n{"n"', b":2}\n")), StreamingResponse(chunks(b"n\n1\n"))]
    async with small.client() as api:
        assert [line async for line in api.stream_lines("/v1/customers")] == [{"n": 1}, {"n": 2}]
        assert b"".join([part async for part in api.stream_out("/v1/customers", accept="text/csv")]) == b"n\n1\n"
    assert [request.headers["accept"] for request, _ in small.requests] == ["application/x-ndjson", "text/csv"]


TOKEN = b'{"access_token":"t","expires_in":600}'


def http_answer(body: bytes, *, length: int | None = None) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (length or len(body), body)


@asynccontextmanager
async def breaking_server(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve one raw answer per connection (nothing at all for b""), tokens aside; gives URL and request lines."""
    left = list(answers)
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST /oauth/token"):
            writer.write(http_answer(TOKEN))
        else:
            seen.append(head.split(b"\r\n")[0])
            writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_a_connection_cut_before_the_answer_is_mended_for_reads_only() -> None:
    async with breaking_server(b"", http_answer(b'{"ok":1}'), b"") as (url, seen), ApiClient(url, "c", "s") as api:
        assert await api.get("/v1/customers") == {"ok": 1}
        with pytest.raises(ApiUnreachable):
            await api.post("/v1/customers", {})
    assert seen == [b"GET /v1/customers HTTP/1.1"] * 2 + [b"POST /v1/customers HTTP/1.1"]


async def test_a_connection_cut_within_the_answer_is_told() -> None:
    cut = http_answer(b'{"n":1}\n{"n":', length=500)
    async with breaking_server(cut, cut, cut) as (url, _), ApiClient(url, "c", "s") as api:
        with pytest.raises(ApiInterrupted):
            await api.get("/v1/customers")
        with pytest.raises(ApiInterrupted):
            [line async for line in api.stream_lines("/v1/customers")]
        with pytest.raises(ApiInterrupted):
            [part async for part in api.stream_out("/v1/customers")]


async def test_nobody_there_is_unreachable() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with ApiClient(f"http://127.0.0.1:{port}", "c", "s", patience_seconds=0.3) as api:
        with pytest.raises(ApiUnreachable):
            await api.get("/v1/customers")
