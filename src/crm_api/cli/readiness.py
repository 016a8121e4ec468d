"""Whether what `crm up` runs is ready: what the API says of itself, and of the worker that runs now."""

from datetime import UTC, datetime
from typing import Any, Final

import httpx

from .state import PartState, RunState

Checks = dict[str, dict[str, Any]]
_SECONDS: Final = 5.0


def asking() -> httpx.Client:
    """Make what asks; of no use for anything else, since the API is on this machine."""
    return httpx.Client(timeout=_SECONDS, trust_env=False)


def read_checks(client: httpx.Client, state: RunState) -> Checks:
    """Ask `/readyz`; answers each check by its name, or that the API does not answer.

    The API takes a worker for alive for five seconds after it asked. Here it is known when the worker was started: one
    that ran before, and was stopped, does not speak for it.
    """
    try:
        checks: Checks = client.get(f"{state.url}/readyz").json()["checks"]
        worker = checks["worker"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError):
        return {"api": {"ok": False, "detail": "does not answer"}}
    ours = next((part for part in state.parts if part.name == "worker"), None)
    if worker["ok"] and ours is not None and (lack := _lack(ours, worker.get("seen_at"))):
        worker.update(ok=False, detail=lack)
    return checks


def _lack(ours: PartState, seen_at: str | None) -> str | None:
    """Say why the sign of a worker, which is new enough, is not that of the one that runs now."""
    if ours.process is None:
        return "the worker has ended, and is started again in a moment"
    if seen_at is not None and datetime.fromisoformat(seen_at).timestamp() < ours.started_at:
        at = datetime.fromtimestamp(ours.started_at, UTC)
        return f"the worker that was started at {at:%H:%M:%S} UTC has not asked for work yet"
    return None
