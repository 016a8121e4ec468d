"""HTTP of what a segment would be, and of what it was."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.clock import now
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import NotAcceptable, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import stream, wants
from ..customers.catalog import FieldCatalog
from ..customers.problems import CustomerNotFound
from . import history_queries, operations, queries
from .history_schemas import (
    CHANGE_STREAMS,
    MembershipHistory,
    SegmentChangePage,
    SegmentChangesParams,
    SegmentHistory,
    SegmentHistoryParams,
    SegmentPlan,
    SegmentPlanWish,
)
from .problems import SegmentCycle, SegmentNotFound

router = APIRouter(tags=["Segments"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["segments:read"])]
CanSeeCustomers = Annotated[Principal, Security(authorize, scopes=["segments:read", "customers:read"])]
_MOST_DAYS: Final = 4_000
_MOST_MEMBERSHIPS: Final = 1_000


@router.post(
    "/v1/segments/{segment_id:uuid}/plan",
    summary="Plan a definition",
    response_model=SegmentPlan,
    responses=problems(SegmentNotFound, InvalidAudience, SegmentCycle),
)
async def plan_segment(
    request: Request,
    segment_id: UUID,
    wish: SegmentPlanWish,
    session: Session,
    reads: Reads,
    _who: CanSeeCustomers,
    catalog: FieldCatalog,
) -> Response:
    """Say who would enter and who would leave if a definition were built now, and what asks for membership in the
    segment. Nothing is changed. Scopes: segments:read, customers:read.
    """
    state = request.app.state
    moment = Moment(now(), state.settings.zone)
    return answer(
        await operations.plan(session, reads, segment_id, wish.definition, catalog, moment, state.segment_uses)
    )


@router.get(
    "/v1/segments/{segment_id:uuid}/changes",
    summary="List who came and went",
    response_model=SegmentChangePage,
    responses={200: CHANGE_STREAMS, **problems(SegmentNotFound, NotAcceptable)},
)
async def list_segment_changes(
    request: Request,
    segment_id: UUID,
    params: Annotated[SegmentChangesParams, Query()],
    reads: Reads,
    _who: CanSeeCustomers,
) -> Response:
    """List entries and exits in order of the builds that made them; changes between two builds count as builds of their
    own. With `Accept: text/csv` or `application/x-ndjson` all of them come as one stream.
    Scopes: segments:read, customers:read.
    """
    await _check(reads, segment_id)
    form = wants(request)
    if form != "json":
        return stream(request, history_queries.exported_changes(segment_id, params.after_build), form)
    listing = Listing(request, params)
    behind: dict[str, Any] = {}
    if listing.after is not None:
        behind = dict(zip(("build", "customer_id", "change"), listing.after, strict=True))
    statement = history_queries.changes_page(after=listing.after is not None)
    rows = await reads.rows(
        statement, segment_id=segment_id, after_build=params.after_build, limit=listing.limit, **behind
    )
    return listing.answer([dict(row) for row in rows], lambda row: [row["build"], row["customer_id"], row["change"]])


@router.get(
    "/v1/segments/{segment_id:uuid}/history",
    summary="Read how large a segment was",
    response_model=SegmentHistory,
    responses=problems(SegmentNotFound),
)
async def read_segment_history(
    request: Request,
    segment_id: UUID,
    params: Annotated[SegmentHistoryParams, Query()],
    reads: Reads,
    _who: CanRead,
) -> Response:
    """Answer for each date on which members came or went how many did, and how many there were at its end.

    Scope: segments:read.
    """
    await _check(reads, segment_id)
    zone = request.app.state.settings.zone.key
    days = await reads.rows(
        history_queries.SIZES,
        segment_id=segment_id,
        zone=zone,
        since=params.since,
        until=params.until,
        limit=_MOST_DAYS,
    )
    return answer({"data": [dict(day) for day in days], "time_zone": zone})


@router.get(
    "/v1/customers/{customer_id:uuid}/segments/history",
    summary="List the segments a customer was in",
    response_model=MembershipHistory,
    responses=problems(CustomerNotFound),
)
async def read_memberships_of_customer(customer_id: UUID, reads: Reads, _who: CanSeeCustomers) -> Response:
    """List when a customer entered and left segments, archived ones too. Scopes: segments:read, customers:read."""
    rows = await reads.rows(history_queries.OF_CUSTOMER, customer_id=customer_id, limit=_MOST_MEMBERSHIPS)
    if not rows and await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    shown = [dict(row) for row in rows]
    return answer({"data": shown})


async def _check(reads: Reads, segment_id: UUID) -> None:
    if await reads.row(queries.MEMBER_COUNT, segment_id=segment_id) is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
