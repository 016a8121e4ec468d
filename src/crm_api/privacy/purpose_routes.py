"""HTTP of purposes: types in, one call, document out."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from . import operations, queries
from .problems import PurposeNotFound
from .purpose_schemas import PurposeListParams, PurposeName, PurposePage, PurposePut, PurposeRead, PurposeWish

router = APIRouter(prefix="/v1/purposes", tags=["Consents"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["purposes:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["purposes:write"])]


@router.get("", summary="List purposes", response_model=PurposePage)
async def list_purposes(
    request: Request, params: Annotated[PurposeListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List what customers are contacted for, in order of the names. Scope: purposes:read."""
    page = Listing(request, params)
    after = "" if page.after is None else page.after[0]
    rows = await reads.rows(queries.PURPOSE_PAGE, after=after, limit=page.limit)
    return page.answer([dict(row) for row in rows], lambda row: [row["name"]])


@router.get("/{name}", summary="Read a purpose", response_model=PurposeRead, responses=problems(PurposeNotFound))
async def read_purpose(
    name: Annotated[str, Path(max_length=50, examples=["marketing"])], reads: Reads, _who: CanRead
) -> Response:
    """Answer a purpose. Scope: purposes:read."""
    row = await reads.row(queries.ONE_PURPOSE, name=name)
    if row is None:
        raise PurposeNotFound(f"No purpose is called {name}")
    return answer(dict(row))


@router.put(
    "/{name}",
    summary="Declare a purpose, or describe it anew",
    response_model=PurposePut,
    responses={201: {"description": "Declared", "model": PurposePut}},
)
async def put_purpose(
    name: Annotated[PurposeName, Path()], wish: PurposeWish, session: Session, who: CanWrite
) -> Response:
    """Declare a purpose, or change the label of the one there is, and whether silence means no. From then on reports
    may name it, and audiences can ask for `consent.<channel>.<name>`. A purpose is never deleted: consents rest on it.
    Changing `needs_consent` changes at once who may be contacted; the audit keeps what it was.

    Scope: purposes:write.
    """
    document = await operations.put_purpose(session, who, name, wish)
    created = document["result"] == "created"
    return answer(
        document,
        status=201 if created else 200,
        headers={"Location": f"/v1/purposes/{name}"} if created else None,
    )
