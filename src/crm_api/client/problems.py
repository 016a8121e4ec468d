"""What can go wrong when the API is called.

ApiFailure
├── ApiProblem       the API answered with a problem document (RFC 9457), or an OAuth error
├── ApiUnreachable   no answer within the patience of the client; nothing is known about what was done
└── ApiInterrupted   the answer began and broke off; repeat the whole call
"""

from typing import Any

import httpx
import orjson


class ApiFailure(Exception):
    """Any failed call of the API."""


class ApiUnreachable(ApiFailure):
    """The API could not be reached, or broke the connection, for as long as the client was willing to try."""


class ApiInterrupted(ApiFailure):
    """An answer ended before it was complete: what was received says nothing about the rest."""


class ApiProblem(ApiFailure):
    """A refusal: `status` is the HTTP status, `code` the stable name of the problem, `document` all that was said."""

    def __init__(self, status: int, document: dict[str, Any], headers: httpx.Headers | None = None) -> None:
        super().__init__(status, document)
        self.status = status
        self.document = document
        self.headers = headers if headers is not None else httpx.Headers()

    @property
    def code(self) -> str:
        """Stable name of the problem; an OAuth error code where the token endpoint refused."""
        return str(self.document.get("code") or self.document.get("error") or "")

    @property
    def may_pass(self) -> bool:
        """Whether the same call may be taken later: the API or a token is not at hand, or something is under way."""
        return self.status >= 500 or self.status in (401, 409, 429)

    @property
    def detail(self) -> str:
        """One sentence for people."""
        texts = (self.document.get(key) for key in ("detail", "error_description", "title", "error"))
        return next((str(text) for text in texts if text), f"HTTP status {self.status}")

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The single faults with their JSON pointers, if the problem names any."""
        return list(self.document.get("errors") or [])

    def __str__(self) -> str:
        """Status, code, sentence and single faults on one line."""
        faults = "; ".join(f"{fault.get('pointer', '')} {fault.get('detail', '')}".strip() for fault in self.errors)
        return f"{self.status} {self.code}: {self.detail}" + (f" ({faults})" if faults else "")


def problem_of(response: httpx.Response) -> ApiProblem:
    """Turn a refusal, whose body has been read, into an exception; a body that is no JSON object becomes its detail."""
    try:
        document = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        document = {"title": response.reason_phrase, "detail": response.text[:500]}
    return ApiProblem(response.status_code, document, response.headers)
