"""What callers send and get about segments."""

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import MISSING, ConfigDict, Field, StringConstraints

from ..audience.print_text import print_text
from ..audience.tree import Audience, Tree, read_tree
from ..core.schemas import CountedListParams, Input, Instant, ListParams, NextCursor, Output, Version
from ..customers.schemas import Line

Status = Literal["draft", "building", "built"]
Description = Annotated[str, StringConstraints(max_length=2_000)]
Definition = Annotated[Tree, Field(description="Which customers: an audience")]
DefinitionText = Annotated[str, Field(description="The definition as one canonical text, for people to read")]

_ID = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_CUSTOMER = "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"
_DEFINITION: dict[str, Any] = {
    "all": [
        {"field": "country", "in": ["DE", "AT"]},
        {
            "sum": "amount",
            "of": {"touchpoint": "order.placed"},
            "last": "P365D",
            "gte": {"amount": "500.00", "currency": "EUR"},
        },
    ]
}
_TEXT = print_text(read_tree(_DEFINITION))
_EXAMPLE: dict[str, Any] = {"name": "High spenders", "description": "500 EUR within a year", "definition": _DEFINITION}
_READ: dict[str, Any] = {
    "id": _ID,
    **_EXAMPLE,
    "definition_text": _TEXT,
    "definition_version": 1,
    "language_version": 1,
    "status": "built",
    "build": 4,
    "built_version": 1,
    "built_at": "2026-01-31T09:30:00Z",
    "changed_at": "2026-01-31T10:15:00Z",
    "member_count": 1204,
    "checked_at": "2026-01-31T03:00:00Z",
    "drift_count": 0,
    "job_id": "0198c5a0-7a01-7b6c-9d55-1f2e3d4c5b6a",
    "version": 9,
    "created_at": "2026-01-01T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
    "archived_at": None,
}
_MEMBER: dict[str, Any] = {
    "customer_id": _CUSTOMER,
    "kind": "person",
    "display_name": "Ann Lee",
    "entered_at": "2026-01-31T09:30:00Z",
    "entered_build": 4,
}


class SegmentCreate(Input):
    """A segment to define."""

    name: Annotated[Line, Field(description="Unique among segments that are not archived")]
    description: Description | None = None
    definition: Definition

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class SegmentPatch(Input):
    """A merge patch (RFC 7396): what is left out stays, null clears.

    `definition` is a value and is replaced as a whole: half a tree means nothing.
    """

    name: Line | MISSING = MISSING
    description: Description | MISSING | None = MISSING
    definition: Definition | MISSING = MISSING

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Our best", "definition": _DEFINITION}]})


class SegmentRead(Output):
    """A segment. `version` covers its words, its definition and its builds; members come and go between them."""

    id: UUID
    name: str
    description: str | None
    definition: Audience
    definition_text: DefinitionText
    definition_version: Annotated[int, Field(description="Raised by every change of the definition")]
    language_version: Annotated[int, Field(description="Version of the audience language it is written in")]
    status: Annotated[
        Status,
        Field(
            description="`draft`: never built; `building`: a build is under way, the published members stay meanwhile"
        ),
    ]
    build: Annotated[int, Field(description="The published build; 0 before the first one")]
    built_version: Annotated[
        int | None, Field(description="Version of the definition that the members answer; older than it after a change")
    ]
    built_at: Annotated[Instant | None, Field(description="The moment the published build was asked for")]
    changed_at: Annotated[
        Instant | None, Field(description="When the members last changed between two builds, because customers did")
    ]
    member_count: int | None
    checked_at: Annotated[
        Instant | None, Field(description="When all members were last compared with what the segment means")
    ]
    drift_count: Annotated[
        int | None, Field(description="Customers whom that comparison found wrong, and mended; expected to be 0")
    ]
    job_id: Annotated[UUID | None, Field(description="The last build's job")]
    version: Version
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})


