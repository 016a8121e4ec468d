"""What callers send and get about products."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field, JsonValue, StringConstraints

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version

PLAIN_PATTERN = r"^[^\u0000-\u001f\u007f]*$"
Sku = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=PLAIN_PATTERN,
        description="Its name in the shop, unique",
        examples=["bike-1"],
    ),
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN_PATTERN)]
Properties = Annotated[dict[Annotated[str, Field(max_length=100)], JsonValue], Field(max_length=100)]
_EXAMPLE: dict[str, Any] = {
    "name": "City bike",
    "brand": "Acme",
    "department": "Outdoor",
    "category": "Bicycles",
    "product_type": "City",
    "size": "28 inch",
    "properties": {"color": "red"},
}


class ProductFields(Input):
    """What is said about a product. Department, category and product type are its place in the tree of products."""

    name: Line
    brand: Line | None = None
    department: Line | None = None
    category: Line | None = None
    product_type: Line | None = None
    size: Line | None = None
    properties: Properties = Field(default_factory=dict)


class ProductUpsert(ProductFields):
    """A product as it is to be; what is left out is cleared."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class ProductCreate(ProductFields):
    """A product to register."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sku": "bike-1", **_EXAMPLE}]})

    sku: Sku


class ProductPatch(Input):
    """A merge patch (RFC 7396): what is left out stays, null clears. The SKU stays for good: orders name it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"size": "26 inch", "brand": None}]})

    name: Line | MISSING = MISSING
    brand: Line | MISSING | None = MISSING
    department: Line | MISSING | None = MISSING
    category: Line | MISSING | None = MISSING
    product_type: Line | MISSING | None = MISSING
    size: Line | MISSING | None = MISSING
    properties: Properties | MISSING | None = MISSING


_READ: dict[str, Any] = {
    "id": "0198c0de-0000-7000-8000-000000000001",
    "sku": "bike-1",
    **_EXAMPLE,
    "version": 1,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
}


class ProductRead(Output):
    """A product."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    id: UUID
    sku: str
    name: str
    brand: str | None
    department: str | None
    category: str | None
    product_type: str | None
    size: str | None
    properties: dict[str, Any]
    version: Version
    created_at: Instant
    updated_at: Instant


class ProductUpserted(ProductRead):
    """A product, and what became of the wish."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ, "result": "created"}]})

    result: Literal["created", "updated", "unchanged"]


class ProductPage(Output):
    """A page of products, in order of their SKUs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})

    data: list[ProductRead]
    next_cursor: NextCursor


class ProductListParams(ListParams):
    """Filters of the list of products; all compare exactly."""

    sku: Sku | None = None
    brand: Line | None = None
    department: Line | None = None
    category: Line | None = None
    product_type: Line | None = None
