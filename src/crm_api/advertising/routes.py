"""HTTP of advertising: types in, one call, document or stream out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import NotAcceptable, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import stream, wants
from ..jobs.answers import ACCEPTED
from ..privacy.problems import PurposeUnknown
from ..segments.problems import SegmentArchived, SegmentNotFound
from . import operations, queries
from .problems import (
    AdvertisingAudienceNotFound,
    AdvertisingExportClosed,
    AdvertisingExportNotFound,
    AdvertisingExportNotReady,
)
from .schemas import (
    IDENTIFIER_STREAMS,
    AdvertisingAudienceListParams,
    AdvertisingAudiencePage,
    AdvertisingAudienceRead,
    AdvertisingAudienceWish,
    AdvertisingExportListParams,
    AdvertisingExportPage,
    AdvertisingExportRead,
    AdvertisingIdentifiersParams,
)

router = APIRouter(tags=["Advertising"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["advertising:read"])]
CanReadIdentifiers = Annotated[Principal, Security(authorize, scopes=["advertising:write"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["advertising:write"])]
CanOpen = Annotated[Principal, Security(authorize_once, scopes=["advertising:write", "segments:read"])]
NumberInPath = Annotated[int, Path(ge=1, lt=2**31, examples=[3])]
_PATH = "/v1/advertising-audiences"
_ONE_EXPORT = f"{_PATH}/{{audience_id:uuid}}/exports/{{number}}"


@router.post(
    "/v1/segments/{segment_id:uuid}/advertising-audiences",
    status_code=201,
    summary="Open an advertising audience",
    response_model=AdvertisingAudienceRead,
    responses=problems(SegmentNotFound, SegmentArchived, PurposeUnknown),
)
async def open_advertising_audience(
    segment_id: UUID, wish: AdvertisingAudienceWish, session: Session, who: CanOpen
) -> Response:
    """Say where the members of a segment shall be handed to, and what of them. Nothing is handed over by it: exports do
    that. Scopes: advertising:write, segments:read.
    """
    audience = await operations.open_audience(session, who, segment_id, wish)
    document = await queries.written_audience(session, audience.id)
    return answer(document, status=201, headers={"Location": f"{_PATH}/{audience.id}"})


@router.get(_PATH, summary="List advertising audiences", response_model=AdvertisingAudiencePage)
async def list_advertising_audiences(
    request: Request, params: Annotated[AdvertisingAudienceListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List advertising audiences, the newest first. Scope: advertising:read."""
    page = Listing(request, params)
    statement = queries.listed(of_segment=params.segment_id is not None, after=page.after is not None)
    after = page.after and page.after[0]
    rows = await reads.rows(statement, segment_id=params.segment_id, limit=page.limit, after=after)
    return page.answer([dict(row) for row in rows], lambda row: [row["id"]])


@router.get(
    f"{_PATH}/{{audience_id:uuid}}",
    summary="Read an advertising audience",
    response_model=AdvertisingAudienceRead,
    responses=problems(AdvertisingAudienceNotFound),
)
async def read_advertising_audience(audience_id: UUID, reads: Reads, _who: CanRead) -> Response:
    """Answer an advertising audience, ended or not. Scope: advertising:read."""
    row = await reads.row(queries.ONE_AUDIENCE, audience_id=audience_id)
    if row is None:
        raise AdvertisingAudienceNotFound(f"No advertising audience has the id {audience_id}")
    return answer(dict(row))


@router.post(
    f"{_PATH}/{{audience_id:uuid}}/end",
    summary="End an advertising audience",
    response_model=AdvertisingAudienceRead,
    responses=problems(AdvertisingAudienceNotFound),
)
async def end_advertising_audience(audience_id: UUID, session: Session, who: CanWrite) -> Response:
    """Withdraw a segment from a destination: the next export removes whatever is there, and none adds anything any
    more. Ending again changes nothing. Scope: advertising:write.
    """
    await operations.end_audience(session, who, audience_id)
    return answer(await queries.written_audience(session, audience_id))


