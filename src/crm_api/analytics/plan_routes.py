"""HTTP of plans: one operation for each model, and a list."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience.problems import InvalidAudience
from ..core.db import Reads, Session
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from . import operations, queries
from .outputs import OUTPUTS, TASTES, Output
from .plan_schemas import WISHES, PlanList, PlanListParams, PlanRead, PlanWish
from .problems import SensitiveTaste

router = APIRouter(prefix="/v1/analytics/plans", tags=["Analytics"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["analytics:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["analytics:write"])]


@router.get("", summary="List the plans of models", response_model=PlanList)
async def list_analytics_plans(
    request: Request, params: Annotated[PlanListParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """List which models are run by themselves, and when; there is one plan for each at most. Scope: analytics:read."""
    zone = request.app.state.settings.zone
    return answer({"data": [queries.plan_document(row, zone) for row in await reads.rows(queries.PLANS)]})


def _add_planning(output: Output) -> None:
    """Add the operation that plans a model."""

    async def put_plan(
        request: Request, wish: PlanWish, session: Session, who: CanWrite, catalog: FieldCatalog
    ) -> Response:
        settings = request.app.state.settings
        zone, purpose = settings.zone, settings.sensitive_taste_purpose
        plan = await operations.put_plan(session, output.model, wish, zone, purpose, catalog, by=who.client_id)
        return answer(queries.plan_document(plan, zone))

    put_plan.__annotations__["wish"] = WISHES[output.model]
    router.add_api_route(
        f"/{output.model}",
        put_plan,
        methods=["PUT"],
        operation_id=f"put_{output.model}_plan",
        summary=f"Plan {output.title} runs",
        description=f"Have `{output.model}` computed every day by itself, in place of the plan there was, over all "
        "customers or those an `audience` means on the day. When a run "
        "of the model is still under way at that time, the day is left out. Runs say who planned them.\n\n"
        "Scope: analytics:write.",
        response_model=PlanRead,
        responses=problems(InvalidAudience, *([SensitiveTaste] if output.model in TASTES else [])),
    )


for _output in OUTPUTS.values():
    _add_planning(_output)
