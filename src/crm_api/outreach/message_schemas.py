"""What callers get about messages, and what the workers that hand them over send."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from .bounds import SUBJECT_LONGEST
from .links import FOLLOWED, LONGEST_LINK, MOST_LINKS

State = Literal["pending", "claimed", "handing_over", "sent", "bounced", "failed", "skipped", "cancelled", "unknown"]
Result = Literal["sent", "deferred", "bounced", "failed", "unknown", "not_taken"]
MOST_CLAIMED = 20
"""Under one lease: what one worker hands over before it says what became of it."""
MOST_BATCHES = 6
"""In one exchange, each under its own lease: six cost little more than one, but for the messages themselves."""
Gateway = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="What hands it over", examples=["smtp"])]

_ID = "0198c5a0-5d3f-8c3a-9f0e-2b7d4c1e8a11"
_CAMPAIGN = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_CUSTOMER = "0198c5a0-7a01-7b6c-9d55-1f2e3d4c5b6a"
_LEASE = "0198c5a0-8b02-7c6d-8e66-2a3b4c5d6e7f"
_NEXT_ID = "0198c5a0-5d3f-8c3a-9f0e-2b7d4c1e8a22"
_NEXT_LEASE = "0198c5a0-8b02-7c6d-8e66-2a3b4c5d6e88"
_READ: dict[str, Any] = {
    "id": _ID,
    "customer_id": _CUSTOMER,
    "campaign_id": _CAMPAIGN,
    "purpose": "marketing",
    "occurrence": 1,
    "state": "sent",
    "reason": None,
    "detail": None,
    "address": "ann@example.com",
    "due_at": "2026-12-01T08:00:00Z",
    "decision_id": None,
    "gateway": "smtp",
    "answer_code": 250,
    "planned_at": "2026-12-01T08:00:01Z",
    "ended_at": "2026-12-01T08:00:05Z",
}


class MessageRead(Output):
    """What one customer gets of a campaign. All states but `pending`, `claimed` and `handing_over` are final."""

    id: UUID
    customer_id: UUID
    campaign_id: UUID
    purpose: str
    occurrence: int
    state: State
    reason: Annotated[
        str | None,
        Field(
            description="Why it is not `sent`: `no_address`, `no_consent`, `consent_withdrawn`, `suppressed`, "
            "`already_reached`, `no_offer`, `campaign_stopped`, `customer_archived`, `bounced`, `deferred_too_often`, "
            "`hand_over_unknown`, or why it could not be rendered"
        ),
    ]
    detail: Annotated[str | None, Field(description="What the gateway answered")]
    address: str | None
    due_at: Instant | None
    decision_id: UUID | None
    gateway: str | None
    answer_code: int | None
    planned_at: Instant
    ended_at: Instant | None

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class MessagePage(Output):
    """Messages, by customer and id."""

    data: list[MessageRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class MessageListParams(ListParams):
    """A page of messages, of a campaign or of a customer."""

    campaign_id: UUID | None = None
    customer_id: UUID | None = None
    state: Annotated[
        Literal["pending", "sent", "bounced", "failed", "skipped", "cancelled", "unknown"] | None,
        Field(description="`pending` includes what is with a worker"),
    ] = None


class Words(Output):
    """A template's words, as they were when the campaign was launched."""

    subject: str
    text: str
    html: str | None


class Party(Output):
    """Somebody with a mailbox."""

    name: str
    address: str


class ClaimedCampaign(Output):
    """What the claimed messages of a campaign have in common."""

    id: UUID
    sender: Party
    reply_to: str | None
    content: Words
    variables: Annotated[dict[str, Any], Field(description="What the words may name, beside what is the message's own")]


class ClaimedMessage(Output):
    """A message to be rendered and handed over."""

    id: UUID
    customer_id: UUID
    campaign_id: UUID
    reconcile: Annotated[
        bool,
        Field(description="Its worker died in the hand-over: ask the gateway whether it took it, and report that only"),
    ]
    message_id: Annotated[str, Field(description="Message-ID of the mail, the same at every attempt (RFC 5322)")]
    recipient: Party
    variables: Annotated[dict[str, Any], Field(description="What the words may name of this recipient")]
    unsubscribe_url: Annotated[str, Field(description="The words may name it too")]
    open_url: str
    click_prefix: Annotated[str, Field(description="A link becomes this and its number")]


class ClaimedMessages(Output):
    """Messages that are this worker's until the lease ends."""

    lease_id: UUID
    lease_seconds: Annotated[int, Field(description="Counted from when the claim was sent; nothing is begun later")]
    data: list[ClaimedMessage]


class Claimed(Output):
    """Messages that are due."""

    campaigns: list[ClaimedCampaign]
    batches: Annotated[
        list[ClaimedMessages],
        Field(description=f"Of up to {MOST_CLAIMED}, each under a lease of its own; none when nothing is due"),
    ]


class LinkUsed(Input):
    """A link that stands in messages."""

    number: Annotated[int, Field(ge=0, lt=2**52)]
    url: Annotated[str, Field(max_length=LONGEST_LINK, pattern=FOLLOWED)]


