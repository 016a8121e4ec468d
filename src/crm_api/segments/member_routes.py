"""HTTP of memberships: the members of a segment, as pages and streams, and the segments of a customer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.db import Reads
from ..core.listing import Listing
from ..core.problems import NotAcceptable, problems
from ..core.route import Route
from ..core.streams import stream, wants
from ..customers.problems import CustomerNotFound
from . import queries
from .problems import SegmentNotFound
from .schemas import MEMBER_STREAMS, MemberListParams, MemberPage, SegmentsOfCustomerPage, SegmentsOfCustomerParams

router = APIRouter(tags=["Segments"], route_class=Route)
CanSeeCustomers = Annotated[Principal, Security(authorize, scopes=["segments:read", "customers:read"])]


@router.get(
    "/v1/segments/{segment_id:uuid}/members",
    summary="List the members of a segment",
    response_model=MemberPage,
    responses={200: MEMBER_STREAMS, **problems(SegmentNotFound, NotAcceptable)},
)
async def list_members(
    request: Request,
    segment_id: UUID,
    params: Annotated[MemberListParams, Query()],
    reads: Reads,
    _who: CanSeeCustomers,
) -> Response:
    """List who is in a segment as of its published build, or was at an instant, in order of the customers' ids. With
    `Accept: text/csv` or `application/x-ndjson` all of them come as one stream of one snapshot, and the parameters of
    the page mean nothing.
    Scopes: segments:read, customers:read.
    """
    counted = await reads.row(queries.MEMBER_COUNT, segment_id=segment_id)
    if counted is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    form = wants(request)
    if form != "json":
        return stream(request, queries.exported(segment_id, params.as_of), form)
    listing = Listing(request, params)
    past = params.as_of is not None
    statement = queries.members_page(after=listing.after is not None, past=past)
    which = {"segment_id": segment_id, "as_of": params.as_of}
    rows = await reads.rows(statement, **which, limit=listing.limit, after=listing.after and listing.after[0])
    count = counted["member_count"] if params.count == "estimate" and not past else None
    if params.count == "exact" or (params.count and past):
        exact = await reads.row(queries.counted_members(past=past), **which)
        count = exact[0] if exact else None
    return listing.answer([dict(row) for row in rows], lambda row: [row["customer_id"]], count=count)


@router.get(
    "/v1/customers/{customer_id:uuid}/segments",
    summary="List the segments of a customer",
    response_model=SegmentsOfCustomerPage,
    responses=problems(CustomerNotFound),
)
async def list_segments_of_customer(
    request: Request,
    customer_id: UUID,
    params: Annotated[SegmentsOfCustomerParams, Query()],
    reads: Reads,
    _who: CanSeeCustomers,
) -> Response:
    """List the segments that a customer is in as of their published builds. Scopes: segments:read, customers:read."""
    listing = Listing(request, params)
    statement = queries.segments_of_customer(after=listing.after is not None)
    rows = await reads.rows(
        statement, customer_id=customer_id, limit=listing.limit, after=listing.after and listing.after[0]
    )
    if not rows and await reads.row(queries.IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    return listing.answer([dict(row) for row in rows], lambda row: [row["segment_id"]])
