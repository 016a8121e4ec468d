"""What callers get when they ask why a score is what it is."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.money import Money
from ..core.schemas import Day, Instant, Output
from .outputs import RFM
from .score_schemas import AnyScore, example

_DOLLARS: dict[str, Any] = {"amount": "4330.16", "currency": "USD"}
_EXPLANATION: dict[str, Any] = {
    "scores": [example(RFM)],
    "parameters": {"as_of": "2018-01-01", "kinds": ["order.placed", "order.refunded"], "currency": "USD"},
    "watermark": "2026-01-31T09:30:00Z",
    "inputs": {
        "purchase_count": 86,
        "refund_count": 0,
        "first_purchase_on": "2017-01-07",
        "last_purchase_on": "2017-12-30",
        "paid": _DOLLARS,
        "refunded": {"amount": "0.00", "currency": "USD"},
        "is_complete": False,
    },
    "touchpoints": [
        {
            "id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a99",
            "kind": "order.placed",
            "occurred_at": "2017-12-30T18:12:00Z",
            "amount": {"amount": "42.17", "currency": "USD"},
            "properties": {},
        }
    ],
}


class ScoreInputs(Output):
    """What the run read of the customer."""

    purchase_count: int
    refund_count: int
    first_purchase_on: Annotated[Day | None, Field(description="Local date of the business")]
    last_purchase_on: Day | None
    paid: Annotated[Money | None, Field(description="Sum of the purchases; null when the run has no currency")]
    refunded: Money | None
    is_complete: Annotated[bool, Field(description="Whether all touchpoints are listed; 50 are at most, the newest")]


class UsedTouchpoint(Output):
    """A touchpoint that the run read."""

    id: UUID
    kind: str
    occurred_at: Instant
    amount: Money | None
    properties: Annotated[
        dict[str, Any], Field(description="Those of its properties that the run was asked to look at")
    ]


class ScoreExplanation(Output):
    """A score of the current run, and what it rests on."""

    scores: Annotated[list[AnyScore], Field(description="One, or one for each of the things the model tells apart")]
    parameters: Annotated[dict[str, Any] | None, Field(description="Of the run; null when none was published yet")]
    watermark: Annotated[Instant | None, Field(description="What was recorded later is not in the run")]
    inputs: Annotated[
        ScoreInputs | None,
        Field(description="Null when none was published yet, and of models that do not rest on purchases"),
    ]
    touchpoints: Annotated[list[UsedTouchpoint], Field(description="Those that the run read, the newest first")]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXPLANATION]})