class LinksUsed(Input):
    """The links that stand in messages of a campaign, each of them once."""

    campaign_id: Annotated[UUID, Field(strict=False)]
    links: Annotated[list[LinkUsed], Field(max_length=MOST_CLAIMED * MOST_LINKS)]


class HandOverWish(Input):
    """Messages that are about to be handed over."""

    lease_id: Annotated[UUID, Field(strict=False)]
    messages: Annotated[list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=MOST_CLAIMED)]
    links: Annotated[list[LinksUsed], Field(max_length=MOST_CLAIMED)] = Field(default_factory=list)


class Report(Input):
    """What became of a message."""

    id: Annotated[UUID, Field(strict=False)]
    result: Annotated[
        Result,
        Field(
            description="`deferred`: not now, it stays pending; `unknown`: nobody can say; `not_taken`: the gateway "
            "never got it, and it may go again at once"
        ),
    ]
    code: Annotated[int | None, Field(ge=0, le=9999, description="The gateway's answer")] = None
    reason: Annotated[str | None, Field(pattern=r"^[a-z][a-z_-]{0,59}$", description="Of `failed`: why")] = None
    detail: Annotated[str | None, Field(max_length=500)] = None
    subject: Annotated[str | None, Field(max_length=SUBJECT_LONGEST, description="As it was rendered")] = None


class ReportWish(Input):
    """What became of messages under a lease."""

    lease_id: Annotated[UUID, Field(strict=False)]
    reports: Annotated[list[Report], Field(min_length=1, max_length=MOST_CLAIMED)]


class ExchangeWish(Input):
    """What a worker has to say and wants to have, all at once: each part may be left out."""

    gateway: Gateway
    can_look_up: Annotated[bool, Field(description="Whether the gateway can say later if it took a message")]
    report: Annotated[list[ReportWish], Field(max_length=MOST_BATCHES, description="What became of messages")] = Field(
        default_factory=list
    )
    hand_over: Annotated[
        list[HandOverWish], Field(max_length=MOST_BATCHES, description="What is rendered, and about to be handed over")
    ] = Field(default_factory=list)
    claim: Annotated[
        int,
        Field(ge=0, le=MOST_CLAIMED * MOST_BATCHES, description="How many more messages are wanted at most"),
    ] = 0

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "gateway": "smtp",
                    "can_look_up": False,
                    "report": [
                        {
                            "lease_id": _LEASE,
                            "reports": [{"id": _ID, "result": "sent", "code": 250, "subject": "Spring"}],
                        }
                    ],
                    "hand_over": [
                        {
                            "lease_id": _NEXT_LEASE,
                            "messages": [_NEXT_ID],
                            "links": [
                                {
                                    "campaign_id": _CAMPAIGN,
                                    "links": [{"number": 4711, "url": "https://shop.example/bikes"}],
                                }
                            ],
                        }
                    ],
                    "claim": 80,
                }
            ]
        }
    )


class Reported(Output):
    """Which reports count; the rest came after the lease was over."""

    accepted: list[UUID]
    late: list[UUID]


class Exchange(Output):
    """The answer to each part that was given; the others are null."""

    reported: Reported | None
    allowed: Annotated[
        list[UUID] | None,
        Field(description="What may be handed over now; the others are no longer this worker's"),
    ]
    claimed: Claimed | None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reported": {"accepted": [_ID], "late": []},
                    "allowed": [_NEXT_ID],
                    "claimed": {
                        "campaigns": [
                            {
                                "id": _CAMPAIGN,
                                "sender": {"name": "Bike Shop", "address": "news@shop.example"},
                                "reply_to": None,
                                "content": {
                                    "subject": "Spring",
                                    "text": "Hello {{ customer.display_name }}",
                                    "html": None,
                                },
                                "variables": {
                                    "campaign": {"name": "Spring", "code": "spring"},
                                    "sender": {"name": "Bike Shop", "address": "news@shop.example"},
                                },
                            }
                        ],
                        "batches": [
                            {
                                "lease_id": "0198c5a0-8b02-7c6d-8e66-2a3b4c5d6e99",
                                "lease_seconds": 60,
                                "data": [
                                    {
                                        "id": "0198c5a0-5d3f-8c3a-9f0e-2b7d4c1e8a33",
                                        "customer_id": _CUSTOMER,
                                        "campaign_id": _CAMPAIGN,
                                        "reconcile": False,
                                        "message_id": "<0198c5a05d3f8c3a9f0e2b7d4c1e8a33@shop.example>",
                                        "recipient": {"name": "Ann Lee", "address": "ann@example.com"},
                                        "variables": {"customer": {"display_name": "Ann Lee"}},
                                        "unsubscribe_url": "https://crm.example/p/unsubscribe/AZjF",
                                        "open_url": "https://crm.example/p/open/AZjF.gif",
                                        "click_prefix": "https://crm.example/p/click/AZjF/",
                                    }
                                ],
                            }
                        ],
                    },
                }
            ]
        }
    )
