"""What callers send and get about the field catalog."""

from typing import Annotated, Any, Literal, Self

from pydantic import MISSING, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version
from .custom_values import CustomFieldType
from .schemas import FieldKey, Line

FieldType = Literal[
    "text", "choice", "integer", "number", "boolean", "date", "datetime", "money", "set", "json", "place"
]
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
    source: Annotated[
        str,
        Field(
            description="Where the fact comes from: profile, custom, score, consent; context is told with a decision"
        ),
    ]
    type: FieldType
    label: str
    unit: Annotated[str | None, Field(description="What numbers count, for example years")]
    currency: Annotated[str | None, Field(description="Of money: the one currency all amounts are in, if it is one")]
    operators: Annotated[list[str], Field(description="Operators a condition on the field can use")]
    choices: list[str] | None
    version: Annotated[Version | None, Field(description="Of a custom field")]
    created_at: Instant | None
    updated_at: Instant | None


class LanguageWord(Output):
    """A word of the audience language."""

    name: Annotated[str, Field(description="Name in trees")]
    example: Annotated[str, Field(description="A condition with it, as text")]
    meaning: str


class TouchpointFieldRead(Output):
    """What can be asked of a touchpoint, or of a line of one."""

    name: str
    type: FieldType
    label: str
    operators: list[str]
    choices: list[str] | None


class AmountRead(Output):
    """What can be added up of touchpoints, or of their lines."""

    name: str
    type: Literal["money", "number"]
    label: str
    unit: str | None


class TouchpointLanguage(Output):
    """What audiences can ask about the touchpoints of a customer."""

    aggregates: Annotated[list[LanguageWord], Field(description="What is made of touchpoints")]
    amounts: Annotated[list[AmountRead], Field(description="What is added up; `items.…` of lines")]
    fields: Annotated[list[TouchpointFieldRead], Field(description="What `where` can ask of a touchpoint")]
    open_fields: Annotated[
        list[str], Field(description="Fields with any name after the point, compared with values of their own kind")
    ]
    line_fields: Annotated[list[TouchpointFieldRead], Field(description="What `items` can ask of a line")]


_WORD = {"name": "gte", "example": "age >= 30", "meaning": "As much or more, or as late or later"}
_PAGE: dict[str, Any] = {
    "data": [_READ],
    "next_cursor": None,
    "operators": [_WORD],
    "conditions": [
        {
            "name": "household_any",
            "example": "household any (age < 12)",
            "meaning": "Somebody in the household meets it",
        }
    ],
    "touchpoints": {
        "aggregates": [
            {"name": "count", "example": "count(page.viewed, last 14 days) >= 3", "meaning": "How many there are"}
        ],
        "amounts": [{"name": "amount", "type": "money", "label": "Amount", "unit": None}],
        "fields": [
            {"name": "channel", "type": "choice", "label": "Channel", "operators": ["eq", "ne"], "choices": None}
        ],
        "open_fields": ["properties.*"],
        "line_fields": [
            {"name": "category", "type": "choice", "label": "Category", "operators": ["eq", "like"], "choices": None}
        ],
    },
}


class FieldPage(Output):
    """A page of the field catalog, and what can be asked of touchpoints."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PAGE]})

    data: list[FieldRead]
    next_cursor: NextCursor
    operators: Annotated[list[LanguageWord], Field(description="What conditions on fields can say")]
    conditions: Annotated[
        list[LanguageWord], Field(description="What else is asked of a customer, by its key in trees")
    ]
    touchpoints: TouchpointLanguage


class FieldListParams(ListParams):
    """Which fields."""

    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 200
    source: Annotated[
        Literal["profile", "custom", "score", "consent", "context"] | None,
        Field(description="Where the fact comes from"),
    ] = None
