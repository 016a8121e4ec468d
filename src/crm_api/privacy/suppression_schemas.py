"""What callers send and get about suppressed addresses."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Params
from ..customers.schemas import ContactKind
from ..touchpoints.schemas import PLAIN_PATTERN

Reason = Literal["bounced", "complained", "manual"]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=PLAIN_PATTERN)]
AddressText = Annotated[
    str, Field(min_length=1, max_length=320, description="E-mail address or telephone number, however it is spelled")
]

_READ: dict[str, Any] = {
    "kind": "email",
    "address": "ann@example.com",
    "reason": "manual",
    "detail": "Asked by letter not to be written to",
    "created_at": "2026-01-31T09:30:00Z",
    "created_by": "service-desk",
}


class SuppressionWish(Input):
    """Why an address is to be left alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"detail": _READ["detail"]}]})

    detail: Annotated[Sentence | None, Field(description="For people")] = None


class SuppressionRead(Output):
    """An address that is left alone, whoever has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    kind: ContactKind
    address: Annotated[str, Field(description="As it is compared; telephone numbers in E.164")]
    reason: Annotated[Reason, Field(description="`bounced` and `complained` were found out, `manual` was decided")]
    detail: str | None
    created_at: Instant
    created_by: str


class SuppressionPut(SuppressionRead):
    """The suppression as it is now, and what the call did to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ, "result": "created"}]})

    result: Literal["created", "updated", "unchanged"]


class SuppressionPage(Output):
    """A page of suppressed addresses."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})

    data: list[SuppressionRead]
    next_cursor: NextCursor


class SuppressionListParams(ListParams):
    """A page or a stream of suppressed addresses."""

    kind: ContactKind | None = None
    reason: Reason | None = None


class LiftParams(Params):
    """Why an address is not to be left alone any more."""

    reason: Annotated[Sentence, Field(description="Kept in the audit", examples=["The mailbox works again"])]
