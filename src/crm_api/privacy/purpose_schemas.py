"""What callers send and get about purposes."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from ..customers.schemas import KEY_PATTERN, Line

PurposeName = Annotated[
    str, Field(pattern=KEY_PATTERN, description="Audiences ask for `consent.<channel>.<name>`", examples=["newsletter"])
]

_WISH: dict[str, Any] = {"label": "Newsletter, once a month", "needs_consent": True}
_READ: dict[str, Any] = {
    "name": "newsletter",
    **_WISH,
    "created_at": "2026-01-31T09:30:00Z",
    "created_by": "web-shop",
}


class PurposeWish(Input):
    """What customers are contacted for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WISH]})

    label: Annotated[Line, Field(description="For people")]
    needs_consent: Annotated[
        bool, Field(description="Whether silence means no; if false, only a withdrawal means no")
    ] = True


class PurposeRead(Output):
    """A purpose. It is never deleted, since consents rest on it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    name: str
    label: str
    needs_consent: bool
    created_at: Instant
    created_by: Annotated[str, Field(description="The client that declared it")]


class PurposePut(PurposeRead):
    """The purpose as it is now, and what the call did to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ, "result": "created"}]})

    result: Literal["created", "updated", "unchanged"]


class PurposePage(Output):
    """A page of purposes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})

    data: list[PurposeRead]
    next_cursor: NextCursor


class PurposeListParams(ListParams):
    """Which page of purposes."""
