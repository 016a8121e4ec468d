"""The tree of an audience: which customers? Canonical form is JSON; every node is told by the keys it has.

    {"all": [node, …]}   {"any": [node, …]}   {"not": node}
    {"household_any": node}   {"household_all": node}                of the members of the customer's household
    {"field": "country", "in": ["DE", "AT"]}                         a field of the catalog and exactly one operator
    {"distance": "address", "latitude": 52.52, "longitude": 13.4, "lte": {"length": 25, "unit": "km"}}
    {"segment": "0198…"}                                             membership in another segment
    {"segment_name": "churn-risk"}                                   the same by its name; kept and answered as its id
    {"count": {"touchpoint": "page.viewed", "where": node}, "last": "P14D", "gte": 3}
    {"sum": "amount", "of": {"touchpoint": "order.placed", "where": node}, "from": "2026-01-01", "until": "2026-07-01",
     "gte": {"amount": "500.00", "currency": "EUR"}}

Operators: eq ne in gt gte lt lte between like has known. `between` takes [low, high], both included; `like` is for
text, `*` stands for any characters; `has` is for sets; `known` is true or false. Inside `where` stand fields of the
touchpoint.

Windows: `last` takes PnD, PnW, PnM (whole local dates of the business's time zone, today included) or PTnH, PTnM
(rolling); `from` and `until` are local dates, `until` is the first date after the window. No window is the whole
history.

An audience may also be given as text (parse_text.py), which is read into the same tree; the tree is kept and answered.

A missing value is not a match: {"field": "country", "ne": "DE"} leaves out customers without a country,
{"not": {"field": "country", "eq": "DE"}} takes them in.
"""

import json
from typing import Annotated, Any, ClassVar, Final, get_args
from uuid import UUID

from pydantic import (
    MISSING,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from typing_extensions import TypeAliasType

from .bounds import MOST_NODES, bounded
from .distance import DistanceTo
from .household_nodes import HouseholdAll, HouseholdAny
from .text_form import TextToo, read_text
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    TouchpointAverage,
    TouchpointCount,
    Touchpoints,
    TouchpointShare,
    TouchpointSum,
)
from .values import Comparing, Count, LeapDay, Name, Node, Operator, RelativeToToday, TwoValues, Value, Values

LANGUAGE_VERSION: Final = 1


class FieldTest(Comparing):
    """A condition on one field of the catalog (`GET /v1/fields`). Exactly one operator."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 2,
            "maxProperties": 3,
            "examples": [
                {"field": "country", "in": ["DE", "AT"]},
                {"field": "age", "gte": 30},
                {"field": "birth_date", "anniversary_within_next": "P7D"},
            ],
        }
    )
    _operators: ClassVar[dict[Operator, str]] = {
        **{name: name for name in get_args(Operator)},
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
    within_last: RelativeToToday | MISSING = MISSING
    within_next: RelativeToToday | MISSING = MISSING
    anniversary_within_next: (
        Annotated[
            RelativeToToday,
            Field(description="Its day and month come round; today is that of the customer's own time zone"),
        ]
        | MISSING
    ) = MISSING
    leap: LeapDay | MISSING = MISSING


class InSegment(Node):
    """Membership in another segment, as last built."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"}]})

    segment: Annotated[UUID, Field(description="Id of the segment")]


class InNamedSegment(Node):
    """Membership in another segment, told by its name. What is kept and answered has the segment's id instead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"segment_name": "churn-risk"}]})

    segment_name: Annotated[str, Field(min_length=1, max_length=200, description="Name of the segment")]


class InBucket(Comparing):
    """A stable random number, 0 up to `of` less 1, that customer and bucket's name have together.

    Another name shuffles all customers anew; the same name always finds the same ones.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"bucket": "spring test", "of": 100, "lt": 10}]})
    _operators: ClassVar[dict[Operator, str]] = {
        name: name for name in ("eq", "ne", "gt", "gte", "lt", "lte", "between")
    }

    bucket: Annotated[Name, Field(description="Name that shuffles")]
    of: Annotated[int, Field(ge=2, le=1_000_000, description="How many buckets there are")]
    eq: Count | MISSING = MISSING
    ne: Count | MISSING = MISSING
    gt: Count | MISSING = MISSING
    gte: Count | MISSING = MISSING
    lt: Count | MISSING = MISSING
    lte: Count | MISSING = MISSING
    between: Annotated[list[Count], Field(min_length=2, max_length=2)] | MISSING = MISSING


