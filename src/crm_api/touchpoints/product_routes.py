"""HTTP of products: types in, one call, document out."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.batch import Batch, BatchParams
from ..core.db import Reads, Session
from ..core.etags import IfMatch, IfNoneMatch, etag, is_known
from ..core.listing import Listing
from ..core.problems import NotAcceptable, VersionMismatch, problems
from ..core.read import Prepared, answer
from ..core.route import Route
from ..core.streams import stream, wants
from . import product_operations as operations
from . import product_queries as queries
from .product_problems import ProductNotFound, SkuTaken
from .product_schemas import (
    ProductCreate,
    ProductListParams,
    ProductPage,
    ProductPatch,
    ProductRead,
    ProductUpsert,
    ProductUpserted,
    Sku,
)

router = APIRouter(prefix="/v1/products", tags=["Products"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["products:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["products:write"])]
CanLoad = Annotated[Principal, Security(authorize, scopes=["products:write"])]
BATCH = Batch("products", ProductCreate, operations.store_products, results=("created", "updated", "unchanged"))
_STREAMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "id,sku,name,…\n"},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"id":"…","sku":"bike-1"}\n'},
        }
    }
}


@router.post(
    "", status_code=201, summary="Register a product", response_model=ProductRead, responses=problems(SkuTaken)
)
async def register_product(wish: ProductCreate, session: Session, who: CanWrite) -> Response:
    """Register a product under a new SKU. Scope: products:write."""
    document = await operations.register_product(session, who, wish)
    return answer(document, status=201, version=1, headers={"Location": f"/v1/products/{document['id']}"})


@router.post("/batch", summary="Load products", **BATCH.documentation())
async def load_products(request: Request, params: Annotated[BatchParams, Query()], who: CanLoad) -> Response:
    """Register or change any number of products by SKU, one JSON document a line. Scope: products:write."""
    return await BATCH.answer(request, params, who.client_id)


@router.get("", summary="List products", response_model=ProductPage, responses={**_STREAMS, **problems(NotAcceptable)})
async def list_products(
    request: Request, params: Annotated[ProductListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List products in order of their SKUs, page by page. `Accept: text/csv` or `application/x-ndjson` streams all of
    them.

    Scope: products:read.
    """
    values = {name: value for name in queries.FILTERS if (value := getattr(params, name)) is not None}
    if (form := wants(request)) != "json":
        return stream(request, queries.exported(values, form), form)
    page = Listing(request, params)
    names = frozenset(values)
    if page.after is not None:
        values["after"] = page.after[0]
    rows = await reads.rows(queries.listed(names, after=page.after is not None), limit=page.limit, **values)
    return page.answer([queries.document(row) for row in rows], lambda document: [document["sku"]])


@router.put(
    "/by-sku/{sku:path}",
    summary="Register or change a product by its SKU",
    response_model=ProductUpserted,
    responses={201: {"description": "Registered", "model": ProductUpserted}, **problems(ProductNotFound)},
)
async def upsert_product(sku: Annotated[Sku, Path()], wish: ProductUpsert, session: Session, who: CanWrite) -> Response:
    """Make the product with this SKU what the body says; what is left out is cleared. Scope: products:write."""
    result, document = await operations.upsert_product(session, who, ProductCreate(sku=sku, **wish.model_dump()))
    status = 201 if result == "created" else 200
    return answer({**document, "result": result}, status=status, version=document["version"])


@router.get(
    "/by-sku/{sku:path}",
    summary="Read a product by its SKU",
    response_model=ProductRead,
    responses={304: {"description": "Not modified"}, **problems(ProductNotFound)},
)
async def read_product_by_sku(
    sku: Annotated[Sku, Path()], reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer the product that has a SKU. Scope: products:read."""
    return await _read(reads, queries.BY_SKU, if_none_match, sku=sku)


@router.get(
    "/{product_id:uuid}",
    summary="Read a product",
    response_model=ProductRead,
    responses={304: {"description": "Not modified"}, **problems(ProductNotFound)},
)
async def read_product(product_id: UUID, reads: Reads, _who: CanRead, if_none_match: IfNoneMatch = None) -> Response:
    """Answer a product. Scope: products:read."""
    return await _read(reads, queries.BY_ID, if_none_match, id=str(product_id))


async def _read(reads: Reads, statement: Prepared, if_none_match: str | None, **name: str) -> Response:
    row = await reads.row(statement, **name)
    if row is None:
        raise ProductNotFound(f"No product is called {', '.join(name.values())}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    return answer(queries.document(row), version=row["version"])


@router.patch(
    "/{product_id:uuid}",
    summary="Change a product",
    response_model=ProductRead,
    responses=problems(ProductNotFound, VersionMismatch),
)
async def change_product(
    product_id: UUID, wish: ProductPatch, session: Session, who: CanWrite, if_match: IfMatch = None
) -> Response:
    """Change a product by a merge patch (RFC 7396). Scope: products:write."""
    document = await operations.change_product(session, who, product_id, wish, if_match)
    return answer(document, version=document["version"])
