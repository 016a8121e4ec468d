"""HTTP of campaigns: types in, one call, document out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience.problems import InvalidAudience
from ..core.db import Reads, Session
from ..core.etags import IfMatch, IfNoneMatch, etag, is_known
from ..core.listing import Listing
from ..core.problems import VersionMismatch, problems
from ..core.read import answer
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from ..customers.problems import CustomerNotFound
from . import campaign_operations as operations
from . import campaign_queries as queries
from .campaign_problems import (
    CampaignCodeTaken,
    CampaignNotDraft,
    CampaignNotFound,
    CampaignStatusWrong,
    EmptyAudience,
    LaunchInThePast,
)
from .campaign_schemas import (
    CampaignListParams,
    CampaignPage,
    CampaignPatch,
    CampaignRead,
    CampaignState,
    CampaignWish,
    Counts,
    Explanation,
    LaunchWish,
    Plan,
)
from .explain import explain

router = APIRouter(prefix="/v1/campaigns", tags=["Campaigns"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["campaigns:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["campaigns:write"])]


@router.post(
    "",
    status_code=201,
    summary="Make a campaign",
    response_model=CampaignRead,
    responses=problems(CampaignCodeTaken, InvalidAudience),
)
async def make_campaign(wish: CampaignWish, session: Session, who: CanWrite, catalog: FieldCatalog) -> Response:
    """Make a draft: to whom, with which template, from whom. Nothing is sent before it is launched. Scope:
    campaigns:write.
    """
    made = await operations.make(session, who, wish, catalog)
    document = await queries.written_campaign(session, made)
    return answer(document, status=201, version=1, headers={"Location": f"/v1/campaigns/{made}"})


@router.get("", summary="List campaigns", response_model=CampaignPage)
async def list_campaigns(
    request: Request, params: Annotated[CampaignListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List campaigns, the newest first. Scope: campaigns:read."""
    page = Listing(request, params)
    values = {} if params.status is None else {"status": params.status}
    after = {} if page.after is None else {"after_at": page.after[0], "after_id": page.after[1]}
    statement = queries.listed(by_status=bool(values), after=bool(after))
    rows = await reads.rows(statement, limit=page.limit, **values, **after)
    return page.answer([queries.document(row) for row in rows], lambda row: [row["created_at"], row["id"]])


