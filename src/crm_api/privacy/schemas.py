"""What callers send and get about consents."""

from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from ..customers.schemas import ExternalIdInput
from ..touchpoints.schemas import PLAIN_PATTERN, Word

Channel = Literal["email", "sms", "phone", "letter", "push"]
State = Literal["granted", "withdrawn"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
STATES: tuple[State, ...] = get_args(State)

PurposeText = Annotated[
    str, StringConstraints(min_length=1, max_length=50, pattern=PLAIN_PATTERN), Field(examples=["marketing"])
]
"""Whatever is sent as the name of a purpose; only declared ones are known."""
Wording = Annotated[str, StringConstraints(min_length=1, max_length=5_000)]

_CUSTOMER_ID = "0199b7a4-1111-7000-8000-000000000001"
_WISH: dict[str, Any] = {
    "channel": "email",
    "purpose": "marketing",
    "state": "granted",
    "occurred_at": "2026-01-31T09:30:00Z",
    "source": "web-form",
    "wording": "Yes, send me news and offers by e-mail.",
}
_STORED: dict[str, Any] = {
    "id": "3f0c1d52-7a8e-8b1c-9d11-0a4c62f0b2aa",
    "customer_id": _CUSTOMER_ID,
    **{name: value for name, value in _WISH.items() if name not in ("source", "wording")},
    "recorded_at": "2026-01-31T09:30:02.120000Z",
    "recorded_by": "web-shop",
    "source": "web-form",
    "wording": _WISH["wording"],
}


class ConsentCreate(Input):
    """A customer's answer to whether they may be contacted on a channel for a purpose.

    The customer is named by `customer_id`, or by `customer`, an id of another system; by exactly one of them.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer": {"system": "shop", "external_id": "4711"}, **_WISH},
                {
                    "customer_id": _CUSTOMER_ID,
                    "channel": "phone",
                    "purpose": "marketing",
                    "state": "withdrawn",
                    "source": "call-center",
                },
            ]
        }
    )

    customer_id: UUID | None = None
    customer: ExternalIdInput | None = None
    channel: Channel
    purpose: Annotated[PurposeText, Field(description="A declared purpose: `GET /v1/purposes` lists them")]
    state: Annotated[State, Field(description="What the customer said")]
    occurred_at: Annotated[
        Instant | None,
        Field(
            description="When the customer said it: from 1900-01-01 to one day ahead; now, if left out. Sent again "
            "with the same time it is recognized as a repeat"
        ),
    ] = None
    source: Annotated[Word, Field(description="Where it was said: a form, a shop, a call center")]
    wording: Annotated[Wording | None, Field(description="The words the customer agreed to")] = None


class ConsentRead(Output):
    """A line of the ledger; it never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED]})

    id: UUID
    customer_id: UUID
    channel: Channel
    purpose: str
    state: State
    occurred_at: Annotated[Instant, Field(description="When the customer said it")]
    recorded_at: Annotated[Instant, Field(description="When it came in")]
    recorded_by: Annotated[str, Field(description="The client that sent it")]
    source: str
    wording: str | None


class ConsentRecorded(ConsentRead):
    """What became of a report that was sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_STORED, "result": "created", "is_current": True}]})

    result: Annotated[
        Literal["created", "repeated"], Field(description="`repeated`: it was in the ledger already, nothing was done")
    ]
    is_current: Annotated[bool, Field(description="Whether it is what counts now; false: something newer is known")]


class ConsentPage(Output):
    """A page of the ledger."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_STORED], "next_cursor": None}]})

    data: list[ConsentRead]
    next_cursor: NextCursor


class ConsentListParams(ListParams):
    """A page or a stream of the ledger."""

    customer_id: Annotated[UUID | None, Field(description="Only what this customer said")] = None
    channel: Channel | None = None
    purpose: PurposeText | None = None
    state: State | None = None


_STANDING: dict[str, Any] = {
    "channel": "email",
    "purpose": "marketing",
    "purpose_label": "Marketing",
    "needs_consent": True,
    "state": "granted",
    "since": "2026-01-31T09:30:00Z",
    "event_id": _STORED["id"],
    "is_allowed": True,
}


class StandingRead(Output):
    """What counts now for a customer, a channel and a purpose."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STANDING]})

    channel: Channel
    purpose: str
    purpose_label: str
    needs_consent: Annotated[bool, Field(description="Whether silence means no")]
    state: Annotated[State | None, Field(description="null: there was no answer")]
    since: Annotated[Instant | None, Field(description="When the newest answer was given")]
    event_id: Annotated[UUID | None, Field(description="The line of the ledger that holds it")]
    is_allowed: Annotated[
        bool,
        Field(description="Whether the customer may be contacted; an address may still be suppressed"),
    ]


class StandingPage(Output):
    """A page of what counts now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        _STANDING,
                        {
                            **_STANDING,
                            "channel": "sms",
                            **dict.fromkeys(("state", "since", "event_id")),
                            "is_allowed": False,
                        },
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    data: list[StandingRead]
    next_cursor: NextCursor


class StandingListParams(ListParams):
    """Which page of what counts now."""

    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 200
