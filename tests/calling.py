"""A caller of the API that states what it expects: `await api.post("/v1/…", {...}, expect=201)`."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from httpx import AsyncClient, Response


@dataclass(frozen=True)
class ExpectedProblem:
    """A problem document with this code and status."""

    code: str
    status: int


def problem(code: str, status: int) -> ExpectedProblem:
    """Expect a problem: `expect=problem("insufficient-scope", 403)`."""
    return ExpectedProblem(code, status)


class Api:
    """Sends requests and checks the answer's status, type and, for problems, code."""

    def __init__(self, client: AsyncClient, headers: dict[str, str] | None = None) -> None:
        self.client = client
        self.headers = headers or {}

    def bearing(self, token: str) -> Self:
        """Answer the same caller with a token."""
        return type(self)(self.client, {**self.headers, "Authorization": f"Bearer {token}"})

    async def token(self, client_id: str, secret: str, scope: str) -> str:
        """Get an access token."""
        form = {"grant_type": "client_credentials", "scope": scope}
        answer = await self.client.post("/oauth/token", data=form, auth=(client_id, secret))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def send(
        self, method: str, path: str, body: Any = None, *, expect: int | ExpectedProblem | None = None, **options: Any
    ) -> Response:
        """Send one request. `body` is sent as JSON (merge patch for PATCH); `content=` sends bytes."""
        headers = {**self.headers, **options.pop("headers", {})}
        if method == "PATCH" and body is not None:
            headers.setdefault("Content-Type", "application/merge-patch+json")
        if body is not None:
            options["json"] = body
        answer = await self.client.request(method, path, headers=headers, **options)
        check_answer(answer, expect)
        return answer

    async def get(self, path: str, **options: Any) -> Any:
        """GET; answers the parsed body."""
        return parsed(await self.send("GET", path, **options))

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """POST; answers the parsed body."""
        return parsed(await self.send("POST", path, body, **options))

    async def put(self, path: str, body: Any = None, **options: Any) -> Any:
        """PUT; answers the parsed body."""
        return parsed(await self.send("PUT", path, body, **options))

    async def patch(self, path: str, body: Any = None, **options: Any) -> Any:
        """PATCH with a merge patch; answers the parsed body."""
        return parsed(await self.send("PATCH", path, body, **options))

    async def delete(self, path: str, **options: Any) -> Any:
        """DELETE; answers the parsed body."""
        return parsed(await self.send("DELETE", path, **options))

    async def race(self, callers: int, method: str, path: str, body: Any = None, **options: Any) -> list[Response]:
        """Send the same request from many callers at once; answers all answers."""
        headers = {**self.headers, **options.pop("headers", {})}
        calls = [self.client.request(method, path, json=body, headers=headers, **options) for _ in range(callers)]
        return list(await asyncio.gather(*calls))


def check_answer(answer: Response, expect: int | ExpectedProblem | None) -> None:
    """Compare an answer with what was expected; without an expectation any 2xx will do."""
    told = f"{answer.request.method} {answer.request.url} -> {answer.status_code} {answer.text[:2000]}"
    if isinstance(expect, ExpectedProblem):
        assert answer.status_code == expect.status, told
        assert answer.headers["content-type"] == "application/problem+json", told
        assert answer.json()["code"] == expect.code, told
    elif expect is None:
        assert answer.is_success, told
    else:
        assert answer.status_code == expect, told


def parsed(answer: Response) -> Any:
    """Parse JSON bodies, leave others as text, and nothing as None."""
    if not answer.content:
        return None
    return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
