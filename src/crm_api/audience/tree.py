"""The tree of an audience: which customers? Canonical form is JSON; every node is told by the keys it has.

    {"all": [node, …]}   {"any": [node, …]}   {"not": node}
    {"field": "country", "in": ["DE", "AT"]}                         a field of the catalog and exactly one operator
    {"segment": "0198…"}                                             membership in another segment
    {"count": {"touchpoint": "page.viewed", "where": node}, "last": "P14D", "gte": 3}
    {"sum": "amount", "of": {"touchpoint": "order.placed", "where": node}, "from": "2026-01-01", "until": "2026-07-01",
     "gte": {"amount": "500.00", "currency": "EUR"}}

Operators: eq ne in gt gte lt lte between like has known. `between` takes [low, high], both included; `like` is for
text, `*` stands for any characters; `has` is for sets; `known` is true or false. Inside `where` stand fields of the
touchpoint.

Windows: `last` takes PnD, PnW, PnM (whole local dates of the business's time zone, today included) or PTnH, PTnM
(rolling); `from` and `until` are local dates, `until` is the first date after the window. No window is the whole
history.

A missing value is not a match: {"field": "country", "ne": "DE"} leaves out customers without a country,
{"not": {"field": "country", "eq": "DE"}} takes them in.
"""

import json
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from uuid import UUID

from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from ..core.money import Money
from ..core.schemas import Day
from .bounds import LONGEST_TEXT, MOST_NODES, MOST_VALUES, bounded
from .windows import DURATION_PATTERN, duration

LANGUAGE_VERSION: Final = 1

Operator = Literal["eq", "ne", "in", "gt", "gte", "lt", "lte", "between", "like", "has", "known"]


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
WindowDate = Annotated[Day, Field(ge=date(1900, 1, 1), le=date(2200, 12, 31))]


class _Node(BaseModel):
    """What all nodes share."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, serialize_by_alias=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if value is not MISSING]


class _Comparing(_Node):
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
        return self


class FieldTest(_Comparing):
    """A condition on one field of the catalog (`GET /v1/fields`). Exactly one operator."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 2,
            "maxProperties": 2,
            "examples": [{"field": "country", "in": ["DE", "AT"]}, {"field": "age", "gte": 30}],
        }
    )
    _operators = {
        **{name: name for name in ("eq", "ne", "gt", "gte", "lt", "lte", "between", "like", "has", "known")},
        "in": "in_",
    }

    field: Annotated[Name, Field(description="Name in the catalog", examples=["country"])]
    eq: Value | MISSING = MISSING
    ne: Value | MISSING = MISSING
    in_: Values | MISSING = Field(MISSING, alias="in")
    gt: Value | MISSING = MISSING
    gte: Value | MISSING = MISSING
    lt: Value | MISSING = MISSING
    lte: Value | MISSING = MISSING
    between: TwoValues | MISSING = MISSING
    like: Annotated[Value, Field(description="Text in any letter case; `*` stands for any characters")] | MISSING = (
        MISSING
    )
    has: Annotated[Value, Field(description="An element of a set")] | MISSING = MISSING
    known: Annotated[bool, Field(description="Whether there is a value at all")] | MISSING = MISSING


class InSegment(_Node):
    """Membership in another segment, as last built."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"}]})

    segment: Annotated[UUID, Field(description="Id of the segment")]


class Touchpoints(_Node):
    """Which touchpoints of a customer are meant: one kind, narrowed by their own fields."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"touchpoint": "page.viewed", "where": {"field": "channel", "eq": "web"}}]}
    )

    touchpoint: Annotated[Name, Field(description="Kind of the touchpoints", examples=["order.placed"])]
    where: (
        Annotated[
            "Audience", Field(description="Tests of the touchpoint's fields: channel, campaign, source and others")
        ]
        | MISSING
    ) = MISSING


class _Windowed(_Comparing):
    """An aggregate of touchpoints in a window."""

    _operators = {name: name for name in ("eq", "ne", "gt", "gte", "lt", "lte", "between")}

    last: Duration | MISSING = Field(
        MISSING,
        description="ISO 8601 duration. PnD, PnW, PnM: whole local dates of the business's time zone, today included; "
        "PTnH, PTnM: rolling",
    )
    from_: WindowDate | MISSING = Field(MISSING, alias="from", description="First local date of the window")
    until: WindowDate | MISSING = Field(MISSING, description="First local date after the window")

    @model_validator(mode="after")
    def _has_one_window(self) -> Self:
        if self.last is not MISSING and (self.from_ is not MISSING or self.until is not MISSING):
            raise PydanticCustomError("one-window", "Give either last, or from and until")
        if self.from_ is not MISSING and self.until is not MISSING and self.from_ >= self.until:
            raise PydanticCustomError("empty-window", "The window is empty: until is the first date after it")
        return self


