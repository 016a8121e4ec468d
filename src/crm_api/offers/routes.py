"""HTTP of offers: types in, one call, document out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience.problems import InvalidAudience
from ..core.batch_document import NDJSON, NdjsonResponse
from ..core.db import Reads, Session
from ..core.etags import IfMatch, IfNoneMatch, etag, is_known
from ..core.listing import Listing
from ..core.problems import VersionMismatch, problems
from ..core.read import answer, dump
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from . import operations, queries
from .problems import InvalidProducts, OfferCodeTaken, OfferNotFound
from .schemas import (
    PRODUCT_LINES,
    PRODUCTS_ANSWER,
    Code,
    OfferCreate,
    OfferListParams,
    OfferPage,
    OfferPatch,
    OfferProductPage,
    OfferRead,
    OfferUpserted,
    OfferWish,
    ProductListParams,
)

router = APIRouter(prefix="/v1/offers", tags=["Offers"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["offers:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["offers:write"])]
CanLoad = Annotated[Principal, Security(authorize, scopes=["offers:write"])]


@router.post(
    "",
    status_code=201,
    summary="Make an offer",
    response_model=OfferRead,
    responses=problems(InvalidAudience, OfferCodeTaken),
)
async def make_offer(wish: OfferCreate, session: Session, who: CanWrite, catalog: FieldCatalog) -> Response:
    """Make an offer under a code of its own. Scope: offers:write."""
    made = await operations.make(session, who, wish, catalog)
    document = await queries.written_offer(session, made)
    return answer(document, status=201, version=1, headers={"Location": f"/v1/offers/{made}"})


@router.get("", summary="List offers", response_model=OfferPage)
async def list_offers(
    request: Request, params: Annotated[OfferListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List offers in order of their codes. Scope: offers:read."""
    listing = Listing(request, params)
    values = {name: value for name in queries.FILTERS if (value := getattr(params, name)) is not None}
    count = None
    if params.count is not None:
        counted = await reads.row(queries.counted(frozenset(values)), **values)
        count = counted[0] if counted else None
    after = {} if listing.after is None else {"after": listing.after[0]}
    statement = queries.listed(frozenset(values), after=bool(after))
    rows = await reads.rows(statement, limit=listing.limit, **values, **after)
    return listing.answer([queries.document(row) for row in rows], lambda row: [row["code"]], count=count)


@router.get(
    "/{offer_id:uuid}",
    summary="Read an offer",
    response_model=OfferRead,
    responses={304: {"description": "Not modified"}, **problems(OfferNotFound)},
)
async def read_offer(offer_id: UUID, reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None) -> Response:
    """Answer an offer, whatever its status. Scope: offers:read."""
    row = await reads.row(queries.ONE_OFFER, offer_id=offer_id)
    if row is None:
        raise OfferNotFound(f"No offer has the id {offer_id}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    return answer(queries.document(row), version=row["version"])


@router.patch(
    "/{offer_id:uuid}",
    summary="Change an offer",
    response_model=OfferRead,
    responses=problems(InvalidAudience, OfferNotFound, VersionMismatch),
)
async def change_offer(
    offer_id: UUID,
    patch: OfferPatch,
    session: Session,
    who: CanWrite,
    catalog: FieldCatalog,
    if_match: IfMatch = None,
) -> Response:
    """Change an offer by a merge patch (RFC 7396), except that `eligibility` and `margin` are replaced as a whole. An
    offer is also made live and retired so; offers are never deleted. Scope: offers:write.
    """
    await operations.change(session, who, offer_id, patch, catalog, if_match)
    document = await queries.written_offer(session, offer_id)
    return answer(document, version=document["version"])


@router.put(
    "/by-code/{code}",
    summary="Make or change the offer of a code",
    response_model=OfferUpserted,
    responses={
        201: {"description": "Made", "model": OfferUpserted},
        **problems(InvalidAudience, VersionMismatch),
    },
)
async def put_offer(
    code: Annotated[Code, Path()],
    wish: OfferWish,
    session: Session,
    who: CanWrite,
    catalog: FieldCatalog,
    if_match: IfMatch = None,
) -> Response:
    """Put the whole offer of a code: made if there is none, else replaced, so that what the body leaves out has its
    default again. Its products stay. Scope: offers:write.
    """
    done = await operations.put(session, who, code, wish, catalog, if_match)
    document = {**done.document, "result": done.result, "changed": done.changed}
    if done.result != "created":
        return answer(document, version=document["version"])
    return answer(document, status=201, version=1, headers={"Location": f"/v1/offers/{document['id']}"})


@router.put(
    "/{offer_id:uuid}/products",
    summary="Replace the products of an offer",
    response_class=NdjsonResponse,
    responses={200: PRODUCTS_ANSWER, **problems(OfferNotFound, InvalidProducts)},
    openapi_extra=PRODUCT_LINES,
)
async def replace_offer_products(request: Request, offer_id: UUID, session: Session, who: CanLoad) -> Response:
    """Make the lines the set of products that the offer covers, whatever it was; a product given twice counts once. One
    wrong line, and nothing changes. Scope: offers:write.
    """
    summary = await operations.replace_products(session, who, offer_id, request)
    line = dump({"summary": summary}) + b"\n"
    return Response(line, 200, {"Cache-Control": "no-store"}, media_type=NDJSON)


@router.get(
    "/{offer_id:uuid}/products",
    summary="List the products of an offer",
    response_model=OfferProductPage,
    responses=problems(OfferNotFound),
)
async def list_offer_products(
    request: Request, offer_id: UUID, params: Annotated[ProductListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List the products that the offer covers, in order of their numbers. Scope: offers:read."""
    listing = Listing(request, params)
    after = {} if listing.after is None else {"after": listing.after[0]}
    rows = await reads.rows(queries.products(after=bool(after)), offer_id=offer_id, limit=listing.limit, **after)
    if not rows and await reads.row(queries.IS_THERE, offer_id=offer_id) is None:
        raise OfferNotFound(f"No offer has the id {offer_id}")
    return listing.answer([dict(row) for row in rows], lambda row: [row["sku"]])
