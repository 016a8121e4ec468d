"""Lets a text stand where the JSON of an audience is wanted."""

from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError

from .bounds import LONGEST_AUDIENCE, bounded
from .parse_text import parse_text
from .written import Place, TextRefused

_EXAMPLE = 'country in ("DE", "AT") and sum(amount of order.placed, last 365 days) >= 500.00 EUR'

FilterText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_AUDIENCE,
        description="An audience as text; docs/audience.md says how it is written",
        examples=[_EXAMPLE],
    ),
]
"""The type of the parameter `filter`; `filters.audience_of_filter` reads it."""


class TextToo:
    """Says in the JSON schema that a text is taken as well."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_AUDIENCE,
            "description": "The same as text; docs/audience.md says how it is written",
            "examples": [_EXAMPLE],
        }
        return {"anyOf": [handler(schema), text]}


def read_text(text: str, read: ValidatorFunctionWrapHandler) -> Any:
    """Read a whole audience written as text; `read` types the tree that it means.

    Errors: what pydantic raises, with `line`, `column` and `nearest` in the context.
    """
    try:
        written = parse_text(text)
    except TextRefused as refused:
        raise _error(refused.code, refused.detail, refused.place, refused.nearest) from None
    try:
        tree = read(bounded(written))
    except ValidationError as wrong:
        found = [
            InitErrorDetails(type=_error(each["type"], _told(each), written.find(each["loc"])), input=text)
            for each in wrong.errors(include_url=False)
        ]
        raise ValidationError.from_exception_data("audience", found) from None
    tree.__dict__["written"] = written
    return tree


def _told(error: ErrorDetails) -> str:
    """Say what is wrong with the tree in words for those who wrote text, who know no keys."""
    return "It cannot be compared like this" if error["type"] == "extra_forbidden" else error["msg"]


def _error(code: str, detail: str, place: Place, nearest: str | None = None) -> PydanticCustomError:
    context = {"detail": detail, "line": place.line, "column": place.column}
    if nearest is not None:
        context["nearest"] = nearest
    return PydanticCustomError(code, "{detail}", context)
