"""What callers send and get about the timeline."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from ..audience.tree import Tree
from ..core.money import AMOUNT_PATTERN, Money
from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from ..customers.schemas import ExternalIdInput

KIND_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$"
PLAIN_PATTERN = r"^[^\u0000-\u001f\u007f]*$"
QUANTITY_PATTERN = r"^-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,3})?$"
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
MOST_ITEMS = 2_000

Kind = Annotated[
    str,
    Field(max_length=100, pattern=KIND_PATTERN, description="What happened: a word, or words with points between"),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PLAIN_PATTERN)]
"""A name that is compared exactly."""
SourceId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PLAIN_PATTERN)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Sku = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PLAIN_PATTERN)]
Direction = Literal["inbound", "outbound"]
Properties = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Any],
    Field(max_length=100, description="Whatever else is known, as JSON; at most 100 members and 32 KiB"),
]
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, description="Decimal number as text, thousandths at most")]
Amount = Annotated[
    str, Field(pattern=AMOUNT_PATTERN, description="Decimal number as text, in the currency of the order's amount")
]

_ITEM: dict[str, Any] = {
    "line_number": 1,
    "sku": "4711",
    "quantity": "1.000",
    "paid_amount": "3.99",
    "list_amount": "4.50",
}
_ORDER: dict[str, Any] = {
    "customer": {"system": "shop", "external_id": "4711"},
    "kind": "order.placed",
    "channel": "store",
    "direction": "inbound",
    "department": "sales",
    "occurred_at": "2026-01-31T09:30:00Z",
    "source": "till",
    "source_id": "receipt-8812",
    "amount": {"amount": "3.99", "currency": "EUR"},
    "properties": {"store_id": 12},
    "items": [_ITEM],
}
_STORED: dict[str, Any] = {
    "id": "3f0c1d52-7a8e-8b1c-9d11-0a4c62f0b2aa",
    "customer_id": "0199b7a4-1111-7000-8000-000000000001",
    **{name: value for name, value in _ORDER.items() if name != "customer"},
    "recorded_at": "2026-01-31T09:30:02.120000Z",
    "recorded_by": "till-importer",
    "cost": None,
    "campaign": None,
    "subject": None,
}


class OrderItemInput(Input):
    """A line of an order."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    line_number: Annotated[int, Field(ge=1, le=32_767, description="Its place in the list, if left out")] | None = None
    sku: Annotated[Sku, Field(description="The product; it need not be known yet")]
    quantity: Quantity = "1"
    paid_amount: Annotated[Amount, Field(description="What was paid for the whole line")]
    list_amount: Annotated[Amount | None, Field(description="Before discounts; the paid amount, if left out")] = None


class TouchpointCreate(Input):
    """Something that happened between a customer and the business.

    The customer is named by `customer_id`, or by `customer`, an id of another system; by exactly one of them. With
    `source_id` a repeat is recognized: the same again changes nothing, the same id with other content is a conflict.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _ORDER,
                {
                    "customer_id": "0199b7a4-1111-7000-8000-000000000001",
                    "kind": "call.answered",
                    "channel": "phone",
                    "occurred_at": "2026-01-31T10:00:00+01:00",
                    "subject": "Asked about delivery",
                },
            ]
        }
    )

    customer_id: UUID | None = None
    customer: ExternalIdInput | None = None
    kind: Annotated[Kind, Field(examples=["order.placed", "email.opened"])]
    channel: Annotated[Word | None, Field(description="Where: store, web, email, phone, letter")] = None
    direction: Annotated[Direction | None, Field(description="`inbound`: the customer began it")] = None
    department: Annotated[Word | None, Field(description="Who in the business: sales, service, marketing")] = None
    occurred_at: Annotated[
        Instant, Field(description="When it happened: from 1900-01-01 to one day ahead; microseconds are kept")
    ]
    source: Annotated[Word | None, Field(description="The system that tells it")] = None
    source_id: Annotated[SourceId | None, Field(description="Its name in that system; wants `source`")] = None
    amount: Annotated[
        Money | None, Field(description="What it was worth to the business; of an order, what was paid")
    ] = None
    cost: Annotated[Money | None, Field(description="What it cost the business")] = None
    campaign: Word | None = None
    subject: Annotated[Subject | None, Field(description="One line for people")] = None
    properties: Annotated[Properties, Field(default_factory=dict)]
    items: Annotated[
        list[OrderItemInput], Field(max_length=MOST_ITEMS, default_factory=list, description="Lines; want `amount`")
    ]


class OrderItem(Output):
    """A line of an order; amounts are in the currency of the order."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ITEM]})

    line_number: int
    sku: str
    quantity: Annotated[str, Field(description="With three digits after the point")]
    paid_amount: str
    list_amount: str


