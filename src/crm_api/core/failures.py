"""Turns whatever was raised into a problem: wrong input with pointers, missing paths, a database that is away."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from .json_door import escaped_token
from .known_names import explained
from .problems import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    Problem,
    UnsupportedMediaType,
    finding,
)

_AWAY: Final = ("08", "53", "57", "40", "55P03", "25P03")
_WRONG_DATA: Final = ("22",)
_MOST_FINDINGS: Final = 50
_PLACES: Final = ("line", "column", "nearest")
"""What a validator that reads a language of its own says beside: where in the text, and what was meant perhaps."""


def install_handlers(app: FastAPI) -> None:
    """Answer every error as a problem document."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for kind in (DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        app.add_exception_handler(kind, _answer_failure)


def as_problem(error: BaseException) -> Problem | None:
    """Say which problem an exception of the database or the network is, or nothing when it is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, (PoolTimeout, OSError)):
        return NotAvailable("The database does not answer", headers={"Retry-After": "2"})
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = str(getattr(cause, "sqlstate", None) or "")
    if state.startswith(_AWAY):
        return NotAvailable("The database is busy or away", headers={"Retry-After": "2"})
    if state.startswith(_WRONG_DATA):
        return InvalidRequest("The database cannot hold a value that was sent")
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    # The driver's other complaints, of a wrong argument for example, are faults of ours.
    closed = "InterfaceError" in type(cause).__name__ and "clos" in str(cause)
    return NotAvailable("The database went away", headers={"Retry-After": "2"}) if lost or closed else None


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101  # the handler is registered for nothing else
    return _answered(request, problem)


def _answered(request: Request, problem: Problem) -> Response:
    request.state.problem_code = problem.code  # counted at the edge
    return problem.response(request.url.path, request.state.request_id)


async def _answer_failure(request: Request, error: Exception) -> Response:
    problem = as_problem(error)
    if problem is None:
        raise error
    return _answered(request, problem)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # the handler is registered for nothing else
    if error.status_code == 405:
        methods = ", ".join(sorted(_methods_of(request)))
        refused = MethodNotAllowed(f"It takes {methods}", headers={"Allow": methods})
        return _answered(request, refused)
    kinds: dict[int, type[Problem]] = {
        404: NotFound,
        415: UnsupportedMediaType,
        400: InvalidRequest,
    }
    problem = kinds.get(error.status_code, InternalError)("", headers=error.headers)
    return _answered(request, problem)


def _methods_of(request: Request) -> set[str]:
    """Answer every method the path takes: each is a route of its own, and the router asks only one of them."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # the handler is registered for nothing else
    errors = error.errors()
    parts = _parts_of(request.scope.get("route")) if any(each["type"] == "extra_forbidden" for each in errors) else {}
    problem = InvalidRequest(errors=request_findings(errors, error.body, parts))
    problem.detail = problem.errors[0]["detail"] if problem.errors else problem.title
    return _answered(request, problem)


def _parts_of(route: Any) -> dict[str, Any]:
    """Answer the types of what a route takes: of its body, of its query."""
    if not isinstance(route, APIRoute):
        return {}
    parts = {"query": route.dependant.query_params[0]} if route.dependant.query_params else {}
    if route.body_field is not None:
        parts["body"] = route.body_field
    return {part: field.field_info.annotation for part, field in parts.items()}


def request_findings(
    errors: Sequence[Mapping[str, Any]], body: Any, parts: Mapping[str, Any] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Rewrite pydantic's findings on a request as ours: which part, which pointer, which code.

    parts: the types of body and query, for those who misspelled a name.
    """
    tree = _parsed(body)
    found = []
    for error in errors[:_MOST_FINDINGS]:
        part, *steps = error["loc"]
        place = (
            pointer(steps, tree, error["type"])
            if part == "body"
            else "".join(f"/{escaped_token(step)}" for step in steps)
        )
        code = str(error["type"]).replace("_", "-")
        more = {name: value for name, value in error.get("ctx", {}).items() if name in _PLACES}
        detail = explained({**error, "loc": steps}, parts.get(str(part)))
        found.append({**finding(place, code, detail, part=str(part)), **more})
    return found


def pointer(steps: Sequence[str | int], tree: Any, kind: str) -> str:
    """Write pydantic's location of an error of some kind as an RFC 6901 pointer, leaving out the names it puts in for
    branches of unions.
    """
    return "".join(f"/{escaped_token(step)}" for step in _present(steps, tree, kind == "missing"))


def _present(steps: Sequence[str | int], tree: Any, ends_missing: bool) -> Iterator[str | int]:
    for number, step in enumerate(steps):
        inside_object = isinstance(tree, dict) and step in tree
        inside_array = isinstance(tree, list) and isinstance(step, int) and 0 <= step < len(tree)
        if inside_object or inside_array:
            tree = tree[step]
            yield step
        elif ends_missing and number == len(steps) - 1:
            yield step  # the field that is not there


def _parsed(body: Any) -> Any:
    if not isinstance(body, bytes):
        return body
    try:
        return orjson.loads(bytes(body))  # orjson takes no subclass of bytes
    except orjson.JSONDecodeError:
        return None