class SegmentPage(Output):
    """Segments, the newest first."""

    data: list[SegmentRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class SegmentListParams(ListParams):
    """Which segments to list."""

    status: Annotated[Status | None, Field(description="Only segments in this status")] = None
    archived: Annotated[bool, Field(description="Archived segments too")] = False


class SegmentVersionListParams(ListParams):
    """Which page of versions."""


class SegmentVersionRead(Output):
    """What a segment meant from some time on."""

    number: int
    definition: Audience
    definition_text: DefinitionText
    language_version: int
    created_by: Annotated[str, Field(description="Client that defined it")]
    created_at: Instant


class SegmentVersionPage(Output):
    """Versions of a definition, the newest first."""

    data: list[SegmentVersionRead]
    next_cursor: NextCursor

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        {
                            "number": 1,
                            "definition": _DEFINITION,
                            "definition_text": _TEXT,
                            "language_version": 1,
                            "created_by": "shop",
                            "created_at": "2026-01-01T09:30:00Z",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )


class SegmentPreviewWish(Input):
    """A definition to try out."""

    definition: Definition
    budget_ms: Annotated[
        int,
        Field(ge=1, le=20_000, description="How long may be counted; what takes longer is estimated, and says so"),
    ] = 2_000
    overlaps: Annotated[
        int, Field(ge=0, le=20, description="With how many of the largest segments the overlap is told")
    ] = 5

    model_config = ConfigDict(json_schema_extra={"examples": [{"definition": _DEFINITION, "budget_ms": 1000}]})


class SampledCustomer(Output):
    """One of the customers that a definition means."""

    id: UUID
    kind: Literal["person", "organization"]
    display_name: str


_HOW = (
    "exact, or how it is estimated: from `sampled_count` customers picked at random, or by the planner without a look"
)
CountedHow = Annotated[Literal["exact", "sample", "planner"], Field(description=_HOW)]


class Overlap(Output):
    """How many of those who are meant are in another segment."""

    segment_id: UUID
    name: str
    member_count: Annotated[int | None, Field(description="Members of that segment")]
    count: Annotated[int, Field(description="Of those who are meant")]
    counted_how: CountedHow


class SegmentPreview(Output):
    """Whom a definition means now."""

    count: Annotated[int, Field(description="Number of customers; exact only if `counted_how` says so")]
    counted_how: CountedHow
    count_low: Annotated[int, Field(description="In nineteen cases of twenty there are not fewer")]
    count_high: Annotated[int, Field(description="In nineteen cases of twenty there are not more")]
    sampled_count: Annotated[int | None, Field(description="Customers that were looked at for the estimate")]
    sample: Annotated[
        list[SampledCustomer],
        Field(description="Up to 20 of them, those registered first; of the ones picked at random, if time was short"),
    ]
    overlaps: Annotated[list[Overlap], Field(description="With the largest segments that are built, the largest first")]
    definition: Annotated[Audience, Field(description="The definition in its canonical form")]
    definition_text: DefinitionText
    depends_on: Annotated[list[str], Field(description="The writes after which the answer may be another")]
    as_of: Annotated[Instant, Field(description="The moment it was asked at")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "count": 1204,
                    "counted_how": "exact",
                    "count_low": 1204,
                    "count_high": 1204,
                    "sampled_count": None,
                    "sample": [{"id": _CUSTOMER, "kind": "person", "display_name": "Ann Lee"}],
                    "overlaps": [
                        {
                            "segment_id": _ID,
                            "name": "Persons who bought",
                            "member_count": 8010,
                            "count": 700,
                            "counted_how": "exact",
                        }
                    ],
                    "definition": _DEFINITION,
                    "definition_text": _TEXT,
                    "depends_on": ["customer", "touchpoint:order.placed"],
                    "as_of": "2026-01-31T09:30:00Z",
                }
            ]
        }
    )


class MemberRead(Output):
    """A customer in a segment."""

    customer_id: UUID
    kind: Literal["person", "organization"]
    display_name: str
    entered_at: Annotated[Instant, Field(description="The moment of the build that let the customer in")]
    entered_build: int

    model_config = ConfigDict(json_schema_extra={"examples": [_MEMBER]})


class MemberPage(Output):
    """A page of members, in order of their ids."""

    data: list[MemberRead]
    next_cursor: NextCursor
    count: Annotated[int | None, Field(description="Number of all members, if `count` asked for it")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_MEMBER], "next_cursor": None, "count": None}]})


MEMBER_STREAMS: dict[str, Any] = {
    "description": "A page, or with another `Accept` all members as a stream",
    "content": {
        "text/csv": {
            "schema": {"type": "string"},
            "example": f"{','.join(_MEMBER)}\n{','.join(str(value) for value in _MEMBER.values())}\n",
        },
        "application/x-ndjson": {
            "itemSchema": {"$ref": "#/components/schemas/MemberRead"},
            "example": orjson.dumps(_MEMBER).decode() + "\n",
        },
    },
}
"""What the list of members can answer beside JSON, for `responses=`."""


class MemberListParams(CountedListParams):
    """Which page of members."""

    as_of: Annotated[
        Instant | None, Field(description="Who was in at this instant; left out: who is in by the published build")
    ] = None


class SegmentsOfCustomerParams(ListParams):
    """Which page of segments."""


class SegmentOfCustomer(Output):
    """A segment that the customer is in."""

    segment_id: UUID
    name: str
    entered_at: Instant
    build: int
    built_at: Instant


class SegmentsOfCustomerPage(Output):
    """The segments a customer is in, in order of their ids."""

    data: list[SegmentOfCustomer]
    next_cursor: NextCursor

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        {
                            "segment_id": _ID,
                            "name": "High spenders",
                            "entered_at": "2026-01-31T09:30:00Z",
                            "build": 4,
                            "built_at": "2026-01-31T09:30:00Z",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )
