"""What callers send and get about advertising audiences and their exports."""

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Params
from ..privacy.schemas import PurposeText
from ..touchpoints.schemas import Word

IdentifierKind = Literal["email", "phone"]
PhoneForm = Literal["digits", "e164"]
ExportStatus = Literal["running", "ready", "acknowledged", "replaced", "failed"]
Change = Literal["addition", "removal"]

_SEGMENT = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_AUDIENCE = "0198c5a0-7a00-7c3a-9f0e-2b7d4c1e8a21"
_JOB = "0198c5a0-5d40-7d22-8d5b-6f1c2a3b4c5d"
_AT = "2026-01-31T09:30:00Z"
_WISH: dict[str, Any] = {
    "destination": "Meta, account 4711",
    "purpose": "marketing",
    "identifiers": ["email", "phone"],
    "phone_form": "digits",
}
_READ: dict[str, Any] = {
    "id": _AUDIENCE,
    "segment_id": _SEGMENT,
    **_WISH,
    "last_export": 3,
    "acknowledged_export": 2,
    "created_at": _AT,
    "created_by": "ads",
    "ended_at": None,
}
_EXPORT: dict[str, Any] = {
    "audience_id": _AUDIENCE,
    "number": 3,
    "status": "ready",
    "job_id": _JOB,
    "job": f"/v1/jobs/{_JOB}",
    "addition_count": 120,
    "removal_count": 7,
    "created_at": _AT,
    "created_by": "ads",
    "ready_at": _AT,
    "read_at": None,
    "acknowledged_at": None,
}
_LINE: dict[str, Any] = {
    "change": "addition",
    "identifier": "email",
    "sha256": "d709f370e52b57b4eb75f04e2b3422c4d41a05148cad8f81776d94a048fb70af",
}


def _no_kind_twice(kinds: list[IdentifierKind]) -> list[IdentifierKind]:
    if len(set(kinds)) != len(kinds):
        raise PydanticCustomError("duplicate", "name each identifier once")
    return kinds


class AdvertisingAudienceWish(Input):
    """Where the members of a segment shall be handed to, and what of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WISH]})

    destination: Annotated[Word, Field(description="The platform and account, for people")]
    purpose: Annotated[
        PurposeText,
        Field(description="Only who granted consent to it is handed over, whatever silence means for it otherwise"),
    ]
    identifiers: Annotated[
        list[IdentifierKind],
        Field(
            min_length=1,
            max_length=2,
            description="`email` needs consent on the channel `email`, `phone` on the channel `phone`",
        ),
        AfterValidator(_no_kind_twice),
    ]
    phone_form: Annotated[
        PhoneForm,
        Field(description="What of a telephone number is hashed: `digits` 12025550123, or `e164` +12025550123"),
    ] = "digits"


class AdvertisingAudienceRead(Output):
    """The members of a segment at a destination."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    id: UUID
    segment_id: UUID
    destination: str
    purpose: str
    identifiers: list[IdentifierKind]
    phone_form: PhoneForm
    last_export: Annotated[int, Field(description="Number of the newest export; 0 before the first one")]
    acknowledged_export: Annotated[int, Field(description="The destination has what this one says; 0: nothing")]
    created_at: Instant
    created_by: str
    ended_at: Annotated[Instant | None, Field(description="From then on exports only remove")]


class AdvertisingAudiencePage(Output):
    """Advertising audiences, the newest first."""

    data: list[AdvertisingAudienceRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})


class AdvertisingAudienceListParams(ListParams):
    """Which advertising audiences."""

    segment_id: Annotated[UUID | None, Field(description="Only those of this segment")] = None


class AdvertisingExportRead(Output):
    """What is to be added and removed since the last export that was acknowledged."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXPORT]})

    audience_id: UUID
    number: int
    status: Annotated[
        ExportStatus,
        Field(description="`ready` can be read and acknowledged, until it is, or another export was asked for"),
    ]
    job_id: UUID
    job: Annotated[str, Field(description="Where the making of it can be watched and cancelled")]
    addition_count: Annotated[int | None, Field(description="Hashes to add; null while they are not counted")]
    removal_count: Annotated[int | None, Field(description="Hashes to remove; null while they are not counted")]
    created_at: Instant
    created_by: str
    ready_at: Instant | None
    read_at: Annotated[Instant | None, Field(description="When its identifiers were first read")]
    acknowledged_at: Instant | None


class AdvertisingExportPage(Output):
    """Exports of an audience, the newest first."""

    data: list[AdvertisingExportRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_EXPORT], "next_cursor": None}]})


class AdvertisingExportListParams(ListParams):
    """Which page of exports."""


class AdvertisingIdentifiersParams(Params):
    """Which identifiers of an export."""

    change: Annotated[Change | None, Field(description="Only those to add, or only those to remove")] = None
    identifier: Annotated[IdentifierKind | None, Field(description="Only those of this kind")] = None


class AdvertisingIdentifierRead(Output):
    """A line of an export: lower-case hexadecimal SHA-256 of an e-mail address or a telephone number."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LINE]})

    change: Change
    identifier: IdentifierKind
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


IDENTIFIER_STREAMS: dict[str, Any] = {
    "description": "All lines as a stream; NDJSON unless `Accept` prefers CSV",
    "content": {
        "application/x-ndjson": {
            "itemSchema": {"$ref": "#/components/schemas/AdvertisingIdentifierRead"},
            "example": orjson.dumps(_LINE).decode() + "\n",
        },
        "text/csv": {
            "schema": {"type": "string"},
            "example": f"{','.join(_LINE)}\n{','.join(_LINE.values())}\n",
        },
    },
}
"""What the identifiers of an export are answered as, for `responses=`."""
