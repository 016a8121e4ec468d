"""Ask for a run: everything it depends on is fixed here, and a worker does the rest."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Audience, Catalog, write_tree
from ...core.clock import now
from ...core.ids import new_id
from ...core.problems import InvalidRequest, finding
from ...core.trail import record
from ...core.watermark import watermark_at
from ...jobs.operations import enqueue
from ...segments.operations import approve
from .. import rules
from ..models import AnalyticsRun
from ..run_requests import RunRequest
from ..sensitive import check_asked
from .ending import RUN

Document = dict[str, Any]


async def approved(session: AsyncSession, audience: Audience | None, catalog: Catalog) -> Document | None:
    """Answer the audience of a run as it is kept. Errors: InvalidAudience."""
    return None if audience is None else write_tree(await approve(session, audience, catalog, "/audience"))


async def start_run(
    session: AsyncSession,
    wish: RunRequest,
    zone: ZoneInfo,
    purpose: str | None,
    audience: Document | None,
    *,
    by: str,
) -> AnalyticsRun:
    """Queue a run about an audience as it is kept; `purpose` is the one that sensitive tastes are told for.

    Errors: InvalidRequest for a reference date in the future, SensitiveTaste.
    """
    await check_asked(session, wish.model, wish.parameters, purpose)
    at = now()
    today = rules.local_today(at, zone)
    as_of = wish.parameters.as_of or today
    if rules.is_too_late(as_of, today):
        detail = f"today is {today} for the business; tomorrow is the latest date"
        raise InvalidRequest(detail, errors=[finding("/parameters/as_of", "in-the-future", detail)])
    parameters = {**wish.parameters.model_dump(mode="json"), "as_of": as_of.isoformat(), "time_zone": zone.key}
    run_id = new_id()
    job = await enqueue(session, RUN, {"run_id": str(run_id), "model": wish.model}, by=by)
    run = AnalyticsRun(
        id=run_id,
        model=wish.model,
        state="queued",
        parameters=parameters,
        audience=audience,
        as_of=as_of,
        watermark=await watermark_at(session, at),
        job_id=job.id,
        created_by=by,
        created_at=at,
    )
    session.add(run)
    told: dict[str, Any] = {"model": wish.model, "parameters": parameters, "audience": audience}
    record(session, by, "analytics.run_started", ("analytics_run", run_id), changes=told)
    return run
