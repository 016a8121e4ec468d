"""What callers send and get about the field catalog."""

from typing import Annotated, Any, Literal, Self

from pydantic import MISSING, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version
from .custom_values import CustomFieldType
from .schemas import FieldKey, Line

FieldType = Literal["text", "choice", "integer", "number", "boolean", "date", "datetime", "money", "set"]
Choices = Annotated[list[Line], Field(min_length=1, max_length=500)]
_EXAMPLE: dict[str, Any] = {
    "key": "favorite_color",
    "type": "choice",
    "label": "Favorite color",
    "choices": ["red", "green", "blue"],
}


def _check_distinct(choices: list[str] | None) -> None:
    if choices is not None and len(set(choices)) != len(choices):
        raise PydanticCustomError("duplicate", "a choice is given twice")


class FieldDeclare(Input):
    """A custom field to declare. Its key and type stay for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    key: Annotated[FieldKey, Field(description="Name inside `custom_fields`; audiences ask for `custom.<key>`")]
    type: CustomFieldType
    label: Annotated[Line | None, Field(description="For people; made of the key if not given")] = None
    choices: Annotated[Choices | None, Field(description="For the type choice, and only for it")] = None

    @model_validator(mode="after")
    def _choices_fit(self) -> Self:
        if (self.type == "choice") != (self.choices is not None):
            raise PydanticCustomError("choices", "A field of type choice, and only such a field, has choices")
        _check_distinct(self.choices)
        return self


class FieldPatch(Input):
    """A merge patch of a custom field. Choices can be added and put into another order, not taken away."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "Color", "choices": ["red", "green", "blue", "yellow"]}]}
    )

    label: Annotated[Line, Field(description="null makes it of the key again")] | MISSING | None = MISSING
    choices: Choices | MISSING = MISSING

    @model_validator(mode="after")
    def _choices_fit(self) -> Self:
        if self.choices is not MISSING:
            _check_distinct(self.choices)
        return self


_READ: dict[str, Any] = {
    "name": "custom.favorite_color",
    "key": "favorite_color",
    "source": "custom",
    "type": "choice",
    "label": "Favorite color",
    "unit": None,
    "currency": None,
    "operators": ["eq", "ne", "in", "known"],
    "choices": ["red", "green", "blue"],
    "version": 1,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
}


class FieldRead(Output):
    """A field that audiences can ask for."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    name: Annotated[str, Field(description="Name in audiences")]
    key: Annotated[str | None, Field(description="Name inside `custom_fields`; null if the field is built in")]
    source: Annotated[str, Field(description="Where the fact comes from: profile, custom, score, consent")]
    type: FieldType
    label: str
    unit: Annotated[str | None, Field(description="What numbers count, for example years")]
    currency: Annotated[str | None, Field(description="Of money: the one currency all amounts are in, if it is one")]
    operators: Annotated[list[str], Field(description="Operators a condition on the field can use")]
    choices: list[str] | None
    version: Annotated[Version | None, Field(description="Of a custom field")]
    created_at: Instant | None
    updated_at: Instant | None


class FieldPage(Output):
    """A page of the field catalog."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})

    data: list[FieldRead]
    next_cursor: NextCursor


class FieldListParams(ListParams):
    """Which fields."""

    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 200
    source: Annotated[
        Literal["profile", "custom", "score", "consent"] | None, Field(description="Where the fact comes from")
    ] = None
