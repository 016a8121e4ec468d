"""HTTP of jobs, for whoever waits for one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response, StreamingResponse

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..core.server_events import LastEventId
from . import events, operations, queries
from .problems import JobEnded, JobNotFound
from .schemas import JobListParams, JobPage, JobRead

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["jobs:read"])]
CanCancel = Annotated[Principal, Security(authorize_once, scopes=["jobs:write"])]


@router.get("", summary="List jobs", response_model=JobPage)
async def list_jobs(
    request: Request, params: Annotated[JobListParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """List jobs, the newest first, by state and kind. Scope: `jobs:read`."""
    cursors, binding = request.app.state.cursors, ["jobs", params.state, params.kind]
    after = cursors.read(binding, params.cursor)[0] if params.cursor else None
    listed = queries.listed(by_state=params.state is not None, by_kind=params.kind is not None, after=after is not None)
    values = {"state": params.state, "kind": params.kind, "after": after, "limit": params.limit + 1}
    jobs = await queries.read_jobs(
        reads, listed, **{name: value for name, value in values.items() if value is not None}
    )
    page, more = jobs[: params.limit], len(jobs) > params.limit
    following = cursors.write(binding, [page[-1]["id"]]) if more else None
    return answer({"data": page, "next_cursor": following})


@router.get("/{job_id:uuid}", summary="Read a job", response_model=JobRead, responses=problems(JobNotFound))
async def read_job(job_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Read how far a job is, its attempts, and its result or problem. When no worker is alive to take it, or a pause
    before a retry lasts, `waiting_reason` says so. Scope: `jobs:read`.
    """
    return answer(await _found(reads, job_id))


@router.get(
    "/{job_id:uuid}/events",
    summary="Watch a job",
    response_class=StreamingResponse,
    responses={**events.ANSWERS, **problems(JobNotFound)},
)
async def watch_job(
    request: Request,
    job_id: UUID,
    reads: Reads,
    who: CanRead,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow a job as server-sent events: `progress` with the whole job whenever it changes, `end` when it has ended. A
    reader that comes back with `Last-Event-ID` is not told what it knows, and gets 204 when there is nothing more to
    come. Scope: `jobs:read`.
    """
    first = await _found(reads, job_id)
    if events.is_over(first, last_event_id):
        return Response(status_code=204)
    return events.stream(request, reads, first, last_event_id)


@router.post(
    "/{job_id:uuid}/cancel", summary="Cancel a job", response_model=JobRead, responses=problems(JobNotFound, JobEnded)
)
async def cancel_job(request: Request, job_id: UUID, session: Session, who: CanCancel) -> Response:
    """Cancel a job: one that waits ends at once, one that runs at its worker's next sign of life. Cancelling again
    changes nothing. Scope: `jobs:write`.
    """
    await operations.cancel(session, request.app.state.job_kinds, job_id, by=who.client_id)
    return answer(await queries.written_job(session, job_id))


async def _found(reads: Reads, job_id: UUID) -> queries.Document:
    job = await queries.read_job(reads, job_id)
    if job is None:
        raise JobNotFound(f"No job {job_id}")
    return job
