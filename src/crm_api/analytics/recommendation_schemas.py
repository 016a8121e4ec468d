"""What callers get when they ask what to recommend, and what is related to a product."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.schemas import Day, Instant, Output, Params
from .score_schemas import CUSTOMER

Kind = Literal["buy_again", "cross_sell", "up_sell", "alternative", "new"]
Level = Literal["sku", "product_type", "category"]
_PRODUCT = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8b01"
_STATE: dict[str, Any] = {
    "model": "discover",
    "run_id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11",
    "as_of": "2018-01-01",
    "computed_at": "2026-01-31T09:31:04Z",
    "level": "product_type",
    "status": "ok",
    "reason": None,
}
Item = Annotated[str, Field(description="A SKU, product type or category, as the run's `level` says")]
ProductId = Annotated[UUID | None, Field(description="Of the product, when products are listed and it is registered")]


class RecommendationParams(Params):
    """Which recommendations to read."""

    kind: Annotated[tuple[Kind, ...], Field(max_length=5, description="Only these kinds")] = ()
    limit: Annotated[int, Field(ge=1, le=50, description="Of each list at most so many")] = 20


class RelatedParams(Params):
    """How much to read."""

    limit: Annotated[int, Field(ge=1, le=50, description="At most so many")] = 20


class Because(Output):
    """Why something is recommended."""

    code: Literal["bought-before", "goes-with", "cross-sell", "up-sell", "alternative"]
    text: str
    item: Annotated[str | None, Field(description="What the customer bought that speaks for it")]


class Recommendation(Output):
    """One place of a customer's lists."""

    kind: Annotated[
        Kind,
        Field(
            description="`buy_again`: bought on several days; of what was never bought: `cross_sell` from a category "
            "new to the customer, `up_sell` dearer than what they bought of it, `alternative` not dearer, `new` when "
            "the item stands in no tree"
        ),
    ]
    rank: Annotated[int, Field(description="Place in its list, from 1")]
    item: Item
    product_id: ProductId
    name: str
    buy_probability: Annotated[
        float | None, Field(description="Probability that it is bought in the run's horizon; only of `buy_again`")
    ]
    appeal: Annotated[float | None, Field(description="What the other list is ordered by, no probability")]
    reasons: list[Because]
    model: Literal["buy_again", "discover"]
    run_id: UUID
    computed_at: Instant


class ListState(Output):
    """Where a list comes from, or why there is none."""

    model: Literal["buy_again", "discover", "related_products"]
    run_id: Annotated[UUID | None, Field(description="Null when no run was published yet")]
    as_of: Day | None
    computed_at: Instant | None
    level: Annotated[Level | None, Field(description="What is listed")]
    status: Annotated[
        Literal["ok", "insufficient_data", "stale"],
        Field(description="`stale`: computed longer ago than two days, although the model is planned daily"),
    ]
    reason: str | None


class Recommendations(Output):
    """What the current runs recommend to a customer: first what to buy again, then what to discover."""

    customer_id: UUID
    data: list[Recommendation]
    lists: Annotated[list[ListState], Field(description="One entry for each list, also for one without rows")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": CUSTOMER,
                    "data": [
                        {
                            "kind": "cross_sell",
                            "rank": 1,
                            "item": "RYE BREAD",
                            "product_id": None,
                            "name": "RYE BREAD",
                            "buy_probability": None,
                            "appeal": 0.312905,
                            "reasons": [
                                {
                                    "code": "goes-with",
                                    "text": "Customers who bought SALTED BUTTER bought it too.",
                                    "item": "SALTED BUTTER",
                                }
                            ],
                            "model": "discover",
                            "run_id": _STATE["run_id"],
                            "computed_at": _STATE["computed_at"],
                        }
                    ],
                    "lists": [{**_STATE, "model": "buy_again"}, _STATE],
                }
            ]
        }
    )


class RelatedItem(Output):
    """An item that the customers of another bought."""

    rank: int
    item: Item
    product_id: ProductId
    name: str
    similarity: Annotated[float, Field(ge=0, le=1, description="Shrunk cosine of the two items' customers")]


class RelatedProducts(ListState):
    """What is bought by the customers of a product, or of its type or category."""

    product_id: UUID
    item: Annotated[str | None, Field(description="What the product is to the run: its SKU, type or category")]
    data: list[RelatedItem]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STATE,
                    "model": "related_products",
                    "product_id": _PRODUCT,
                    "item": "SALTED BUTTER",
                    "data": [
                        {"rank": 1, "item": "RYE BREAD", "product_id": None, "name": "RYE BREAD", "similarity": 0.41}
                    ],
                }
            ]
        }
    )
