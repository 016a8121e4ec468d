"""HTTP of templates: types in, one call, document out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.etags import IfMatch, IfNoneMatch, etag, is_known
from ..core.listing import Listing
from ..core.problems import VersionMismatch, problems
from ..core.read import answer
from ..core.route import Route
from . import template_operations as operations
from . import template_queries as queries
from .problems import InvalidTemplate, TemplateArchived, TemplateInUse, TemplateNameTaken, TemplateNotFound
from .template_preview import preview
from .template_schemas import (
    Preview,
    PreviewWish,
    TemplateListParams,
    TemplatePage,
    TemplatePatch,
    TemplateRead,
    TemplateWish,
    UnsavedPreviewWish,
)

router = APIRouter(prefix="/v1/templates", tags=["Templates"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["templates:read"])]
CanPreview = Annotated[Principal, Security(authorize, scopes=["templates:read", "customers:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["templates:write"])]


@router.post(
    "",
    status_code=201,
    summary="Make a template",
    response_model=TemplateRead,
    responses=problems(InvalidTemplate, TemplateNameTaken),
)
async def make_template(wish: TemplateWish, session: Session, who: CanWrite) -> Response:
    """Make a template in Liquid: the subject, the text, and HTML if wanted. It is checked as a whole: what cannot be
    read, or names what nobody will fill in, is not saved. Scope: templates:write.
    """
    made = await operations.make(session, who, wish)
    document = await queries.written_template(session, made)
    return answer(document, status=201, version=1, headers={"Location": f"/v1/templates/{made}"})


@router.get("", summary="List templates", response_model=TemplatePage)
async def list_templates(
    request: Request, params: Annotated[TemplateListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List templates in order of their names. Scope: templates:read."""
    listing = Listing(request, params)
    values = {} if params.name is None else {"name": params.name}
    after = {} if listing.after is None else {"after_name": listing.after[0], "after_id": listing.after[1]}
    statement = queries.listed(by_name=bool(values), archived=params.archived, after=bool(after))
    rows = await queries.documents(await reads.rows(statement, limit=listing.limit, **values, **after))
    return listing.answer(rows, lambda row: [row["name"], row["id"]])


@router.get(
    "/{template_id:uuid}",
    summary="Read a template",
    response_model=TemplateRead,
    responses={304: {"description": "Not modified"}, **problems(TemplateNotFound)},
)
async def read_template(template_id: UUID, reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None) -> Response:
    """Answer a template, archived or not. Scope: templates:read."""
    row = await reads.row(queries.ONE_TEMPLATE, template_id=template_id)
    if row is None:
        raise TemplateNotFound(f"No template has the id {template_id}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    [document] = await queries.documents([row])
    return answer(document, version=row["version"])


@router.patch(
    "/{template_id:uuid}",
    summary="Change a template",
    response_model=TemplateRead,
    responses=problems(InvalidTemplate, TemplateArchived, TemplateNameTaken, TemplateNotFound, VersionMismatch),
)
async def change_template(
    template_id: UUID, patch: TemplatePatch, session: Session, who: CanWrite, if_match: IfMatch = None
) -> Response:
    """Change a template by a merge patch (RFC 7396). Campaigns that were launched go on with the words they were
    launched with. Scope: templates:write.
    """
    await operations.change(session, who, template_id, patch, if_match)
    document = await queries.written_template(session, template_id)
    return answer(document, version=document["version"])


@router.delete(
    "/{template_id:uuid}",
    summary="Archive a template",
    response_model=TemplateRead,
    responses=problems(TemplateInUse, TemplateNotFound, VersionMismatch),
)
async def archive_template(template_id: UUID, session: Session, who: CanWrite, if_match: IfMatch = None) -> Response:
    """Put a template away: it is left out of lists and new campaigns, and its name is free. What was sent with it stays
    explained by it, so it is never deleted. Archiving again changes nothing. Scope: templates:write.
    """
    await operations.archive(session, who, template_id, if_match)
    document = await queries.written_template(session, template_id)
    return answer(document, version=document["version"])


@router.post(
    "/{template_id:uuid}/preview",
    summary="Preview a template",
    response_model=Preview,
    responses=problems(TemplateNotFound),
)
async def preview_template(
    request: Request, template_id: UUID, wish: PreviewWish, reads: Reads, who: CanPreview
) -> Response:
    """Render a template for up to 20 customers: each gets the message, or the reason for which there is none. The
    sender, the campaign and the address to unsubscribe by are stand-ins. Scope: templates:read, customers:read.
    """
    row = await reads.row(queries.ONE_TEMPLATE, template_id=template_id)
    if row is None:
        raise TemplateNotFound(f"No template has the id {template_id}")
    return answer(await preview(reads, who, row, wish, request.app.state.settings))


@router.post(
    "/preview",
    summary="Preview words that are not saved",
    response_model=Preview,
    responses=problems(InvalidTemplate),
)
async def preview_words(request: Request, wish: UnsavedPreviewWish, reads: Reads, who: CanPreview) -> Response:
    """Check words as if they were to be saved, and render them as the preview of a template does. Scope:
    templates:read, customers:read.
    """
    words = wish.model_dump(include={"subject", "text", "html"})
    await operations.approve(words)
    return answer(await preview(reads, who, words, wish, request.app.state.settings))