class TouchpointRead(Output):
    """A touchpoint as it is stored; it never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED]})

    id: UUID
    customer_id: UUID
    kind: str
    channel: str | None
    direction: Direction | None
    department: str | None
    occurred_at: Instant
    recorded_at: Annotated[Instant, Field(description="When it came in; what watermarks look at")]
    source: str | None
    source_id: str | None
    recorded_by: Annotated[str, Field(description="The client that sent it")]
    amount: Money | None
    cost: Money | None
    campaign: str | None
    subject: str | None
    properties: dict[str, Any]
    items: Annotated[
        list[OrderItem] | None,
        Field(description="Lines of an order; null on pages, unless `expand=items` asks for them"),
    ]


class TouchpointRecorded(TouchpointRead):
    """What became of a touchpoint that was sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_STORED, "result": "created"}]})

    result: Annotated[
        Literal["created", "repeated"], Field(description="`repeated`: it was there already, exactly like that")
    ]


class TouchpointPage(Output):
    """A page of touchpoints."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": [{**_STORED, "items": None}], "next_cursor": "bmV4dA"}]}
    )

    data: list[TouchpointRead]
    next_cursor: NextCursor


class WithheldKinds(Output):
    """Things that the timeline has, but not for this caller."""

    kinds: list[str]
    scope: Annotated[str, Field(description="What a token needs to see them")]


class TimelinePage(TouchpointPage):
    """A page of a customer's timeline: touchpoints, and other things in the same form."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [{**_STORED, "items": None}],
                    "next_cursor": "bmV4dA",
                    "withheld": [{"kinds": ["segment.entered", "segment.exited"], "scope": "segments:read"}],
                }
            ]
        }
    )

    withheld: Annotated[
        list[WithheldKinds], Field(description="What was asked for and is left out, since the token lacks a scope")
    ]


class _Filter(ListParams):
    """What narrows both lists."""

    kind: Annotated[list[Kind] | None, Field(max_length=20, description="One of these kinds; may be repeated")] = None
    channel: Word | None = None
    direction: Direction | None = None
    department: Word | None = None
    source: Word | None = None
    campaign: Word | None = None
    occurred_from: Annotated[Instant | None, Field(description="Not before")] = None
    occurred_until: Annotated[Instant | None, Field(description="Before, and not at")] = None
    expand: Annotated[Literal["items"] | None, Field(description="`items`: with the lines of orders")] = None


class TouchpointSearch(Input):
    """Which touchpoints to find: of some customers, that say something, with lines like that. Each is an audience, as a
    tree or as text.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "where": {
                        "all": [
                            {"field": "kind", "eq": "page.viewed"},
                            {"field": "properties.path", "like": "/bikes/*"},
                            {"field": "occurred_at", "within_last": "P14D"},
                        ]
                    },
                    "audience": {"field": "country", "in": ["DE", "AT"]},
                    "limit": 20,
                }
            ]
        }
    )

    where: Annotated[
        Tree | None, Field(description="Tests of the touchpoint: kind, occurred_at, recorded_at, channel and others")
    ] = None
    items: Annotated[Tree | None, Field(description="Tests that a line of the touchpoint meets")] = None
    audience: Annotated[Tree | None, Field(description="Whose touchpoints; null: everybody's")] = None
    expand: Annotated[Literal["items"] | None, Field(description="`items`: with the lines of orders")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 50
    cursor: Annotated[
        str | None,
        Field(max_length=2000, description="`next_cursor` of the page before; the rest of the body stays the same"),
    ] = None


class TimelineParams(_Filter):
    """A page of one customer's timeline."""


class TouchpointListParams(_Filter):
    """A page or a stream of touchpoints of all customers."""

    customer_from: Annotated[UUID | None, Field(description="Only customers whose id is not below this one")] = None
    customer_before: Annotated[UUID | None, Field(description="Only customers whose id is below this one")] = None
    recorded_until: Annotated[
        Instant | None,
        Field(
            description="Only what was recorded up to this watermark, which must be final, as it is after 60 seconds: "
            "the same question gives the same rows from then on"
        ),
    ] = None
    fields: Annotated[
        str | None,
        Field(
            max_length=500,
            pattern=r"^[a-z_]+(,[a-z_]+)*$",
            description="Only these fields, in this order, separated by commas: `customer_id,kind,occurred_at`",
        ),
    ] = None
