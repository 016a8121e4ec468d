"""Put a job into the queue, in the transaction of whatever wants it."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.ids import new_id
from ..hints import tell_after_commit
from ..kinds import JobKind
from ..models import LIVE, Job


async def enqueue(
    session: AsyncSession, kind: JobKind, arguments: dict[str, Any], *, by: str, singleton_key: str | None = None
) -> Job:
    """Queue a job for the workers and hint at it once the transaction is durable; `by` is the client who wanted it.

    With a `singleton_key` that a queued or running job already has, that job is answered and none is made; it may have
    passed by what was written meanwhile.
    """
    at = now()
    row = insert(Job).values(
        id=new_id(),
        kind=kind.name,
        nature=kind.nature,
        state="queued",
        arguments=arguments,
        counts={},
        created_by=by,
        created_at=at,
        run_after=at,
        attempt_count=0,
        failure_count=0,
        most_attempts=kind.most_attempts,
        singleton_key=singleton_key,
    )
    # The update changes nothing; it makes the statement answer the row that is in the way, whichever came first.
    made = row.on_conflict_do_update(
        index_elements=["singleton_key"], index_where=text(LIVE), set_={"singleton_key": row.excluded.singleton_key}
    ).returning(Job)
    job = (await session.scalars(made, execution_options={"populate_existing": True})).one()
    tell_after_commit(session, job.id)
    return job
