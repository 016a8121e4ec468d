"""HTTP of backtests, and of runs that wait for somebody to agree."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.problems import NotAcceptable, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import MEDIA_TYPES, wants
from . import operations, queries
from .backtest_schemas import ApprovalWish, BacktestRead
from .problems import BacktestNotFound, NothingToApprove, RunNotFound, RunSuperseded
from .schemas import RunRead

router = APIRouter(prefix="/v1/analytics/runs", tags=["Analytics"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["analytics:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["analytics:write"])]
_NOTHING_RUNS: Final = "default-src 'none'; style-src 'unsafe-inline'"
_PICTURES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The picture, as `Accept` says",
        "content": {
            MEDIA_TYPES["vega_lite"]: {"schema": {"type": "object"}, "example": {"mark": "bar"}},
            MEDIA_TYPES["svg"]: {"schema": {"type": "string"}, "example": "<svg/>"},
        },
    }
}


@router.get(
    "/{run_id:uuid}/backtest",
    summary="Read the backtest of a run",
    response_model=BacktestRead,
    responses=problems(RunNotFound, BacktestNotFound),
)
async def read_analytics_backtest(run_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Answer how the run's method did on what had been held back from it: figures, and what was predicted beside what
    happened.

    Scope: analytics:read.
    """
    return answer(await queries.read_backtest(reads, run_id))


@router.get(
    "/{run_id:uuid}/backtest/picture",
    summary="See the backtest of a run",
    response_class=Response,
    responses={**_PICTURES, **problems(RunNotFound, BacktestNotFound, NotAcceptable)},
)
async def see_analytics_backtest(request: Request, run_id: UUID, reads: Reads, who: CanRead) -> Response:
    """Answer the calibration as a picture whose title says the finding: as Vega-Lite, which holds its data, or as SVG.

    Scope: analytics:read.
    """
    form = wants(request, ("vega_lite", "svg"))
    drawn = await queries.read_picture(reads, run_id, "vega_lite" if form == "vega_lite" else "svg")
    headers = {"Cache-Control": "no-store", "Vary": "Accept", "Content-Security-Policy": _NOTHING_RUNS}
    return Response(drawn, headers=headers, media_type=MEDIA_TYPES[form])


@router.post(
    "/{run_id:uuid}/approve",
    summary="Approve a run that waits",
    response_model=RunRead,
    responses=problems(RunNotFound, NothingToApprove, RunSuperseded),
)
async def approve_analytics_run(run_id: UUID, wish: ApprovalWish, session: Session, who: CanWrite) -> Response:
    """Publish a run although its backtest is worse than that of the current one. Scope: analytics:write."""
    await operations.decide_run(session, run_id, wish.note, approved=True, by=who.client_id)
    return answer(await queries.written_run(session, run_id))


@router.post(
    "/{run_id:uuid}/reject",
    summary="Reject a run that waits",
    response_model=RunRead,
    responses=problems(RunNotFound, NothingToApprove),
)
async def reject_analytics_run(run_id: UUID, wish: ApprovalWish, session: Session, who: CanWrite) -> Response:
    """Leave the current run in its place: the run that waits is not published, and its rows are dropped.

    Scope: analytics:write.
    """
    await operations.decide_run(session, run_id, wish.note, approved=False, by=who.client_id)
    return answer(await queries.written_run(session, run_id))
