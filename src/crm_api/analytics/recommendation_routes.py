"""HTTP of recommendations and of related products."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security
from starlette.responses import Response

from ..access import Principal, authorize
from ..core.db import Reads
from ..core.problems import problems
from ..core.read import answer
from ..core.route import Route
from ..customers.problems import CustomerNotFound
from ..touchpoints import product_queries
from ..touchpoints.product_problems import ProductNotFound
from . import recommendation_queries as queries
from .recommendation_schemas import RecommendationParams, Recommendations, RelatedParams, RelatedProducts
from .score_queries import IS_CUSTOMER

router = APIRouter(prefix="/v1", tags=["Scores"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["scores:read"])]
CanReadProducts = Annotated[Principal, Security(authorize, scopes=["scores:read", "products:read"])]


@router.get(
    "/customers/{customer_id:uuid}/recommendations",
    summary="Read a customer's recommendations",
    response_model=Recommendations,
    responses=problems(CustomerNotFound),
)
async def read_recommendations(
    customer_id: UUID, params: Annotated[RecommendationParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """Answer what the current runs of `buy_again` and `discover` list for a customer, each place with its reasons.
    `lists` names the run that each list is of, or says why there is none.

    Scope: scores:read.
    """
    if await reads.row(IS_CUSTOMER, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    return answer(await queries.read_recommendations(reads, customer_id, params.kind, params.limit))


@router.get(
    "/products/{product_id:uuid}/related",
    summary="Read what is related to a product",
    response_model=RelatedProducts,
    responses=problems(ProductNotFound),
)
async def read_related_products(
    product_id: UUID, params: Annotated[RelatedParams, Query()], reads: Reads, who: CanReadProducts
) -> Response:
    """Answer what is bought by the customers of a product, nearest first, as the current run of `related_products`
    says: of the product, its type or its category, by the `level` of the run.

    Scopes: scores:read, products:read.
    """
    product = await reads.row(product_queries.BY_ID, id=str(product_id))
    if product is None:
        raise ProductNotFound(f"No product is called {product_id}")
    return answer(await queries.read_related(reads, product, params.limit))
