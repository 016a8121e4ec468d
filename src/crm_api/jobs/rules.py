"""What is true of jobs, without a database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

WORKER_SILENCE: Final = timedelta(seconds=5)
"""A worker that asked for no work for so long is taken for dead."""
_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=5)

WaitingReason = Literal["no-worker-alive", "retry-later"]


def is_alive(seen_at: datetime | None, at: datetime) -> bool:
    """Say whether a worker that was last seen then still works."""
    return seen_at is not None and at - seen_at <= WORKER_SILENCE


def waiting_reason(state: str, run_after: datetime, seen_at: datetime | None, at: datetime) -> WaitingReason | None:
    """Say why a queued job does not start, or nothing when a worker will take it any moment."""
    if state != "queued":
        return None
    if not is_alive(seen_at, at):
        return "no-worker-alive"
    return "retry-later" if run_after > at else None


def pause_before_retry(failure_count: int) -> timedelta:
    """Wait 2 seconds after the first failure, twice as long after each further one, five minutes at most."""
    return min(_FIRST_PAUSE * (1 << min(failure_count - 1, 20)), _LONGEST_PAUSE)


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Add the counts of a step to those of the job."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}
