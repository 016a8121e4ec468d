"""Kinds of jobs: what a domain declares so that its long work is done in the background.

A kind is a value, made once in the domain and listed in `app.JOB_KINDS`:

    async def recompute(session: AsyncSession, job: Job) -> Step:
        first = (job.cursor or {}).get("after", ZERO)
        last, count = await recompute_range(session, first)
        return Step(done=last is None, cursor={"after": str(last)}, progress=…, counts={"recomputed": count})

    async def due(session: AsyncSession) -> Sequence[Due]:
        return [Due(singleton_key="customer-days")] if await session.scalar(SOMETHING_IS_DIRTY) else []

    DAILY_FACTS = JobKind("customer-days", "set", step=recompute, due=due)

and started from an operation, in the operation's own transaction, with `jobs.operations.enqueue`:

    job = await enqueue(session, DAILY_FACTS, {"from": …}, by=who.client_id)

after which the route answers `await accepted(session, job)` (`jobs.answers`): 202 and where the job can be watched.

**Set** kinds are SQL. `step` does the next bounded part (well below STEP_SECONDS) inside the transaction in which its
cursor is stored: a kill costs one step, and no step counts twice. Publication is the last step.
**Hands** kinds are done by a worker that has a handler of the kind's name (`workers/`); they have no step.

`due` is asked at every tick of the workers, about every 2 seconds, and must be cheap: it answers the jobs that should
exist. With a `singleton_key` there is never more than one of them live. Work that accrues while such a job runs is
found by the next tick, so prefer `due` to enqueueing from every write.
`on_end` runs in the transaction in which a job ends, whatever its state (`succeeded`, `failed`, `cancelled`): release
there what the job had taken, for example the draft it was filling.
A step that raises a `Problem` has failed for good, and callers see that problem; any other exception is tried again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from .models import Job

STEP_SECONDS: Final = 30
"""A statement of a step that runs longer is ended, and the attempt has failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did: `counts` are added to those of the job; `cursor` is what the next step finds in `job.cursor`."""

    done: bool
    cursor: dict[str, Any] | None = None
    progress: float | None = None
    """Share of the whole that is done, 0..1; none when it cannot be told."""
    counts: dict[str, int] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    """Of the last step: what callers read in the job's `result`."""


@dataclass(frozen=True, slots=True)
class Due:
    """A job that should exist now."""

    arguments: dict[str, Any] = field(default_factory=dict)
    singleton_key: str | None = None


RunStep = Callable[[AsyncSession, Job], Awaitable[Step]]
AskDue = Callable[[AsyncSession], Awaitable[Sequence[Due]]]
AtEnd = Callable[[AsyncSession, Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of long work. `name` is public and stable: callers filter by it, workers find their handler by it."""

    name: str
    nature: Literal["set", "hands"]
    step: RunStep | None = None
    due: AskDue | None = None
    on_end: AtEnd | None = None
    most_attempts: int = 5
    kept: timedelta = timedelta(days=30)
    """How long a finished job can still be read; a kind that recurs all day keeps its jobs for an hour or so."""

    def __post_init__(self) -> None:
        if (self.nature == "set") != (self.step is not None):
            raise TypeError(f"{self.name}: a set kind has a step, a hands kind has none")