@router.get(
    "/{campaign_id:uuid}",
    summary="Read a campaign",
    response_model=CampaignRead,
    responses={304: {"description": "Not modified"}, **problems(CampaignNotFound)},
)
async def read_campaign(campaign_id: UUID, reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None) -> Response:
    """Answer a campaign. Scope: campaigns:read."""
    row = await reads.row(queries.ONE_CAMPAIGN, campaign_id=campaign_id)
    if row is None:
        raise CampaignNotFound(f"No campaign has the id {campaign_id}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    return answer(queries.document(row), version=row["version"])


@router.patch(
    "/{campaign_id:uuid}",
    summary="Change a draft",
    response_model=CampaignRead,
    responses=problems(CampaignNotFound, CampaignNotDraft, InvalidAudience, VersionMismatch),
)
async def change_campaign(
    campaign_id: UUID,
    patch: CampaignPatch,
    session: Session,
    who: CanWrite,
    catalog: FieldCatalog,
    if_match: IfMatch = None,
) -> Response:
    """Change a draft by a merge patch (RFC 7396); what was launched is not edited. Scope: campaigns:write."""
    await operations.change(session, who, campaign_id, patch, catalog, if_match)
    document = await queries.written_campaign(session, campaign_id)
    return answer(document, version=document["version"])


@router.post(
    "/{campaign_id:uuid}/plan",
    summary="Plan a campaign",
    response_model=Plan,
    responses=problems(CampaignNotFound, InvalidAudience),
)
async def plan_campaign(
    request: Request,
    campaign_id: UUID,
    session: Session,
    _who: Annotated[Principal, Security(authorize, scopes=["campaigns:read"])],
    catalog: FieldCatalog,
) -> Response:
    """Say what a launch would do now, and do nothing: recipients, exclusions by reason, a sample, the cost. Scope:
    campaigns:read.
    """
    return answer(await operations.plan(session, campaign_id, catalog, request.app.state.settings))


@router.post(
    "/{campaign_id:uuid}/launch",
    summary="Launch a campaign",
    response_model=CampaignState,
    responses=problems(CampaignNotFound, CampaignStatusWrong, EmptyAudience, InvalidAudience, LaunchInThePast),
)
async def launch_campaign(
    request: Request, campaign_id: UUID, wish: LaunchWish, session: Session, who: CanWrite, catalog: FieldCatalog
) -> Response:
    """Send it now, or at a local time in the zone of the campaign. The template's words are copied, so a change of the
    template no longer matters. With `launch_zone` `customer` each customer gets it at that time where they live; who
    has no time zone of their own gets it at the business's. Scope: campaigns:write.
    """
    await operations.launch(session, who, campaign_id, wish, catalog, request.app.state.settings)
    return await _state(session, campaign_id)


@router.post(
    "/{campaign_id:uuid}/pause",
    summary="Pause a campaign",
    response_model=CampaignState,
    responses=problems(CampaignNotFound, CampaignStatusWrong),
)
async def pause_campaign(campaign_id: UUID, session: Session, who: CanWrite) -> Response:
    """Hand nothing more over until it is resumed. `in_flight` counts what is with a worker at this moment and may still
    go out. Scope: campaigns:write.
    """
    await operations.move(session, who, campaign_id, "pause")
    return await _state(session, campaign_id)


@router.post(
    "/{campaign_id:uuid}/resume",
    summary="Resume a campaign",
    response_model=CampaignState,
    responses=problems(CampaignNotFound, CampaignStatusWrong),
)
async def resume_campaign(campaign_id: UUID, session: Session, who: CanWrite) -> Response:
    """Go on with a paused campaign. Scope: campaigns:write."""
    await operations.move(session, who, campaign_id, "resume")
    return await _state(session, campaign_id)


@router.post(
    "/{campaign_id:uuid}/stop",
    summary="Stop a campaign",
    response_model=CampaignState,
    responses=problems(CampaignNotFound, CampaignStatusWrong),
)
async def stop_campaign(campaign_id: UUID, session: Session, who: CanWrite) -> Response:
    """Stop it for good: nothing more is handed over, and what waits ends as `cancelled`. `in_flight` counts what is
    with a worker at this moment and may still go out. Scope: campaigns:write.
    """
    await operations.stop(session, who, campaign_id)
    return await _state(session, campaign_id)


@router.get(
    "/{campaign_id:uuid}/counts",
    summary="Count a campaign's messages",
    response_model=Counts,
    responses=problems(CampaignNotFound),
)
async def count_campaign(campaign_id: UUID, reads: Reads, _who: CanRead) -> Response:
    """Answer how many messages are where; they always add up. Scope: campaigns:read."""
    if await reads.row(queries.IS_CAMPAIGN, campaign_id=campaign_id) is None:
        raise CampaignNotFound(f"No campaign has the id {campaign_id}")
    rows = await reads.rows(queries.BY_REASON, campaign_id=campaign_id)
    leased = await reads.row(queries.IN_FLIGHT, campaign_id=campaign_id)
    return answer(queries.counts([tuple(row) for row in rows], leased[0] if leased else 0))


@router.get(
    "/{campaign_id:uuid}/explain/{customer_id:uuid}",
    summary="Explain a campaign for a customer",
    response_model=Explanation,
    responses=problems(CampaignNotFound, CustomerNotFound, InvalidAudience),
)
async def explain_campaign(
    request: Request, campaign_id: UUID, customer_id: UUID, session: Session, _who: CanRead, catalog: FieldCatalog
) -> Response:
    """Say why a customer gets it, or why not, rule by rule as things are now, and what the ledger says. Scope:
    campaigns:read.
    """
    return answer(await explain(session, campaign_id, customer_id, catalog, request.app.state.settings))


async def _state(session: Session, campaign_id: UUID) -> Response:
    document = await queries.written_campaign(session, campaign_id)
    told = {name: document[name] for name in ("id", "status", "starts_at", "version")}
    return answer({**told, "counts": await queries.written_counts(session, campaign_id)}, version=document["version"])
