"""Everything that can go wrong, as classes; each is an RFC 9457 document and a page of our docs.

Problem
├── InvalidJson             400  the body is no JSON
├── BadHost                 400  Host is missing or twice there
├── Unauthenticated         401  no token, or none that is good
├── InsufficientScope       403  the token lacks a scope
├── NotFound                404  no such path
├── MethodNotAllowed        405  the path has other methods
├── NotAcceptable           406  no such representation
├── VersionMismatch         412  somebody else changed it first
├── BodyTooLarge            413  more than one request may carry
├── UnsupportedMediaType    415  another content type is wanted
├── InvalidRequest          422  understood, and wrong; `errors` says where
├── TooManyRequests         429  the client's limit is used up
├── InternalError           500  our fault
└── NotAvailable            503  a dependency is away; try again
Domains add their own.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

CATALOG: dict[str, type["Problem"]] = {}
MEDIA_TYPE = "application/problem+json"


def finding(pointer: str, code: str, detail: str, *, part: str = "body") -> dict[str, str]:
    """Say one thing that is wrong with the input: a JSON pointer into the part, a stable code, a sentence."""
    return {"in": part, "pointer": pointer, "code": code, "detail": detail}


class Problem(Exception):
    """Base of all problems; the docstring of each class is the text of its page."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls, *, status: int, code: str, title: str) -> None:
        cls.status, cls.code, cls.title = status, code, title
        if code in CATALOG:
            raise TypeError(f"two problems are called {code}")
        CATALOG[code] = cls

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Iterable[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = members

    @classmethod
    def explanation(cls) -> str:
        """Say what it means and what to do, for the problem's page."""
        return inspect.getdoc(cls) or cls.title

    def document(self, instance: str | None = None, request_id: str | None = None) -> dict[str, Any]:
        """Write the problem as RFC 9457 wants it, with our members `code`, `request_id`, `errors`."""
        return {
            "type": page(self.code),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
            "errors": self.errors,
            **self.members,
        }

    def response(self, instance: str | None = None, request_id: str | None = None) -> Response:
        """Answer the problem."""
        body = orjson.dumps(self.document(instance, request_id), default=str, option=orjson.OPT_UTC_Z)
        return Response(body, self.status, {**self.headers, "Cache-Control": "no-store"}, media_type=MEDIA_TYPE)


def page(code: str) -> str:
    """Path of a problem's page, which is its `type`; relative to the deployment (RFC 9457, section 3.1.1)."""
    return f"/docs/problems/{code}"


def problems(*classes: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Document the problems an operation can answer, for `responses=`."""
    answers: dict[int | str, dict[str, Any]] = {}
    for problem in classes:
        answer = answers.setdefault(
            problem.status, {"description": problem.title, "content": {MEDIA_TYPE: {"examples": {}}}}
        )
        if problem.title not in answer["description"]:
            answer["description"] += f"; {problem.title}"
        answer["content"][MEDIA_TYPE]["examples"][problem.code] = {"value": problem().document("/v1/…", "req_…")}
    return answers


class FindingDocument(BaseModel):
    """One thing wrong with the input."""

    in_: Annotated[str, Field(alias="in", description="Part of the request: body, query, path or header")]
    pointer: Annotated[str, Field(description="RFC 6901 pointer into the part of the request that `in` names")]
    code: str
    detail: str
    line: Annotated[int | None, Field(description="Where the member is a text in a language of its own")] = None
    column: Annotated[int | None, Field(description="Beside `line`; both count from 1")] = None
    nearest: Annotated[str | None, Field(description="The nearest valid name, where one is near")] = None


class ProblemDocument(BaseModel, extra="allow"):
    """RFC 9457 problem."""

    type: Annotated[
        str, Field(description="Page that explains the problem", examples=["/docs/problems/customer-not-found"])
    ]
    title: str
    status: int
    detail: str
    instance: str | None
    code: Annotated[str, Field(description="Stable name of the problem; branch on this")]
    request_id: str | None
    errors: list[FindingDocument]


class InvalidJson(Problem, status=400, code="invalid-json", title="The body is not valid JSON"):
    """The body could not be read as JSON in UTF-8. `detail` says at which line and column. NaN and Infinity are not
    JSON.
    """


class BadHost(Problem, status=400, code="bad-host", title="The Host header is missing or ambiguous"):
    """HTTP/1.1 wants exactly one Host header (RFC 9112, section 3.2). Send one."""


class Unauthenticated(Problem, status=401, code="unauthenticated", title="A valid access token is needed"):
    """Send `Authorization: Bearer <token>` with a token from `POST /oauth/token`. Tokens live for minutes; get a new
    one when it expires.
    """


class InsufficientScope(Problem, status=403, code="insufficient-scope", title="The token lacks a scope"):
    """The token is good, but its client was not granted, or did not ask for, the scope named in `detail`."""


class NotFound(Problem, status=404, code="not-found", title="No such path"):
    """Nothing lives at this path. `/docs` lists all operations."""


class MethodNotAllowed(Problem, status=405, code="method-not-allowed", title="This path does not take that method"):
    """The path exists; its methods are in the `Allow` header."""


class NotAcceptable(Problem, status=406, code="not-acceptable", title="None of the accepted media types is offered"):
    """`Accept` names no media type this operation can answer with; `detail` lists those it can."""


class VersionMismatch(Problem, status=412, code="version-mismatch", title="Somebody else changed it first"):
    """`If-Match` names an older version. `current` holds the present state: look at it, apply your change again, send
    its ETag.
    """


class BodyTooLarge(Problem, status=413, code="body-too-large", title="The body is too large"):
    """One request body may carry only so much; `detail` says how much. Many rows belong into the `/batch` operations,
    which take any length.
    """


class UnsupportedMediaType(Problem, status=415, code="unsupported-media-type", title="Another content type is wanted"):
    """Set `Content-Type` to one of those that `detail` names."""


class InvalidRequest(
    Problem, status=422, code="invalid-request", title="The request is understood, but not acceptable"
):
    """Something in the body, the path, the query or a header is wrong. Each entry of `errors` says where (`pointer`, a
    JSON pointer into the part named by
    `in`), what (`code`), and what would be right (`detail`). Nothing was stored.
    """


class TooManyRequests(Problem, status=429, code="too-many-requests", title="The client's rate limit is used up"):
    """Wait for the seconds in `Retry-After`. The headers `RateLimit` and `RateLimit-Policy` on every answer say how
    much is left.
    """


class InternalError(Problem, status=500, code="internal-error", title="Something went wrong on our side"):
    """This is our fault, and it was logged. Nothing was stored. Tell operations the `request_id`."""


class NotAvailable(Problem, status=503, code="not-available", title="Something the service needs is away"):
    """The database or another dependency does not answer. Nothing was stored. Try again after the seconds in
    `Retry-After`.
    """
