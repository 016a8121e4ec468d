"""What callers get about why a customer is in a segment, or is not."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from ..core.schemas import Instant, Output, Params

_EXAMPLE: dict[str, Any] = {
    "segment_id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11",
    "customer_id": "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b",
    "definition_version": 2,
    "as_of": "2026-01-31T09:30:00Z",
    "meets_definition": False,
    "is_archived": False,
    "is_member": True,
    "member_since": "2026-01-01T09:30:00Z",
    "explanation": {
        "text": 'country in ("DE", "AT") and sum(amount of order.placed, last 365 days) >= 500.00 EUR',
        "holds": False,
        "value": None,
        "branches": [
            {"text": 'country in ("DE", "AT")', "holds": True, "value": "DE", "branches": []},
            {
                "text": "sum(amount of order.placed, last 365 days) >= 500.00 EUR",
                "holds": False,
                "value": {"amount": "120.00", "currency": "EUR"},
                "branches": [],
            },
        ],
    },
}


class ExplainedNode(Output):
    """A node of an audience with what was found of one customer."""

    text: Annotated[str, Field(description="The node as canonical text")]
    holds: bool
    value: Annotated[
        JsonValue, Field(description="What the node looked at; null where nothing is known, or where branches decide")
    ]
    branches: list["ExplainedNode"]


class SegmentExplanation(Output):
    """Why a customer is in a segment, or is not."""

    segment_id: UUID
    customer_id: UUID
    definition_version: Annotated[int, Field(description="The version that is explained")]
    as_of: Annotated[Instant, Field(description="The moment the customer was looked at")]
    meets_definition: Annotated[bool, Field(description="Whether the definition means the customer at this moment")]
    is_archived: Annotated[
        bool, Field(description="Archived customers are in no segment, whatever the definition says")
    ]
    is_member: Annotated[bool, Field(description="Whether the customer is in the segment as published")]
    member_since: Instant | None
    explanation: ExplainedNode

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class ExplainParams(Params):
    """What to explain."""

    version: Annotated[
        int | None, Field(ge=1, lt=2**31, description="This version of the definition; left out: the newest")
    ] = None
