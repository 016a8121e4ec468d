"""What the doing of one job is made of: a handler, its report, and why it may fail.

A handler of a hands kind is a function

    async def score(api: ApiClient, job: ClaimedJob, report: Report) -> dict[str, Any]:
        ...
        await report(0.5, {"customers": 12_000})
        ...
        return {"version": 3}

entered in `workers.hands.HANDS` under the name of its kind. What it returns becomes the job's result. It may be run
again from the start at any time, so what it writes must replace what an earlier run wrote: PUTs keyed by the job's id.
It is cancelled (`asyncio.CancelledError`) when the job was cancelled or the lease is lost. Computation that takes more
than a moment belongs into `asyncio.to_thread`: heartbeats must go on beside it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from crm_api.client import ApiClient
from crm_api.jobs.schemas import ClaimedJob


class CannotBeDone(Exception):
    """Trying again would not help; the text becomes the attempt's reason and holds no personal data."""


class Report(Protocol):
    """Tells how far the work has come; a sign of life too."""

    async def __call__(self, progress: float | None, counts: Mapping[str, int] | None = None) -> None:
        """Report a share of the whole, 0..1, and what was counted so far, in total."""


Handler = Callable[[ApiClient, ClaimedJob, Report], Awaitable[dict[str, Any]]]
