"""What operations wants to know about jobs and workers."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Select, bindparam, func, select, text

from ..core.clock import now
from ..core.metrics import Counter, Gauge, Reading, Sample
from ..core.read import Prepared, Reader
from .models import LIVE, Job, WorkerSeen
from .rules import WORKER_SILENCE

JOBS: Final = Gauge("crm_jobs", "Jobs that wait or run.", ("kind", "state"))
OLDEST_WAITING: Final = Gauge(
    "crm_job_oldest_waiting_seconds",
    "For how long the job that is due longest has waited; 0 when none waits.",
    ("kind",),
)
WORKERS_ALIVE: Final = Gauge("crm_workers_alive", "Workers that asked for work within the last five seconds.")
LAST_SIGN: Final = Gauge(
    "crm_worker_last_sign_seconds", "Time since any worker last asked for work; missing when none has in a day."
)
ENDED: Final = Counter("crm_jobs_ended_total", "Jobs that came to their end.", ("kind", "state"))
FAILED_ATTEMPTS: Final = Counter(
    "crm_job_attempts_failed_total", "Attempts at jobs that failed, or whose lease expired.", ("kind", "outcome")
)
HINTS_LOST: Final = Counter(
    "crm_hints_lost_total", "Hints to workers that Redis did not take; no work is lost with them."
)

_waits: Final = Job.state == "queued"
_due: Final = func.min(Job.run_after).filter(_waits, Job.run_after <= bindparam("at", type_=DateTime(timezone=True)))
_BY_KIND: Final[Select[*tuple[Any, ...]]] = (
    select(Job.kind, Job.state, func.count().label("count"), _due.label("due_since"))
    .where(text(LIVE))
    .group_by(Job.kind, Job.state)
)
_LIVE_JOBS: Final = Prepared(_BY_KIND)
_alive: Final = func.count().filter(WorkerSeen.seen_at >= bindparam("since", type_=DateTime(timezone=True)))
_SEEN: Final[Select[*tuple[Any, ...]]] = select(_alive.label("alive"), func.max(WorkerSeen.seen_at).label("seen_at"))
_WORKERS: Final = Prepared(_SEEN)


def job_metrics(kinds: Iterable[str]) -> Reading:
    """Read the gauges of jobs and workers; kinds that have no job now are told as 0."""
    known = tuple(kinds)

    async def read(reader: Reader) -> Sequence[Sample]:
        at = now()
        counts = {(kind, state): 0 for kind in known for state in ("queued", "running")}
        waiting = dict.fromkeys(known, 0.0)
        for row in await reader.rows(_LIVE_JOBS, at=at):
            counts[row["kind"], row["state"]] = row["count"]
            if row["due_since"] is not None:
                waiting[row["kind"]] = _seconds(row["due_since"], at)
        return [
            *(Sample(JOBS, count, key) for key, count in counts.items()),
            *(Sample(OLDEST_WAITING, seconds, (kind,)) for kind, seconds in waiting.items()),
            *await _read_workers(reader, at),
        ]

    return Reading((JOBS, OLDEST_WAITING, WORKERS_ALIVE, LAST_SIGN), read)


async def _read_workers(reader: Reader, at: datetime) -> Sequence[Sample]:
    row = await reader.row(_WORKERS, since=at - WORKER_SILENCE)
    assert row is not None  # noqa: S101  # an aggregate without groups always answers a row
    alive = Sample(WORKERS_ALIVE, row["alive"])
    return [alive] if row["seen_at"] is None else [alive, Sample(LAST_SIGN, _seconds(row["seen_at"], at))]


def _seconds(since: datetime, at: datetime) -> float:
    return max(0.0, (at - since).total_seconds())
