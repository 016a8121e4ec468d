"""What stands after operators in a tree, and what all nodes share."""

from collections.abc import Iterable
from datetime import date
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from ..core.money import Money
from ..core.schemas import Day
from .bounds import LONGEST_TEXT, MOST_VALUES
from .windows import DURATION_PATTERN, duration
from .written import Written

Operator = Literal[
    "eq",
    "ne",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "like",
    "has",
    "known",
    "within_last",
    "within_next",
    "anniversary_within_next",
]
AMOUNTS = ["amount"]


def _kind_of_value(value: Any) -> str | None:
    """Tell the branch of `Value`; bool before int, because True is an int."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        return "Number"
    if isinstance(value, str):
        return "Text"
    return "Money" if isinstance(value, dict | Money) else None


Value = TypeAliasType(
    "Value",
    Annotated[
        Annotated[bool, Tag("Boolean")]
        | Annotated[int | FiniteFloat, Tag("Number"), WithJsonSchema({"type": "number"})]
        | Annotated[str, Field(max_length=LONGEST_TEXT), Tag("Text")]
        | Annotated[Money, Tag("Money")],
        Discriminator(
            _kind_of_value,
            custom_error_type="no-value",
            custom_error_message="A value is text, a number, true, false, or money with its amount and currency",
        ),
        Field(
            description="Dates and times are text: `2026-01-31`, `2026-01-31T09:30:00Z`. "
            "The field's type says what is expected"
        ),
    ],
)
Values = Annotated[list[Value], Field(min_length=1, max_length=MOST_VALUES)]
TwoValues = Annotated[list[Value], Field(min_length=2, max_length=2, description="Low and high, both included")]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Duration = Annotated[
    str,
    AfterValidator(duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["P14D"]}),
]
RelativeToToday = Annotated[
    Duration,
    Field(description="Whole local dates beginning or ending with today: PnD, PnW, PnM", examples=["P30D"]),
]
LeapDay = Annotated[
    Literal["02-28", "03-01"],
    Field(description="Where 29 February falls in common years; 02-28 if not given. Beside an anniversary only"),
]
WindowDate = Annotated[Day, Field(ge=date(1900, 1, 1), le=date(2200, 12, 31))]


class Node(BaseModel):
    """What all nodes share."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    @cached_property
    def written(self) -> Written | None:
        """The root of a tree that was read from text knows where in it its parts stand."""
        return None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if value is not MISSING]


class Comparing(Node):
    """A node with exactly one operator."""

    _operators: ClassVar[dict[Operator, str]]

    @property
    def comparison(self) -> tuple[Operator, Any]:
        """The operator and what stands after it."""
        return next((name, getattr(self, attribute)) for name, attribute in self._given())

    def _given(self) -> list[tuple[Operator, str]]:
        return [(name, attribute) for name, attribute in self._operators.items() if attribute in self.model_fields_set]

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        if len(self._given()) != 1:
            names = ", ".join(self._operators)
            raise PydanticCustomError("one-operator", "Give exactly one of {names}", {"names": names})
        if "leap" in self.model_fields_set and "anniversary_within_next" not in self.model_fields_set:
            raise PydanticCustomError("no-anniversary", "leap stands beside anniversary_within_next only")
        return self