@router.post(
    f"{_PATH}/{{audience_id:uuid}}/exports",
    status_code=202,
    summary="Make an export",
    response_model=AdvertisingExportRead,
    responses={**ACCEPTED, **problems(AdvertisingAudienceNotFound)},
)
async def request_advertising_export(request: Request, audience_id: UUID, session: Session, who: CanWrite) -> Response:
    """Find what is to be added and removed at the destination since the last export that was acknowledged. A job does
    it; while it does, that export is answered. An export that is ready and was not acknowledged is replaced.

    Scope: advertising:write.
    """
    kind = request.app.state.job_kinds[operations.EXPORT]
    number = await operations.request_export(session, who, kind, audience_id)
    document = await queries.written_export(session, audience_id, number)
    return answer(document, status=202, headers={"Location": document["job"]})


@router.get(
    f"{_PATH}/{{audience_id:uuid}}/exports",
    summary="List the exports of an advertising audience",
    response_model=AdvertisingExportPage,
    responses=problems(AdvertisingAudienceNotFound),
)
async def list_advertising_exports(
    request: Request,
    audience_id: UUID,
    params: Annotated[AdvertisingExportListParams, Query()],
    reads: Reads,
    _who: CanRead,
) -> Response:
    """List what was exported and what was acknowledged, the newest first. Scope: advertising:read."""
    page = Listing(request, params)
    statement = queries.exports(after=page.after is not None)
    rows = await reads.rows(statement, audience_id=audience_id, limit=page.limit, after=page.after and page.after[0])
    if not rows and await reads.row(queries.ONE_AUDIENCE, audience_id=audience_id) is None:
        raise AdvertisingAudienceNotFound(f"No advertising audience has the id {audience_id}")
    return page.answer([queries.document(row) for row in rows], lambda export: [export["number"]])


@router.get(
    _ONE_EXPORT,
    summary="Read an export",
    response_model=AdvertisingExportRead,
    responses=problems(AdvertisingExportNotFound),
)
async def read_advertising_export(audience_id: UUID, number: NumberInPath, reads: Reads, _who: CanRead) -> Response:
    """Answer how far an export is and how much it holds. Scope: advertising:read."""
    row = await reads.row(queries.ONE_EXPORT, audience_id=audience_id, number=number)
    if row is None:
        raise AdvertisingExportNotFound(f"The audience has no export {number}")
    return answer(queries.document(row))


@router.get(
    f"{_ONE_EXPORT}/identifiers",
    summary="Read the identifiers of an export",
    response_class=Response,
    responses={
        200: IDENTIFIER_STREAMS,
        **problems(
            AdvertisingAudienceNotFound,
            AdvertisingExportNotFound,
            AdvertisingExportNotReady,
            AdvertisingExportClosed,
            NotAcceptable,
        ),
    },
)
async def read_advertising_identifiers(
    request: Request,
    audience_id: UUID,
    number: NumberInPath,
    params: Annotated[AdvertisingIdentifiersParams, Query()],
    session: Session,
    who: CanReadIdentifiers,
) -> Response:
    """Stream the hashes to add and to remove, as NDJSON or CSV, as often as need be until the export is acknowledged or
    replaced: always the same lines in the same order. The first reading is noted, since from then on the destination
    may know them. Scope: advertising:write.
    """
    form = wants(request, ("ndjson", "csv"))
    await operations.begin_reading(session, who, audience_id, number)
    return stream(request, queries.exported(audience_id, number, params.change, params.identifier), form)


@router.post(
    f"{_ONE_EXPORT}/acknowledge",
    summary="Acknowledge an export",
    response_model=AdvertisingExportRead,
    responses=problems(
        AdvertisingAudienceNotFound, AdvertisingExportNotFound, AdvertisingExportNotReady, AdvertisingExportClosed
    ),
)
async def acknowledge_advertising_export(
    audience_id: UUID, number: NumberInPath, session: Session, who: CanWrite
) -> Response:
    """Say that the destination has what the export said: the next one tells what changed since. What it removed is
    forgotten here. Acknowledging again changes nothing. Scope: advertising:write.
    """
    await operations.acknowledge(session, who, audience_id, number)
    return answer(await queries.written_export(session, audience_id, number))
