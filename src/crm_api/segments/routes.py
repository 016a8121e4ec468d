"""HTTP of segments: types in, one call, document out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.clock import now
from ..core.db import Reads, Session
from ..core.etags import IfMatch
from ..core.listing import Listing
from ..core.problems import VersionMismatch, problems
from ..core.read import answer, raw_json
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from ..jobs.answers import ACCEPTED, accepted
from ..jobs.schemas import JobRead
from . import operations, queries
from .problems import SegmentArchived, SegmentCycle, SegmentNameTaken, SegmentNotFound
from .schemas import (
    SegmentCreate,
    SegmentListParams,
    SegmentPage,
    SegmentPatch,
    SegmentPreview,
    SegmentPreviewWish,
    SegmentRead,
    SegmentVersionListParams,
    SegmentVersionPage,
)

router = APIRouter(prefix="/v1/segments", tags=["Segments"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["segments:read"])]
CanSeeCustomers = Annotated[Principal, Security(authorize, scopes=["segments:read", "customers:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["segments:write"])]


@router.post(
    "",
    status_code=201,
    summary="Define a segment",
    response_model=SegmentRead,
    responses=problems(InvalidAudience, SegmentNameTaken),
)
async def define_segment(wish: SegmentCreate, session: Session, who: CanWrite, catalog: FieldCatalog) -> Response:
    """Save an audience under a name. Nobody is in the segment before its first build. Scope: segments:write."""
    segment_id = await operations.define(session, who, wish, catalog)
    document = await queries.written_segment(session, segment_id)
    return answer(document, status=201, version=1, headers={"Location": f"/v1/segments/{segment_id}"})


@router.get("", summary="List segments", response_model=SegmentPage)
async def list_segments(
    request: Request, params: Annotated[SegmentListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List segments, the newest first. Scope: segments:read."""
    listing = Listing(request, params)
    statement = queries.listed(
        by_status=params.status is not None, archived=params.archived, after=listing.after is not None
    )
    rows = await reads.rows(
        statement, status=params.status, limit=listing.limit, after=listing.after and listing.after[0]
    )
    return listing.answer([_document(row) for row in rows], lambda row: [row["id"]])


@router.post(
    "/preview",
    summary="Try a definition out",
    response_model=SegmentPreview,
    responses=problems(InvalidAudience),
)
async def preview_segment(
    request: Request, wish: SegmentPreviewWish, reads: Reads, _who: CanSeeCustomers, catalog: FieldCatalog
) -> Response:
    """Count whom a definition means now, show some of them, and say how many of them are in the largest segments.
    What cannot be counted in `budget_ms` is estimated from customers picked at random, and labeled so. Nothing is
    stored; archived customers are left out. Scopes: segments:read, customers:read.
    """
    moment = Moment(now(), request.app.state.settings.zone)
    return answer(await operations.preview(reads, wish, catalog, moment))


@router.get(
    "/{segment_id:uuid}",
    summary="Read a segment",
    response_model=SegmentRead,
    responses=problems(SegmentNotFound),
)
async def read_segment(segment_id: UUID, reads: Reads, _who: CanRead) -> Response:
    """Answer a segment, archived or not. Its ETag is for changes: members come and go without another version, so that
    nothing is answered as not modified. Scope: segments:read.
    """
    row = await reads.row(queries.ONE_SEGMENT, segment_id=segment_id)
    if row is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    return answer(_document(row), version=row["version"])


@router.patch(
    "/{segment_id:uuid}",
    summary="Change a segment",
    response_model=SegmentRead,
    responses=problems(
        InvalidAudience, SegmentCycle, SegmentNotFound, SegmentArchived, SegmentNameTaken, VersionMismatch
    ),
)
async def change_segment(
    segment_id: UUID,
    wish: SegmentPatch,
    session: Session,
    who: CanWrite,
    catalog: FieldCatalog,
    if_match: IfMatch = None,
) -> Response:
    """Change a segment by a merge patch (RFC 7396), except that `definition` is replaced as a whole. Another definition
    becomes the segment's next version; the members stay as they are until the next build. Scope: segments:write.
    """
    await operations.change(session, who, segment_id, wish, catalog, if_match)
    document = await queries.written_segment(session, segment_id)
    return answer(document, version=document["version"])


@router.post(
    "/{segment_id:uuid}/archive",
    summary="Archive a segment",
    response_model=SegmentRead,
    responses=problems(SegmentNotFound, VersionMismatch),
)
async def archive_segment(segment_id: UUID, session: Session, who: CanWrite, if_match: IfMatch = None) -> Response:
    """Put a segment away: it is left out of lists and not built any more, its name is free, and whoever refers to it
    finds the last members. Archiving again changes nothing. Scope: segments:write.
    """
    await operations.archive(session, who, segment_id, if_match)
    document = await queries.written_segment(session, segment_id)
    return answer(document, version=document["version"])


@router.get(
    "/{segment_id:uuid}/versions",
    summary="List the versions of a definition",
    response_model=SegmentVersionPage,
    responses=problems(SegmentNotFound),
)
async def list_segment_versions(
    request: Request,
    segment_id: UUID,
    params: Annotated[SegmentVersionListParams, Query()],
    reads: Reads,
    _who: CanRead,
) -> Response:
    """List what a segment meant over time, the newest first; versions never change. Scope: segments:read."""
    listing = Listing(request, params)
    statement = queries.versions(after=listing.after is not None)
    rows = await reads.rows(
        statement, segment_id=segment_id, limit=listing.limit, after=listing.after and listing.after[0]
    )
    if not rows and await reads.row(queries.MEMBER_COUNT, segment_id=segment_id) is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    return listing.answer([_document(row) for row in rows], lambda row: [row["number"]])


@router.post(
    "/{segment_id:uuid}/builds",
    status_code=202,
    summary="Build a segment",
    response_model=JobRead,
    responses={**ACCEPTED, **problems(SegmentNotFound, SegmentArchived)},
)
async def build_segment(request: Request, segment_id: UUID, session: Session, who: CanWrite) -> Response:
    """Find the members anew, as of now. The answer is a job; while it runs, everybody sees the members of the build
    before, and after its last step those of the new one. While a build is under way, that build's job is answered.
    Segments that the definition refers to and that were never built are built as well, before it.
    Scope: segments:write.
    """
    state = request.app.state
    kind = state.job_kinds[operations.BUILD]
    job = await operations.request_build(session, who, kind, segment_id, state.settings.zone)
    return await accepted(session, job)


def _document(row: Any) -> dict[str, Any]:
    return {**row, "definition": raw_json(row["definition"])}
