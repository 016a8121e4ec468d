"""What callers of profiles send and get."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from ..analytics.score_schemas import AnyScore
from ..core.money import Money
from ..core.schemas import Day, Instant, Output, Params
from ..customers.schemas import CustomerRead
from ..offers.decision_schemas import ReasonRead
from ..privacy.schemas import StandingRead
from ..segments.schemas import SegmentOfCustomer
from .rules import PARTS, Part

_NAMES = "|".join(PARTS)
_ID = "0198c5a0-0000-7000-8000-0000000000c1"
_AT = "2026-01-31T09:30:00Z"
_TOUCH: dict[str, Any] = {
    "id": "0198c5a0-0000-7000-8000-0000000000d1",
    "kind": "order.placed",
    "channel": "web",
    "direction": "inbound",
    "subject": None,
    "occurred_at": "2026-01-30T18:12:00Z",
}
_TOTAL: dict[str, Any] = {
    "currency": "EUR",
    "order_count": 4,
    "line_count": 9,
    "first_order_on": "2025-03-02",
    "last_order_on": "2026-01-30",
    "net": {"amount": "512.40", "currency": "EUR"},
    "list": {"amount": "540.00", "currency": "EUR"},
    "discount": {"amount": "27.60", "currency": "EUR"},
}
_PROFILE: dict[str, Any] = {
    "customer_id": _ID,
    "customer": None,
    "consents": None,
    "scores": None,
    "segments": {"as_of": _AT, "data": [], "is_complete": True},
    "last_touches": {"as_of": _AT, "by_channel": [_TOUCH], "by_kind": [_TOUCH], "is_complete": True},
    "offers": None,
    "totals": {"as_of": _AT, "data": [_TOTAL]},
    "withheld": [{"part": "scores", "scope": "scores:read"}],
}


class ProfileParams(Params):
    """Which parts of a profile to read."""

    parts: Annotated[
        str | None,
        Field(
            max_length=500,
            pattern=f"^({_NAMES})(,({_NAMES}))*$",
            description=f"Only these parts, separated by commas, of {', '.join(PARTS)}; all when it is left out",
            examples=["customer,scores,totals"],
        ),
    ] = None

    @property
    def wanted(self) -> tuple[Part, ...]:
        """The parts that are asked for."""
        names = PARTS if self.parts is None else self.parts.split(",")
        return tuple(part for part in PARTS if part in names)


class _AsOf(Output):
    as_of: Annotated[Instant, Field(description="The moment at which this part was right")]


class CustomerPart(_AsOf):
    """The customer with contact points, external ids, addresses, tags and custom fields."""

    data: CustomerRead


class ConsentsPart(_AsOf):
    """What counts now, for every declared purpose on every channel."""

    data: list[StandingRead]


class ScoresPart(Output):
    """What the current run of each model says."""

    as_of: Annotated[
        Instant | None, Field(description="When the oldest of these runs was computed; null when none was published")
    ]
    data: list[AnyScore]


class SegmentsPart(_AsOf):
    """The segments that the customer is in, in order of their ids."""

    data: list[SegmentOfCustomer]
    is_complete: Annotated[bool, Field(description="Whether these are all of them; there are 200 at most")]


class LastTouch(Output):
    """The last touchpoint of its sort."""

    id: UUID
    kind: str
    channel: str | None
    direction: str | None
    subject: str | None
    occurred_at: Instant

    model_config = ConfigDict(json_schema_extra={"examples": [_TOUCH]})


class LastTouchesPart(_AsOf):
    """When the customer was last in touch, the latest first."""

    by_channel: Annotated[list[LastTouch], Field(description="The last touchpoint of each channel")]
    by_kind: Annotated[list[LastTouch], Field(description="The last touchpoint of each kind")]
    is_complete: Annotated[
        bool, Field(description="Whether the whole timeline was looked through; else its newest 1,000 touchpoints were")
    ]


class PresentOffer(Output):
    """An offer that a decision would choose now, if it stands first among those of its channel."""

    offer_id: UUID
    code: str
    name: str
    campaign: str | None
    priority: int
    margin: Money | None
    valid_from: Instant | None
    valid_until: Instant | None
    channels: list[str]
    reasons: list[ReasonRead]


class OffersPart(_AsOf):
    """The offers that are live, valid and may be made to the customer, the best first. Nothing was decided."""

    data: list[PresentOffer]
    count: Annotated[int, Field(description="Of all such offers")]
    is_complete: Annotated[bool, Field(description="Whether these are all of them; there are 50 at most")]


class Total(Output):
    """What was bought in one currency, since the beginning."""

    currency: str
    order_count: int
    line_count: int
    first_order_on: Annotated[Day | None, Field(description="Local date of the business")]
    last_order_on: Day | None
    net: Annotated[Money, Field(description="Paid, less what was refunded")]
    list: Annotated[Money, Field(description="At list prices")]
    discount: Money

    model_config = ConfigDict(json_schema_extra={"examples": [_TOTAL]})


class TotalsPart(_AsOf):
    """What was bought, by currency."""

    data: list[Total]


class WithheldPart(Output):
    """A part that was asked for and is not shown."""

    part: Part
    scope: Annotated[str, Field(description="The scope that would show it")]


class ProfileRead(Output):
    """Everything about one customer. A part is null when it was not asked for, or is withheld."""

    customer_id: UUID
    customer: CustomerPart | None
    consents: ConsentsPart | None
    scores: ScoresPart | None
    segments: SegmentsPart | None
    last_touches: LastTouchesPart | None
    offers: OffersPart | None
    totals: TotalsPart | None
    withheld: Annotated[list[WithheldPart], Field(description="Parts that the caller's scopes do not cover")]

    model_config = ConfigDict(json_schema_extra={"examples": [_PROFILE]})
