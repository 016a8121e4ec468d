"""HTTP of explanations: why is a customer in a segment, why not?"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.clock import now
from ..core.db import Reads
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from ..customers.problems import CustomerNotFound
from . import operations
from .explain_schemas import ExplainParams, SegmentExplanation
from .problems import SegmentNotFound

router = APIRouter(tags=["Segments"], route_class=Route)
CanSeeCustomers = Annotated[Principal, Security(authorize, scopes=["segments:read", "customers:read"])]


@router.get(
    "/v1/segments/{segment_id:uuid}/explain/{customer_id:uuid}",
    summary="Explain why a customer is in a segment",
    response_model=SegmentExplanation,
    responses=problems(SegmentNotFound, CustomerNotFound, InvalidAudience),
)
async def explain_segment(
    request: Request,
    segment_id: UUID,
    customer_id: UUID,
    params: Annotated[ExplainParams, Query()],
    reads: Reads,
    _who: CanSeeCustomers,
    catalog: FieldCatalog,
) -> Response:
    """Answer the newest definition of a segment, or another version, with what each node finds of a customer now: the
    value it looks at, and whether it holds; beside that, whether the customer is in the segment as published. The two
    differ until members follow what was written, and after a change of the definition until its build; the version
    that members answer is the segment's `built_version`.

    Scopes: segments:read, customers:read.
    """
    moment = Moment(now(), request.app.state.settings.zone)
    return answer(await operations.explain_membership(reads, segment_id, customer_id, params.version, catalog, moment))
