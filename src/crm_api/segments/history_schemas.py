"""What callers send and get about plans of segments, and about how members came and went."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import ConfigDict, Field

from ..audience.tree import Audience
from ..core.schemas import Day, Input, Instant, ListParams, NextCursor, Output, Params
from .schemas import Definition, DefinitionText, SampledCustomer

_CUSTOMER = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_SEGMENT = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_CHANGE: dict[str, Any] = {"customer_id": _CUSTOMER, "change": "entered", "at": "2026-01-31T09:30:00Z", "build": 4}


class SegmentPlanWish(Input):
    """A definition to plan."""

    definition: Annotated[Definition | None, Field(description="Left out: the segment's newest definition")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"definition": {"field": "country", "in": ["DE", "AT"]}}]}
    )


class SegmentUse(Output):
    """Something that asks for membership in a segment."""

    type: Literal["segment", "offer", "campaign"]
    id: UUID
    name: str


class SegmentPlan(Output):
    """What a build would do now."""

    members: Annotated[int, Field(description="Members by the published build")]
    enter_count: int
    leave_count: int
    stay_count: int
    entering: Annotated[list[SampledCustomer], Field(description="Up to 20 of those who would enter")]
    leaving: Annotated[list[SampledCustomer], Field(description="Up to 20 of those who would leave")]
    used_by: Annotated[list[SegmentUse], Field(description="Segments, offers and campaigns that ask for membership")]
    definition: Audience
    definition_text: DefinitionText
    as_of: Instant

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "members": 1204,
                    "enter_count": 40,
                    "leave_count": 4,
                    "stay_count": 1200,
                    "entering": [{"id": _CUSTOMER, "kind": "person", "display_name": "Ann Lee"}],
                    "leaving": [],
                    "used_by": [{"type": "offer", "id": _SEGMENT, "name": "Lights for winter"}],
                    "definition": {"field": "country", "in": ["DE", "AT"]},
                    "definition_text": 'country in ("DE", "AT")',
                    "as_of": "2026-01-31T09:30:00Z",
                }
            ]
        }
    )


class SegmentChangesParams(ListParams):
    """Which changes."""

    after_build: Annotated[
        int, Field(ge=0, lt=2**31, description="Only changes of builds after this one; 0: all there were")
    ] = 0


class SegmentChange(Output):
    """A customer came or went."""

    customer_id: UUID
    change: Literal["entered", "exited"]
    at: Instant
    build: int

    model_config = ConfigDict(json_schema_extra={"examples": [_CHANGE]})


class SegmentChangePage(Output):
    """Changes, in order of the builds that made them."""

    data: list[SegmentChange]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_CHANGE], "next_cursor": None}]})


CHANGE_STREAMS: dict[str, Any] = {
    "description": "A page, or with another `Accept` all changes as a stream",
    "content": {
        "text/csv": {
            "schema": {"type": "string"},
            "example": f"{','.join(_CHANGE)}\n{','.join(str(value) for value in _CHANGE.values())}\n",
        },
        "application/x-ndjson": {
            "itemSchema": {"$ref": "#/components/schemas/SegmentChange"},
            "example": orjson.dumps(_CHANGE).decode() + "\n",
        },
    },
}
"""What the list of changes can answer beside JSON, for `responses=`."""


class SegmentHistoryParams(Params):
    """Which days."""

    since: Annotated[Day, Field(description="First local date of the business")] = date(1970, 1, 1)
    until: Annotated[Day, Field(description="The first date after")] = date(9999, 12, 31)


class SegmentDay(Output):
    """A local date of the business on which members came or went."""

    date: Day
    entered: int
    exited: int
    size: Annotated[int, Field(description="Members at its end")]


class SegmentHistory(Output):
    """How large a segment was; days on which nobody came or went are left out, at most 4,000 days are answered."""

    data: list[SegmentDay]
    time_zone: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [{"date": "2026-01-31", "entered": 40, "exited": 4, "size": 1204}],
                    "time_zone": "Europe/Berlin",
                }
            ]
        }
    )


class MembershipRead(Output):
    """A time in a segment."""

    segment_id: UUID
    name: str
    entered_at: Instant
    left_at: Instant | None


class MembershipHistory(Output):
    """The segments a customer is and was in, the newest membership first; at most 1,000."""

    data: list[MembershipRead]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        {
                            "segment_id": _SEGMENT,
                            "name": "High spenders",
                            "entered_at": "2026-01-31T09:30:00Z",
                            "left_at": None,
                        }
                    ]
                }
            ]
        }
    )
