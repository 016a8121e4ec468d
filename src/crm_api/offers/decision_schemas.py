"""What callers send and get about decisions."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..core.money import Money
from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from ..customers.schemas import ExternalIdInput
from .rules import Code as ReasonCode
from .schemas import Channel, ContentRead, OfferInstant

_CUSTOMER = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_CHOSEN: dict[str, Any] = {
    "offer_id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11",
    "code": "BIKES-10",
    "name": "10 % off bikes",
    "campaign": "spring",
    "priority": 5,
    "margin": {"amount": "12.30", "currency": "EUR"},
    "valid_from": "2026-01-01T00:00:00Z",
    "valid_until": "2026-02-01T00:00:00Z",
    "content": {"title": "10 % off bikes", "body": "Only this month, for you.", "url": "https://shop.example/bikes"},
    "reasons": [
        {"code": "eligible", "detail": "The customer is in the audience of its eligibility."},
        {
            "code": "highest-priority",
            "detail": "Of those left it has the highest priority, 5; the next, HELMETS, has 3.",
        },
    ],
}
_REJECTED: dict[str, Any] = {
    "offer_id": "0198c5a0-5e20-7a11-8c4d-3e2f1a0b9c8d",
    "code": "HELMETS",
    "reasons": [
        {"code": "outranked", "detail": "Only 1 offer was wanted, and BIKES-10 goes before it: priority 3 against 5."}
    ],
}
_READ: dict[str, Any] = {
    "id": "0198c5a0-7b00-7c55-9a3e-4d5c6b7a8f90",
    "customer_id": _CUSTOMER,
    "channel": "email",
    "at": "2026-01-15T12:00:00Z",
    "context": {"page": "/bikes/city", "location": None},
    "decided_at": "2026-01-15T12:00:00Z",
    "decided_by": "shop",
    "valid_until": "2026-01-16T12:00:00Z",
    "chosen": [_CHOSEN],
    "rejected": [_REJECTED],
    "rejected_count": 1,
}


class DecisionContext(Input):
    """Where the customer is at this moment, for offers that ask for it (`context.page`, `context.location`)."""

    page: Annotated[
        str | None,
        Field(min_length=1, max_length=1_000, description="Path of the page", examples=["/bikes/city"]),
    ] = None
    location: Annotated[
        str | None,
        Field(min_length=1, max_length=200, description="Place: a shop, a town; in any letter case", examples=["Köln"]),
    ] = None


class DecisionWish(Input):
    """A decision to be made. The customer is named by `customer_id`, or by `customer` as another system knows it."""

    customer_id: UUID | None = None
    customer: ExternalIdInput | None = None
    channel: Channel
    limit: Annotated[int, Field(ge=1, le=10, description="Offers wanted at most")] = 1
    at: Annotated[
        OfferInstant | None,
        Field(description="Decide as at this instant: which offers are valid, where windows end. Now, if left out"),
    ] = None
    context: Annotated[
        DecisionContext | None, Field(description="What is left out is missing: who asks for it is not eligible")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer_id": _CUSTOMER, "channel": "email", "limit": 1},
                {
                    "customer": {"system": "shop", "external_id": "4711"},
                    "channel": "web",
                    "context": {"page": "/bikes/city"},
                },
            ]
        }
    )

    @model_validator(mode="after")
    def _names_one_customer(self) -> Self:
        if (self.customer_id is None) == (self.customer is None):
            raise PydanticCustomError("one-customer", "Name the customer by customer_id or by customer, one of them")
        return self


class ReasonRead(Output):
    """Why an offer was chosen or rejected."""

    code: Annotated[ReasonCode, Field(description="Stable name of the reason")]
    detail: Annotated[str, Field(description="The reason in a sentence")]


class ChosenOffer(Output):
    """An offer to be made, as it was when it was decided."""

    offer_id: UUID
    code: str
    name: str
    campaign: str | None
    priority: int
    margin: Money | None
    valid_from: Instant | None
    valid_until: Instant | None
    content: Annotated[ContentRead, Field(description="What to say in the channel asked for")]
    reasons: list[ReasonRead]


class RejectedOffer(Output):
    """An offer that is not made, and everything that was against it."""

    offer_id: UUID
    code: str
    reasons: list[ReasonRead]


class DecisionRead(Output):
    """Which offers a customer gets, and why. Nothing in it changes later."""

    id: UUID
    customer_id: UUID
    channel: str
    at: Annotated[Instant, Field(description="The instant it was decided for")]
    context: Annotated[DecisionContext | None, Field(description="What was told of the moment")] = None
    decided_at: Instant
    decided_by: Annotated[str, Field(description="Client that asked")]
    valid_until: Annotated[
        Instant, Field(description="Until then it can be used: when a chosen offer ends, 24 hours after `at` at most")
    ]
    chosen: Annotated[list[ChosenOffer], Field(description="The best first; empty when nothing is to be offered")]
    rejected: Annotated[
        list[RejectedOffer],
        Field(description="Those that came nearest first, at most 50; drafts and retired offers are looked at last"),
    ]
    rejected_count: Annotated[int, Field(description="Of all offers that were looked at and rejected")]

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class DecisionPage(Output):
    """Decisions, the newest first."""

    data: list[DecisionRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class DecisionListParams(ListParams):
    """Which decisions to list."""

    channel: Annotated[Channel | None, Field(description="Only decisions for this channel")] = None
