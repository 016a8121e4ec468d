"""What callers send and get about offers."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from ..audience.tree import Audience, Tree
from ..core.money import Money
from ..core.schemas import CountedListParams, Input, Instant, ListParams, NextCursor, Output, Version
from ..customers.schemas import PLAIN_PATTERN, Line

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"
CHANNEL_PATTERN = r"^[a-z][a-z0-9_.-]{0,63}$"
SKU_LONGEST = 100

Code = Annotated[str, Field(pattern=CODE_PATTERN, description="Short name, unique", examples=["BIKES-10"])]
Channel = Annotated[
    str, Field(pattern=CHANNEL_PATTERN, description="Where the customer is met", examples=["email", "web", "store"])
]
Campaign = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN_PATTERN)]
Status = Literal["draft", "live", "retired"]
OfferInstant = Annotated[Instant, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="Higher goes first")]
LongText = Annotated[str, StringConstraints(max_length=10_000)]
Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://[^\s\u0000-\u001f]+$")]
Sku = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=SKU_LONGEST, pattern=PLAIN_PATTERN)
]

_ID = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_CONTENT: dict[str, Any] = {
    "title": "10 % off bikes",
    "body": "Only this month, for you.",
    "url": "https://shop.example/bikes",
}
_EXAMPLE: dict[str, Any] = {
    "name": "10 % off bikes",
    "description": None,
    "status": "live",
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2026-02-01T00:00:00Z",
    "priority": 5,
    "margin": {"amount": "12.30", "currency": "EUR"},
    "eligibility": {"field": "country", "in": ["DE", "AT"]},
    "channels": {"email": _CONTENT},
    "campaign": "spring",
}
_READ: dict[str, Any] = {
    "id": _ID,
    "code": "BIKES-10",
    **_EXAMPLE,
    "eligibility_text": 'country in ("DE", "AT")',
    "product_count": 2,
    "version": 3,
    "created_at": "2026-01-01T09:30:00Z",
    "updated_at": "2026-01-02T09:30:00Z",
}


class Content(Input):
    """What is said in one channel."""

    title: Line
    body: LongText | None = None
    url: Url | None = None


class OfferWish(Input):
    """Everything a caller says about an offer; what is left out has its default."""

    name: Line
    description: LongText | None = None
    status: Annotated[Status, Field(description="Only a live offer is ever decided for")] = "draft"
    valid_from: Annotated[OfferInstant | None, Field(description="First instant; null: since ever")] = None
    valid_until: Annotated[OfferInstant | None, Field(description="First instant after it; null: for good")] = None
    priority: Priority = 0
    margin: Annotated[Money | None, Field(description="What one acceptance earns; null when it is not known")] = None
    eligibility: Annotated[Tree | None, Field(description="Who may get it, an audience; null: everybody")] = None
    channels: Annotated[
        dict[Channel, Content],
        Field(max_length=20, description="Content per channel; where there is none the offer is not made"),
    ] = Field(default_factory=dict)
    campaign: Campaign | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.valid_from is not None and self.valid_until is not None and self.valid_from >= self.valid_until:
            raise PydanticCustomError(
                "empty-window", "valid_until is the first instant after valid_from and must be later"
            )
        return self


class OfferCreate(OfferWish):
    """An offer to make."""

    code: Code

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "BIKES-10", **_EXAMPLE}]})


class ContentPatch(Input):
    """A change of what is said in one channel."""

    title: Line | MISSING = MISSING
    body: LongText | MISSING | None = MISSING
    url: Url | MISSING | None = MISSING


class OfferPatch(Input):
    """A merge patch (RFC 7396): what is left out stays, null clears, channels merge by name.

    `eligibility` and `margin` are values and are replaced as a whole: half a tree means nothing.
    """

    name: Line | MISSING = MISSING
    description: LongText | MISSING | None = MISSING
    status: Status | MISSING = MISSING
    valid_from: OfferInstant | MISSING | None = MISSING
    valid_until: OfferInstant | MISSING | None = MISSING
    priority: Priority | MISSING = MISSING
    margin: Money | MISSING | None = MISSING
    eligibility: Tree | MISSING | None = MISSING
    channels: Annotated[dict[Channel, ContentPatch | None], Field(max_length=40)] | MISSING | None = MISSING
    campaign: Campaign | MISSING | None = MISSING

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"priority": 7, "channels": {"email": {"title": "12 % off"}, "web": None}}]}
    )


class ContentRead(Output):
    """What is said in one channel."""

    title: str
    body: str | None
    url: str | None


class OfferRead(Output):
    """An offer. `version` covers everything that stands here."""

    id: UUID
    code: str
    name: str
    description: str | None
    status: Status
    valid_from: Instant | None
    valid_until: Instant | None
    priority: int
    margin: Money | None
    eligibility: Audience | None
    eligibility_text: Annotated[str | None, Field(description="The same as one canonical text, for people to read")]
    channels: dict[str, ContentRead]
    campaign: str | None
    product_count: Annotated[int, Field(description="Products it covers; `/v1/offers/{id}/products` lists them")]
    version: Version
    created_at: Instant
    updated_at: Instant

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class OfferUpserted(OfferRead):
    """The offer as it is now, and what the call did to it."""

    result: Literal["created", "updated", "unchanged"]
    changed: Annotated[list[str], Field(description="Names of the fields that are different now")]

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ, "result": "updated", "changed": ["priority"]}]})


class OfferPage(Output):
    """A page of offers."""

    data: list[OfferRead]
    next_cursor: NextCursor
    count: Annotated[int | None, Field(description="Number of all rows, if `count` asked for it")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None, "count": None}]})


class OfferListParams(CountedListParams):
    """Which offers to list."""

    status: Status | None = None
    channel: Annotated[Channel | None, Field(description="Only offers with content for this channel")] = None
    campaign: Annotated[str | None, Field(max_length=200, description="Only offers of this campaign")] = None
    live_at: Annotated[OfferInstant | None, Field(description="Only live offers that are valid at this instant")] = None


class ProductLine(Input):
    """A product that an offer covers."""

    sku: Sku

    model_config = ConfigDict(json_schema_extra={"examples": [{"sku": "1004906"}]})


class OfferProductRead(Output):
    """A product that the offer covers."""

    sku: str


class OfferProductPage(Output):
    """A page of products, in order of their numbers."""

    data: list[OfferProductRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [{"sku": "1004906"}], "next_cursor": None}]})


class ProductsSummary(Output):
    """What replacing the products did."""

    received: Annotated[int, Field(ge=0, description="Lines that came")]
    added: Annotated[int, Field(ge=0)]
    removed: Annotated[int, Field(ge=0)]
    product_count: Annotated[int, Field(ge=0, description="Products the offer covers now")]


class ProductsReplaced(Output):
    """The one line of the answer."""

    summary: ProductsSummary


PRODUCT_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "itemSchema": ProductLine.model_json_schema(),
                "example": '{"sku":"1004906"}\n{"sku":"1033142"}\n',
            }
        },
    }
}
"""The body that replaces products, for `openapi_extra=`."""
_SUMMARY = {
    "type": "object",
    "required": ["summary"],
    "properties": {"summary": ProductsSummary.model_json_schema()},
}
PRODUCTS_ANSWER: dict[str, Any] = {
    "description": "One line: lines received, products added and removed, and how many the offer covers now",
    "content": {
        "application/x-ndjson": {
            "itemSchema": _SUMMARY,
            "example": '{"summary":{"received":3,"added":1,"removed":0,"product_count":2}}\n',
        }
    },
}
"""What replacing products answers, for `responses=`."""


class ProductListParams(ListParams):
    """Which page of products."""