class AllOf(Node):
    """Every branch holds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"all": [{"field": "country", "eq": "DE"}, {"field": "age", "gte": 30}]}]}
    )

    all: Annotated[list["Audience"], Field(min_length=1, max_length=MOST_NODES)]


class AnyOf(Node):
    """At least one branch holds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"any": [{"field": "tags", "has": "vip"}, {"field": "rfm.monetary", "eq": 5}]}]}
    )

    any: Annotated[list["Audience"], Field(min_length=1, max_length=MOST_NODES)]


class Not(Node):
    """The node does not hold, be it that it is false or that a value is missing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"not": {"field": "country", "eq": "DE"}}]})

    not_: "Audience" = Field(alias="not")


_BRANCHES: Final[dict[str, type[BaseModel]]] = {
    "all": AllOf,
    "any": AnyOf,
    "not": Not,
    "household_any": HouseholdAny,
    "household_all": HouseholdAll,
    "field": FieldTest,
    "count": TouchpointCount,
    "sum": TouchpointSum,
    "average": TouchpointAverage,
    "share": TouchpointShare,
    "never": NeverTouched,
    "first": FirstTouchpoint,
    "latest": LatestTouchpoint,
    "bucket": InBucket,
    "distance": DistanceTo,
    "segment": InSegment,
    "segment_name": InNamedSegment,
}


def _kind_of_node(value: Any) -> str | None:
    """Tell the branch by the key that is there; called as its class, so as not to be taken for a step of a pointer."""
    if isinstance(value, dict):
        return next((branch.__name__ for key, branch in _BRANCHES.items() if key in value), None)
    return type(value).__name__ if isinstance(value, Node) else None


Audience = TypeAliasType(
    "Audience",
    Annotated[
        Annotated[AllOf, Tag("AllOf")]
        | Annotated[AnyOf, Tag("AnyOf")]
        | Annotated[Not, Tag("Not")]
        | Annotated[HouseholdAny, Tag("HouseholdAny")]
        | Annotated[HouseholdAll, Tag("HouseholdAll")]
        | Annotated[FieldTest, Tag("FieldTest")]
        | Annotated[TouchpointCount, Tag("TouchpointCount")]
        | Annotated[TouchpointSum, Tag("TouchpointSum")]
        | Annotated[TouchpointAverage, Tag("TouchpointAverage")]
        | Annotated[TouchpointShare, Tag("TouchpointShare")]
        | Annotated[NeverTouched, Tag("NeverTouched")]
        | Annotated[FirstTouchpoint, Tag("FirstTouchpoint")]
        | Annotated[LatestTouchpoint, Tag("LatestTouchpoint")]
        | Annotated[InBucket, Tag("InBucket")]
        | Annotated[DistanceTo, Tag("DistanceTo")]
        | Annotated[InSegment, Tag("InSegment")]
        | Annotated[InNamedSegment, Tag("InNamedSegment")],
        Discriminator(
            _kind_of_node,
            custom_error_type="no-node",
            custom_error_message="A node is an object with one of the keys " + ", ".join(_BRANCHES),
        ),
        Field(description="Which customers: a tree of conditions"),
    ],
)


def _read(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Read a whole audience, of JSON or text."""
    return read_text(value, read) if isinstance(value, str) else read(bounded(value))


Tree = Annotated[Audience, WrapValidator(_read), TextToo()]
"""The type of a whole audience in an input model, as JSON or text: its size is bounded before anything else is looked
at."""

Touchpoints.model_rebuild()
for _branch in _BRANCHES.values():
    _branch.model_rebuild()

_TREE: Final[TypeAdapter[Audience]] = TypeAdapter(Annotated[Audience, BeforeValidator(bounded)])


def read_tree(value: Any) -> Audience:
    """Read a tree from its JSON value, as it is stored: dicts, lists, text. Errors: pydantic.ValidationError."""
    return _TREE.validate_json(json.dumps(value), strict=True)


def write_tree(tree: Audience) -> Any:
    """Write a tree as its JSON value, to be stored."""
    return _TREE.dump_python(tree, mode="json")
