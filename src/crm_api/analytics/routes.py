"""HTTP of runs, for whoever wants one."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience.problems import InvalidAudience
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from ..jobs.answers import ACCEPTED
from . import operations, queries
from .problems import RunNotFound, SensitiveTaste
from .run_requests import RunRequest
from .schemas import RunListParams, RunPage, RunRead

router = APIRouter(prefix="/v1/analytics/runs", tags=["Analytics"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["analytics:read"])]
STARTED: Final = {**ACCEPTED, **problems(SensitiveTaste, InvalidAudience)}
CanStart = Annotated[Principal, Security(authorize_once, scopes=["analytics:write"])]


@router.post("", status_code=202, summary="Start a run", response_model=RunRead, responses=STARTED)
async def start_analytics_run(
    request: Request, wish: RunRequest, session: Session, who: CanStart, catalog: FieldCatalog
) -> Response:
    """Have a model computed over all customers who are not archived, or those of them that an `audience` means. A
    worker does it, and the run becomes current when all of it is there; until then scores are read from the run before.
    `job` tells the progress, and cancels it.

    Who is in the audience is looked up as the worker reads; times in it count from when the run was asked for. Whom it
    does not mean has no score while the run is current.

    Scope: analytics:write.
    """
    settings = request.app.state.settings
    purpose = settings.sensitive_taste_purpose
    audience = await operations.approved(session, wish.audience, catalog)
    run = await operations.start_run(session, wish, settings.zone, purpose, audience, by=who.client_id)
    document = await queries.written_run(session, run.id)
    return answer(document, status=202, headers={"Location": document["job"]})


@router.get("", summary="List runs", response_model=RunPage)
async def list_analytics_runs(
    request: Request, params: Annotated[RunListParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """List runs, the newest first, by model and state. Scope: analytics:read."""
    page = Listing(request, params)
    wanted = {"model": params.model, "state": params.state, "after": page.after[0] if page.after else None}
    given = {name: value for name, value in wanted.items() if value is not None}
    statement = queries.listed(frozenset(given))
    rows = await reads.rows(statement, limit=page.limit, **given)
    return page.answer([queries.document(row) for row in rows], lambda run: [run["id"]])


@router.get("/{run_id:uuid}", summary="Read a run", response_model=RunRead, responses=problems(RunNotFound))
async def read_analytics_run(run_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Read what a run was asked, what it read, and what came out. Scope: analytics:read."""
    run = await queries.read_run(reads, run_id)
    if run is None:
        raise RunNotFound(f"No run {run_id}")
    return answer(run)
