"""HTTP of actions: one audience, one thing to do, a job to watch."""

from typing import Annotated

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize_once
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.clock import now
from ..core.db import Session
from ..core.problems import problems
from ..core.route import Route
from ..jobs.answers import ACCEPTED, accepted
from ..jobs.schemas import JobRead
from . import operations
from .action_schemas import CustomerAction
from .catalog import FieldCatalog

router = APIRouter(prefix="/v1/customers", tags=["Customers"], route_class=Route)
CanAct = Annotated[Principal, Security(authorize_once, scopes=["customers:read", "customers:write"])]


@router.post(
    "/actions",
    status_code=202,
    summary="Act on many customers",
    response_model=JobRead,
    responses={**ACCEPTED, **problems(InvalidAudience)},
)
async def act_on_customers(
    request: Request, wish: CustomerAction, session: Session, who: CanAct, catalog: FieldCatalog
) -> Response:
    """Add and remove tags of the customers an audience means, archive or restore them. The answer is a job, which goes
    through the customers in order of their ids and looks at each once. Times in the audience count from this call, and
    customers registered later are not meant. Each change has a version, an audit entry and an event of its own, as if
    that customer had been changed alone; who is as wished already stays `unchanged`.

    `counts` and `result` of the job tell how many were `selected`, and of these `changed`, `unchanged`, and left alone
    since they would have more than 100 tags (`too_many_tags`). A job that is cancelled stops; what it has changed stays
    changed. With `dry_run` the same is counted, and nothing changed.

    Scopes: customers:read, customers:write.
    """
    state = request.app.state
    kind = state.job_kinds[operations.ACTION]
    job = await operations.act(session, who, kind, wish, catalog, Moment(now(), state.settings.zone))
    return await accepted(session, job)
