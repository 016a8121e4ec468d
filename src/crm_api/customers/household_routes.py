"""HTTP of households: types in, one call, document out."""

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
from . import household_queries as queries
from . import operations
from .household_schemas import HouseholdCreate, HouseholdListParams, HouseholdPage, HouseholdPatch, HouseholdRead
from .problems import CustomerNotFound, HouseholdFull, HouseholdNotFound, InAnotherHousehold, NoMember

router = APIRouter(prefix="/v1/households", tags=["Households"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["households:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["households:write"])]


@router.post(
    "",
    status_code=201,
    summary="Form a household",
    response_model=HouseholdRead,
    responses=problems(InAnotherHousehold),
)
async def form_household(wish: HouseholdCreate, session: Session, who: CanWrite) -> Response:
    """Form a household, with members or without. A customer is in one household at most.

    Scope: households:write.
    """
    document = await operations.form(session, who, wish)
    location = {"Location": f"/v1/households/{document['id']}"}
    return answer(document, status=201, version=document["version"], headers=location)


@router.get("", summary="List households", response_model=HouseholdPage, responses=problems())
async def list_households(
    request: Request, params: Annotated[HouseholdListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List households page by page, the oldest first; with `customer_id` the one that customer is in.

    Scope: households:read.
    """
    page = Listing(request, params)
    values = {} if page.after is None else {"after": page.after[0]}
    if params.customer_id is not None:
        values["customer_id"] = params.customer_id
    statement = queries.listed(after=page.after is not None, of_customer=params.customer_id is not None)
    rows = await reads.rows(statement, limit=page.limit, **values)
    return page.answer([queries.document(row) for row in rows], lambda document: [document["id"]])


@router.get(
    "/{household_id:uuid}",
    summary="Read a household",
    response_model=HouseholdRead,
    responses={304: {"description": "Not modified"}, **problems(HouseholdNotFound)},
)
async def read_household(
    household_id: UUID, reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer a household with its members. Scope: households:read."""
    row = await reads.row(queries.BY_ID, id=household_id)
    if row is None:
        raise HouseholdNotFound(f"No household has the id {household_id}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    return answer(queries.document(row), version=row["version"])


@router.patch(
    "/{household_id:uuid}",
    summary="Change a household",
    response_model=HouseholdRead,
    responses=problems(HouseholdNotFound, VersionMismatch),
)
async def change_household(
    household_id: UUID, wish: HouseholdPatch, session: Session, who: CanWrite, if_match: IfMatch = None
) -> Response:
    """Give a household another name by a merge patch (RFC 7396); null takes it away. Scope: households:write."""
    document = await operations.rename(session, who, household_id, wish, if_match)
    return answer(document, version=document["version"])


@router.delete(
    "/{household_id:uuid}",
    status_code=204,
    summary="Dissolve a household",
    responses=problems(HouseholdNotFound, VersionMismatch),
)
async def dissolve_household(household_id: UUID, session: Session, who: CanWrite, if_match: IfMatch = None) -> Response:
    """Let all members go, and the household be no more. The customers stay as they are. Scope: households:write."""
    await operations.dissolve(session, who, household_id, if_match)
    return Response(status_code=204)


@router.put(
    "/{household_id:uuid}/members/{customer_id:uuid}",
    summary="Join a household",
    response_model=HouseholdRead,
    responses=problems(HouseholdNotFound, CustomerNotFound, InAnotherHousehold, HouseholdFull),
)
async def join_household(
    request: Request, household_id: UUID, customer_id: UUID, session: Session, who: CanWrite
) -> Response:
    """Let a customer join; who is in it already stays. Whoever is in another household leaves that one first.

    Scope: households:write.
    """
    request.state.customer_id = customer_id
    document = await operations.join(session, who, household_id, customer_id)
    return answer(document, version=document["version"])


@router.delete(
    "/{household_id:uuid}/members/{customer_id:uuid}",
    status_code=204,
    summary="Leave a household",
    responses=problems(HouseholdNotFound, NoMember),
)
async def leave_household(
    request: Request, household_id: UUID, customer_id: UUID, session: Session, who: CanWrite
) -> Response:
    """Let a customer leave. A household that nobody is left in stays until it is dissolved. Scope: households:write."""
    request.state.customer_id = customer_id
    await operations.leave(session, who, household_id, customer_id)
    return Response(status_code=204)
