"""Models that are run by themselves: due rows, carried by the workers' tick."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from pydantic import TypeAdapter
from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Catalog
from ...core.clock import now
from ...core.problems import InvalidRequest, finding
from ...core.trail import record
from ...jobs.kinds import Due, JobKind, Step
from ...jobs.models import Job
from ..models import AnalyticsPlan, AnalyticsRun
from ..plan_schemas import PlanWish
from ..problems import SensitiveTaste
from ..rules import OPEN, next_time
from ..run_requests import RunRequest
from ..sensitive import check_asked
from .start import approved, start_run

_NAME: Final = "analytics-plan"
_REQUEST: Final[TypeAdapter[Any]] = TypeAdapter(RunRequest)


async def put_plan(
    session: AsyncSession,
    model: str,
    wish: PlanWish,
    zone: ZoneInfo,
    purpose: str | None,
    catalog: Catalog,
    *,
    by: str,
) -> dict[str, Any]:
    """Plan a model, or change its plan.

    Errors: InvalidRequest for an `as_of`, which no two days share; SensitiveTaste, InvalidAudience.
    """
    await check_asked(session, model, wish.parameters, purpose)
    if wish.parameters.as_of is not None:
        detail = "the reference date of a planned run is its day"
        raise InvalidRequest(detail, errors=[finding("/parameters/as_of", "not-planned", detail)])
    at = now()
    parameters = wish.parameters.model_dump(mode="json", exclude={"as_of"})
    audience = await approved(session, wish.audience, catalog)
    told = {"parameters": parameters, "audience": audience, "at": wish.at, "enabled": wish.enabled}
    values = {**told, "next_at": next_time(wish.at, zone, at) if wish.enabled else None}
    values |= {"updated_by": by, "updated_at": at}
    plan = insert(AnalyticsPlan).values(model=model, **values)
    kept = plan.on_conflict_do_update(index_elements=["model"], set_={name: plan.excluded[name] for name in values})
    row = (await session.execute(kept.returning(*AnalyticsPlan.__table__.c))).mappings().one()
    record(session, by, "analytics.plan_set", ("analytics_plan", model), changes=told)
    return dict(row)


def planned_runs(zone: ZoneInfo, purpose: str | None) -> JobKind:
    """Make the kind of job that starts what is due."""
    return JobKind(_NAME, "set", step=partial(_start_due, zone, purpose), due=_due, kept=timedelta(days=1))


async def _due(session: AsyncSession) -> Sequence[Due]:
    waiting = await session.scalar(select(exists(select(AnalyticsPlan.model).where(AnalyticsPlan.next_at <= now()))))
    return [Due(singleton_key=_NAME)] if waiting else []


async def _start_due(zone: ZoneInfo, purpose: str | None, session: AsyncSession, _job: Job) -> Step:
    """Start one run that is due; when it was due several times, it is started once."""
    at = now()
    due = select(AnalyticsPlan).where(AnalyticsPlan.next_at <= at).order_by(AnalyticsPlan.next_at, AnalyticsPlan.model)
    plan = await session.scalar(due.limit(1).with_for_update())
    if plan is None:
        return Step(done=True)
    plan.next_at = next_time(plan.at, zone, at)
    under_way = exists().where(AnalyticsRun.model == plan.model, AnalyticsRun.state.in_(OPEN))
    if await session.scalar(select(under_way)):
        return Step(done=False, counts={"left_out": 1})
    request = _REQUEST.validate_json(orjson.dumps({"model": plan.model, "parameters": plan.parameters}))
    try:
        run = await start_run(session, request, zone, purpose, plan.audience, by=plan.updated_by)
    except SensitiveTaste:  # the purpose it was planned for is named no more
        return Step(done=False, counts={"left_out": 1})
    plan.last_run_id = run.id
    return Step(done=False, counts={"started": 1})
