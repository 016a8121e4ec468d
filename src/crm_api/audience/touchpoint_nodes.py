"""Nodes that ask for a customer's touchpoints: which ones are meant, and what is made of them."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import MISSING, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .values import (
    AMOUNTS,
    Comparing,
    Count,
    Duration,
    LeapDay,
    Name,
    Node,
    Operator,
    RelativeToToday,
    TwoValues,
    Value,
    WindowDate,
)

if TYPE_CHECKING:
    from .tree import Audience

_NUMBERS: dict[Operator, str] = {name: name for name in ("eq", "ne", "gt", "gte", "lt", "lte", "between")}


class Touchpoints(Node):
    """Which touchpoints of a customer are meant: one kind, narrowed by their own fields and by an order's lines."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"touchpoint": "page.viewed", "where": {"field": "channel", "eq": "web"}},
                {"touchpoint": "order.placed", "items": {"field": "category", "eq": "MEAT"}},
            ]
        }
    )

    touchpoint: Annotated[Name, Field(description="Kind of the touchpoints", examples=["order.placed"])]
    where: (
        Annotated[
            "Audience", Field(description="Tests of the touchpoint's fields: channel, campaign, amount and others")
        ]
        | MISSING
    ) = MISSING
    items: (
        Annotated["Audience", Field(description="Tests of an order's line: sku, category, quantity, paid and others")]
        | MISSING
    ) = MISSING


class OverTouchpoints(Node):
    """A node over the touchpoints of a customer in a window."""

    last: Duration | MISSING = Field(
        MISSING,
        description="ISO 8601 duration. PnD, PnW, PnM: whole local dates of the business's time zone, today included; "
        "PTnH, PTnM: rolling",
    )
    from_: WindowDate | MISSING = Field(MISSING, alias="from", description="First local date of the window")
    until: WindowDate | MISSING = Field(MISSING, description="First local date after the window")

    @property
    def touchpoints(self) -> Touchpoints:
        """Which touchpoints are meant."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _has_one_window(self) -> Self:
        if self.last is not MISSING and (self.from_ is not MISSING or self.until is not MISSING):
            raise PydanticCustomError("one-window", "Give either last, or from and until")
        if self.from_ is not MISSING and self.until is not MISSING and self.from_ >= self.until:
            raise PydanticCustomError("empty-window", "The window is empty: until is the first date after it")
        return self


class _Counting(Node):
    """What is counted; a base of its own and the last one, so that a tree is written in the order it is read."""

    count: Touchpoints


class TouchpointCount(Comparing, OverTouchpoints, _Counting):
    """How many touchpoints there are in a window, compared by exactly one operator. None at all is 0."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"count": {"touchpoint": "page.viewed"}, "last": "P14D", "gte": 3}]}
    )
    _operators: ClassVar[dict[Operator, str]] = _NUMBERS

    eq: Count | MISSING = MISSING
    ne: Count | MISSING = MISSING
    gt: Count | MISSING = MISSING
    gte: Count | MISSING = MISSING
    lt: Count | MISSING = MISSING
    lte: Count | MISSING = MISSING
    between: Annotated[list[Count], Field(min_length=2, max_length=2)] | MISSING = MISSING

    @property
    def touchpoints(self) -> Touchpoints:
        return self.count


class _Amounts(Comparing, OverTouchpoints):
    """Something made of amounts, compared by exactly one operator."""

    _operators: ClassVar[dict[Operator, str]] = _NUMBERS

    eq: Value | MISSING = MISSING
    ne: Value | MISSING = MISSING
    gt: Value | MISSING = MISSING
    gte: Value | MISSING = MISSING
    lt: Value | MISSING = MISSING
    lte: Value | MISSING = MISSING
    between: TwoValues | MISSING = MISSING


class _Summing(Node):
    """What is summed."""

    sum: Annotated[Name, Field(description="Name of the amount", examples=AMOUNTS)]
    of: Touchpoints


class TouchpointSum(_Amounts, _Summing):
    """Sum of an amount over touchpoints in a window, compared by exactly one operator. The sum of none is 0.

    Only amounts in the currency compared with are added up; nothing is converted. `items.…` adds up the lines that
    `items` means, or all of them.
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

    @property
    def touchpoints(self) -> Touchpoints:
        return self.of


class _Averaging(Node):
    """What is averaged."""

    average: Annotated[Name, Field(description="Name of the amount", examples=AMOUNTS)]
    of: Touchpoints


class TouchpointAverage(_Amounts, _Averaging):
    """Average of an amount over the touchpoints (`items.…`: the lines) in a window, compared by exactly one operator.

    What has no such amount, or has it in another currency, does not count. Without any there is no average, and no
    match.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "average": "amount",
                    "of": {"touchpoint": "order.placed"},
                    "last": "P12M",
                    "gte": {"amount": "40.00", "currency": "EUR"},
                }
            ]
        }
    )

    @property
    def touchpoints(self) -> Touchpoints:
        return self.of


class _Sharing(Node):
    """What the share is of."""

    share: Annotated[Name, Field(description="Name of an amount of lines", examples=["items.paid"])]
    of: Touchpoints


class TouchpointShare(_Amounts, _Sharing):
    """Share, 0 to 1, that the lines `items` means have in an amount of all lines of the same touchpoints.

    Where all lines together amount to nothing, or are in several currencies, there is no share, and no match.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "share": "items.paid",
                    "of": {"touchpoint": "order.placed", "items": {"field": "department", "eq": "GROCERY"}},
                    "last": "P12M",
                    "gte": 0.3,
                }
            ]
        }
    )

    @property
    def touchpoints(self) -> Touchpoints:
        return self.of


class NeverTouched(OverTouchpoints):
    """There is no such touchpoint in the window."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"never": {"touchpoint": "order.placed"}, "last": "P90D"}]}
    )

    never: Touchpoints

    @property
    def touchpoints(self) -> Touchpoints:
        return self.never


class Edge(Comparing, OverTouchpoints):
    """When the first or the latest touchpoint of a window was, compared with dates or times, or with today."""

    _operators: ClassVar[dict[Operator, str]] = {
        name: name
        for name in ("eq", "gt", "gte", "lt", "lte", "between", "within_last", "within_next", "anniversary_within_next")
    }

    eq: Annotated[Value, Field(description="The local date of the business's time zone")] | MISSING = MISSING
    gt: Value | MISSING = MISSING
    gte: Value | MISSING = MISSING
    lt: Value | MISSING = MISSING
    lte: Value | MISSING = MISSING
    between: TwoValues | MISSING = MISSING
    within_last: RelativeToToday | MISSING = MISSING
    within_next: RelativeToToday | MISSING = MISSING
    anniversary_within_next: RelativeToToday | MISSING = MISSING
    leap: LeapDay | MISSING = MISSING


class _First(Node):
    """Whose first one is meant."""

    first: Touchpoints


class FirstTouchpoint(Edge, _First):
    """When the first touchpoint of a window was. Without any there is no first one, and no match."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"first": {"touchpoint": "order.placed"}, "gte": "2026-01-01"}]}
    )

    @property
    def touchpoints(self) -> Touchpoints:
        return self.first


class _Latest(Node):
    """Whose latest one is meant."""

    latest: Touchpoints


class LatestTouchpoint(Edge, _Latest):
    """When the latest touchpoint of a window was. Without any there is no latest one, and no match."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"latest": {"touchpoint": "order.placed"}, "within_last": "P30D"}]}
    )

    @property
    def touchpoints(self) -> Touchpoints:
        return self.latest
