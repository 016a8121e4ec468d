"""When a failed call may be tried again, and how long to wait before it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic

import httpx

from .problems import ApiFailure, ApiUnreachable, problem_of

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
UNAVAILABLE = frozenset({502, 503, 504})


async def patiently(
    call: Callable[[], Awaitable[httpx.Response]], *, idempotent: bool, patience_seconds: float
) -> httpx.Response:
    """Call until the answer is no refusal; its body may still be unread.

    Patience begins with the first failure. Pauses double from 0.2 to 5 seconds, with a random part so that callers do
    not come back all at once; a longer one that the server asks for is kept. Errors: ApiProblem, ApiUnreachable.
    """
    until: float | None = None
    pause = FIRST_PAUSE_SECONDS
    while True:
        asked_seconds = 0.0
        try:
            response = await call()
            if not response.is_error:
                return response
            worth_repeating = may_repeat(response, idempotent=idempotent)
            asked_seconds = asked_pause(response)
            failure: ApiFailure = await _refusal(response)
        except httpx.TransportError as error:
            worth_repeating = may_repeat_after(error, idempotent=idempotent)
            failure = ApiUnreachable(str(error) or type(error).__name__)
            failure.__cause__ = error
        wait = max(asked_seconds, pause * random.uniform(0.5, 1.0))  # noqa: S311 (spreads callers, guards nothing)
        until = monotonic() + patience_seconds if until is None else until
        if not worth_repeating or monotonic() + wait > until:
            raise failure
        await asyncio.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def may_repeat(response: httpx.Response, *, idempotent: bool) -> bool:
    """Say whether a refusal invites the same call again.

    429 comes before anything is done; 409 with Retry-After means that the same call is still under way.
    """
    if response.status_code == 409:
        return "retry-after" in response.headers
    return response.status_code == 429 or (idempotent and response.status_code in UNAVAILABLE)


def may_repeat_after(error: httpx.TransportError, *, idempotent: bool) -> bool:
    """Say whether a broken call may be repeated: always if it never got through, else only if it is idempotent."""
    return idempotent or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def asked_pause(response: httpx.Response) -> float:
    """Seconds of Retry-After; 0 when it is absent or a date (our API sends seconds)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0


async def _refusal(response: httpx.Response) -> ApiFailure:
    await response.aread()
    await response.aclose()
    return problem_of(response)
