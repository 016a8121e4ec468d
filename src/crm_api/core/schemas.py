"""Types that every domain's schemas are made of."""

import re
import warnings
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticCustomError

from .clock import written

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _instant(value: Any) -> Any:
    """Read RFC 3339 alone: pydantic would also take seconds since 1970 written as text."""
    if isinstance(value, str):
        if not _INSTANT.fullmatch(value):
            raise ValueError("write an RFC 3339 time with its offset, for example 2026-01-31T09:30:00Z")
        return _in_range(datetime.fromisoformat(value.upper()))
    return value


def _in_range(value: datetime) -> datetime:
    """Refuse the first and last hours there are: in UTC they lie outside the years that can be written."""
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("out_of_range", "Write a time between the years 1 and 9999 in UTC") from None
    return value


def _day(value: Any) -> Any:
    if isinstance(value, str):
        if not _DAY.fullmatch(value):
            raise ValueError("write a date as YYYY-MM-DD, for example 2026-01-31")
        return date.fromisoformat(value)
    return value


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    PlainSerializer(written, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T09:30:00Z"]}),
]
"""A point in time, RFC 3339 with its offset; answers are in UTC and end in Z."""

Day = Annotated[
    date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-01-31"]})
]
"""A local date, YYYY-MM-DD."""

Version = Annotated[int, Field(ge=1, description="Raised by every change; the ETag in quotes")]
NextCursor = Annotated[str | None, Field(description="Pass it as `cursor` to get the next page; null on the last page")]


# FastAPI silences this where it describes routes; validators that are made later would say it then, at a request.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)


class Schema(BaseModel):
    """Its validator is made when it is first needed: those of all routes take 9 MB, and most wait long to be asked."""

    model_config = ConfigDict(defer_build=True)


class Input(Schema):
    """A JSON body. Unknown fields are refused, and types are strict: `"1"` is no integer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Output(Schema):
    """A JSON answer; every field is always there."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Params(Schema):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListParams(Params):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 50
    cursor: Annotated[str | None, Field(max_length=2000, description="`next_cursor` of the page before")] = None


class CountedListParams(ListParams):
    """A list that can also say how many rows there are."""

    count: Annotated[Literal["exact", "estimate"] | None, Field(description="Also answer the number of all rows")] = (
        None
    )