class _Counting(_Comparing):
    """What is counted; a base of its own and the last one, so that a tree is written in the order it is read."""

    count: Touchpoints


class TouchpointCount(_Windowed, _Counting):
    """How many touchpoints there are in a window, compared by exactly one operator. None at all is 0."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"count": {"touchpoint": "page.viewed"}, "last": "P14D", "gte": 3}]}
    )

    eq: Count | MISSING = MISSING
    ne: Count | MISSING = MISSING
    gt: Count | MISSING = MISSING
    gte: Count | MISSING = MISSING
    lt: Count | MISSING = MISSING
    lte: Count | MISSING = MISSING
    between: Annotated[list[Count], Field(min_length=2, max_length=2)] | MISSING = MISSING


class _Summing(_Comparing):
    """What is summed."""

    sum: Annotated[Name, Field(description="Name of the amount", examples=["amount"])]
    of: Touchpoints


class TouchpointSum(_Windowed, _Summing):
    """Sum of an amount over touchpoints in a window, compared by exactly one operator. The sum of none is 0.

    Only amounts in the currency compared with are added up; nothing is converted.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "sum": "amount",
                    "of": {"touchpoint": "order.placed"},
                    "last": "P365D",
                    "gte": {"amount": "500.00", "currency": "EUR"},
                }
            ]
        }
    )

    eq: Value | MISSING = MISSING
    ne: Value | MISSING = MISSING
    gt: Value | MISSING = MISSING
    gte: Value | MISSING = MISSING
    lt: Value | MISSING = MISSING
    lte: Value | MISSING = MISSING
    between: TwoValues | MISSING = MISSING


class AllOf(_Node):
    """Every branch holds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"all": [{"field": "country", "eq": "DE"}, {"field": "age", "gte": 30}]}]}
    )

    all: Annotated[list["Audience"], Field(min_length=1, max_length=MOST_NODES)]


class AnyOf(_Node):
    """At least one branch holds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"any": [{"field": "tags", "has": "vip"}, {"field": "rfm.monetary", "eq": 5}]}]}
    )

    any: Annotated[list["Audience"], Field(min_length=1, max_length=MOST_NODES)]


class Not(_Node):
    """The node does not hold, be it that it is false or that a value is missing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"not": {"field": "country", "eq": "DE"}}]})

    not_: "Audience" = Field(alias="not")


_BRANCHES: Final[dict[str, type[BaseModel]]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "field": FieldTest,
    "count": TouchpointCount,
    "sum": TouchpointSum,
    "segment": InSegment,
}


def _kind_of_node(value: Any) -> str | None:
    """Tell the branch by the key that is there; called as its class, so as not to be taken for a step of a pointer."""
    if isinstance(value, dict):
        return next((branch.__name__ for key, branch in _BRANCHES.items() if key in value), None)
    return type(value).__name__ if isinstance(value, _Node) else None


Audience = TypeAliasType(
    "Audience",
    Annotated[
        Annotated[AllOf, Tag("AllOf")]
        | Annotated[AnyOf, Tag("AnyOf")]
        | Annotated[Not, Tag("Not")]
        | Annotated[FieldTest, Tag("FieldTest")]
        | Annotated[TouchpointCount, Tag("TouchpointCount")]
        | Annotated[TouchpointSum, Tag("TouchpointSum")]
        | Annotated[InSegment, Tag("InSegment")],
        Discriminator(
            _kind_of_node,
            custom_error_type="no-node",
            custom_error_message="A node is an object with one of the keys all, any, not, field, count, sum, segment",
        ),
        Field(description="Which customers: a tree of conditions"),
    ],
)

Tree = Annotated[Audience, BeforeValidator(bounded)]
"""The type of a whole audience in an input model: its size is bounded before anything else is looked at."""

Touchpoints.model_rebuild()
for _branch in _BRANCHES.values():
    _branch.model_rebuild()

_TREE: Final[TypeAdapter[Audience]] = TypeAdapter(Tree)


def read_tree(value: Any) -> Audience:
    """Read a tree from its JSON value, as it is stored: dicts, lists, text. Errors: pydantic.ValidationError."""
    return _TREE.validate_json(json.dumps(value), strict=True)


def write_tree(tree: Audience) -> Any:
    """Write a tree as its JSON value, to be stored."""
    return _TREE.dump_python(tree, mode="json")
