"""The outermost layer of the service: request ids, the Host rule, headers of every answer, the access log, the last
resort.
"""

import re
import time
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import as_problem
from .limits import Allowance
from .problems import BadHost, InternalError, InvalidRequest, NotFound, Problem, finding
from .traffic import Traffic

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_FIXED_HEADERS: Final = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
log = structlog.get_logger()


class Edge:
    """Pure ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app, self._traffic = app, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        self._traffic.in_flight += 1
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), *_FIXED_HEADERS, (b"x-request-id", request_id.encode())]
                allowance: Allowance | None = state.get("allowance")
                if allowance is not None:
                    headers += allowance.headers()
                message = {**message, "headers": headers}
            await send(message)

        try:
            refused = _refusal(scope)
            if refused is not None:
                state["problem_code"] = refused.code
                await refused.response(scope["path"], request_id)(scope, receive, send_marked)
            else:
                await self._app(scope, receive, send_marked)
        except Exception as error:
            problem = as_problem(error) or InternalError()
            log.error("request_failed", code=problem.code, exc_info=error)
            state["problem_code"] = problem.code
            if status:
                # The answer has begun: the connection must break, so that the caller cannot take half for the whole.
                raise
            await problem.response(scope["path"], request_id)(scope, receive, send_marked)
        finally:
            seconds = time.perf_counter() - began
            self._traffic.in_flight -= 1
            self._traffic.note(scope, status, seconds)
            _log_access(scope, status, seconds)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return f"req_{uuid4().hex}"


def _refusal(scope: Scope) -> Problem | None:
    """Refuse what no operation should have to think of."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not hosts[0].strip():
        return BadHost(f"{len(hosts)} Host headers came")
    if "\x00" in scope["path"]:
        return NotFound("A path holds no NUL")
    if b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        fault = finding("", "unstorable-text", "the character NUL cannot be stored", part="query")
        return InvalidRequest("The query holds NUL", errors=[fault])
    return None


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    route = scope.get("route")
    log.info(
        "request",
        method=scope["method"],
        route=getattr(route, "path", None),
        status=status,
        milliseconds=round(seconds * 1000, 2),
        client=scope["state"].get("client_id"),
    )
