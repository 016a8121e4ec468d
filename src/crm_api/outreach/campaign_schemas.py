"""What callers send and get about campaigns."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    MISSING,
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..audience.tree import Audience, Tree
from ..core.money import Money
from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version
from ..customers.contact_points import normalized_email
from ..customers.schemas import PLAIN_PATTERN, Line
from .addresses import ascii_domain
from .schedule import LaunchZone

CODE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,99}$"
Code = Annotated[
    str,
    Field(
        pattern=CODE_PATTERN,
        description="Short name, unique; touchpoints carry it as `campaign`",
        examples=["spring-2026"],
    ),
]
Purpose = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,39}$", description="What consent is asked for", examples=["marketing"])
]
Status = Literal["draft", "scheduled", "planning", "running", "paused", "stopping", "stopped", "finished"]
SenderName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PLAIN_PATTERN)
]
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?", re.ASCII)
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)


def _of_a_sender(address: str) -> str:
    """Refuse what mail servers would not take from us, before thousands of messages fail of it."""
    if not address.rpartition("@")[0].isascii():
        raise PydanticCustomError(
            "sender_address", "What stands before the @ must be ASCII: few mail servers take more"
        )
    try:
        ascii_domain(address)
    except ValueError as unfit:
        raise PydanticCustomError("sender_address", "{why}", {"why": str(unfit)}) from None
    return address


MailAddress = Annotated[str, Field(max_length=254), AfterValidator(normalized_email), AfterValidator(_of_a_sender)]


def _local_time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _OFFSET.search(value[10:]):
        raise PydanticCustomError("local_time", "launch_at is a local time and has no offset")
    if not _LOCAL.fullmatch(value):
        raise PydanticCustomError("local_time", "Write a local time to the minute or second, as in 2026-12-01T09:00")
    found = datetime.fromisoformat(value)
    if not 2 <= found.year <= 9998:  # so that it exists in all zones
        raise PydanticCustomError("out_of_range", "Write a time between the years 2 and 9998")
    return found


LocalTime = Annotated[
    datetime,
    BeforeValidator(_local_time),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{_LOCAL.pattern}$",
            "description": "A local time without offset, to the minute or second",
            "examples": ["2026-12-01T09:00"],
        }
    ),
]


def _is_cost(money: Money) -> Money:
    if money.minor < 0:
        raise PydanticCustomError("negative", "A cost is not below zero")
    return money


Cost = Annotated[Money, AfterValidator(_is_cost)]

_ID = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_TEMPLATE = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_CUSTOMER = "0198c5a0-7a01-7b6c-9d55-1f2e3d4c5b6a"
_WISH: dict[str, Any] = {
    "code": "spring-2026",
    "name": "Spring for our best",
    "purpose": "marketing",
    "audience": {"field": "rfm.monetary", "gte": 4},
    "segment_id": None,
    "template_id": _TEMPLATE,
    "with_offer": True,
    "sender": {"name": "Bike Shop", "address": "news@shop.example", "reply_to": None},
    "unit_cost": {"amount": "0.01", "currency": "EUR"},
    "launch_zone": "business",
}
_COUNTS: dict[str, Any] = {
    "planned": 1210,
    "pending": 100,
    "in_flight": 20,
    "sent": 1000,
    "bounced": 3,
    "failed": 0,
    "skipped": 85,
    "cancelled": 0,
    "unknown": 2,
    "reasons": {"no_consent": 80, "no_address": 5},
}
_READ: dict[str, Any] = {
    "id": _ID,
    **_WISH,
    "channel": "email",
    "audience_text": "rfm.monetary >= 4",
    "status": "running",
    "launch_at": "2026-12-01T09:00:00",
    "starts_at": "2026-12-01T08:00:00Z",
    "job_id": None,
    "planned_at": "2026-12-01T08:00:01Z",
    "ended_at": None,
    "version": 4,
    "created_at": "2026-11-20T09:30:00Z",
    "updated_at": "2026-12-01T08:00:01Z",
}


class Sender(Input):
    """Who the message is from."""

    name: SenderName
    address: MailAddress
    reply_to: MailAddress | None = None


class CampaignWish(Input):
    """A campaign to make: to whom (an audience or a segment, one of both), with which template."""

    code: Code
    name: Line
    purpose: Purpose = "marketing"
    audience: Annotated[Tree | None, Field(description="Which customers, an audience")] = None
    segment_id: Annotated[UUID | None, Field(strict=False, description="Or the members of a segment")] = None
    template_id: Annotated[UUID, Field(strict=False)]
    with_offer: Annotated[
        bool, Field(description="An offer is decided for each recipient; who gets none is left out")
    ] = False
    sender: Sender
    unit_cost: Annotated[Cost | None, Field(description="What one message costs, for the plan")] = None
    launch_zone: Annotated[LaunchZone, Field(description="Whose local time `launch_at` is")] = "business"

    model_config = ConfigDict(json_schema_extra={"examples": [_WISH]})

    @model_validator(mode="after")
    def _says_to_whom(self) -> Self:
        if (self.audience is None) == (self.segment_id is None):
            raise PydanticCustomError("recipients", "give either an audience or a segment_id")
        return self


class CampaignPatch(Input):
    """A merge patch (RFC 7396) of a draft; `audience` and `sender` are replaced as a whole."""

    name: Line | MISSING = MISSING
    purpose: Purpose | MISSING = MISSING
    audience: Tree | MISSING | None = MISSING
    segment_id: Annotated[UUID, Field(strict=False)] | MISSING | None = MISSING
    template_id: Annotated[UUID, Field(strict=False)] | MISSING = MISSING
    with_offer: bool | MISSING = MISSING
    sender: Sender | MISSING = MISSING
    unit_cost: Cost | MISSING | None = MISSING
    launch_zone: LaunchZone | MISSING = MISSING

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Spring for everybody", "with_offer": False}]})


class LaunchWish(Input):
    """When to launch."""

    launch_at: Annotated[LocalTime | None, Field(description="Without it: now")] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"launch_at": "2026-12-01T09:00"}]})


class SenderRead(Output):
    """Who the message is from."""

    name: str
    address: str
    reply_to: str | None


class Counts(Output):
    """How many messages are where. `planned` is the sum of all others but `reasons` and `in_flight`, which is a part of
    `pending`.
    """

    planned: int
    pending: Annotated[int, Field(description="Not ended yet, those in flight included")]
    in_flight: Annotated[int, Field(description="With a worker right now")]
    sent: int
    bounced: int
    failed: int
    skipped: int
    cancelled: int
    unknown: Annotated[
        int, Field(description="Handed to a gateway that cannot say whether it took them; never sent again")
    ]
    reasons: Annotated[dict[str, int], Field(description="Ended messages by reason")]

    model_config = ConfigDict(json_schema_extra={"examples": [_COUNTS]})


class CampaignRead(Output):
    """A campaign."""

    id: UUID
    code: str
    name: str
    purpose: str
    channel: str
    audience: Audience | None
    audience_text: Annotated[str | None, Field(description="The audience as text, for people to read")]
    segment_id: UUID | None
    template_id: UUID
    with_offer: bool
    sender: SenderRead
    unit_cost: Money | None
    launch_zone: LaunchZone
    status: Status
    launch_at: Annotated[str | None, Field(description="The local time that was asked for")]
    starts_at: Annotated[Instant | None, Field(description="From when its recipients are planned")]
    job_id: Annotated[UUID | None, Field(description="The job that plans or stops it")]
    planned_at: Annotated[Instant | None, Field(description="When all its recipients were planned")]
    ended_at: Instant | None
    version: Version
    created_at: Instant
    updated_at: Instant

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class CampaignPage(Output):
    """Campaigns, the newest first."""

    data: list[CampaignRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class CampaignListParams(ListParams):
    """A page of campaigns."""

    status: Status | None = None


class CampaignState(Output):
    """Where a campaign is after a command, and how many of its messages are where."""

    id: UUID
    status: Status
    starts_at: Instant | None
    version: Version
    counts: Counts

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": _ID, "status": "paused", "starts_at": "2026-12-01T08:00:00Z", "version": 5, "counts": _COUNTS}
            ]
        }
    )


class SampleRecipient(Output):
    """Somebody who would get it."""

    customer_id: UUID
    display_name: str
    address: str


class Plan(Output):
    """What a launch would do now: `audience` is the sum of `recipients` and all exclusions."""

    audience: Annotated[int, Field(description="Customers in the audience")]
    recipients: int
    exclusions: Annotated[
        dict[str, int],
        Field(
            description="By reason: `no_address`, `no_consent`, `consent_withdrawn`, `suppressed`, `already_reached`"
        ),
    ]
    sample: list[SampleRecipient]
    cost: Money | None
    as_of: Instant

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "audience": 1290,
                    "recipients": 1205,
                    "exclusions": {"no_consent": 80, "no_address": 5},
                    "sample": [{"customer_id": _CUSTOMER, "display_name": "Ann Lee", "address": "ann@example.com"}],
                    "cost": {"amount": "12.05", "currency": "EUR"},
                    "as_of": "2026-11-30T09:30:00Z",
                }
            ]
        }
    )


class Rule(Output):
    """One thing that was looked at."""

    rule: str
    passed: bool
    detail: str


class Explanation(Output):
    """Why a customer gets a campaign's message, or does not, rule by rule, as things are now."""

    customer_id: UUID
    campaign_id: UUID
    state: Annotated[str | None, Field(description="State of the message; null when none was planned")]
    reason: str | None
    rules: list[Rule]
    as_of: Instant

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": _CUSTOMER,
                    "campaign_id": _ID,
                    "state": "skipped",
                    "reason": "no_consent",
                    "rules": [{"rule": "consent", "passed": False, "detail": "no consent to marketing by email"}],
                    "as_of": "2026-11-30T09:30:00Z",
                }
            ]
        }
    )
