"""Nodes that ask for a customer's touchpoints: which ones are meant, and what is made of them."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import MISSING, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .values import Comparing, Count, Duration, Name, Node, Operator, TwoValues, Value, WindowDate

if TYPE_CHECKING:
    from .tree import Audience


class Touchpoints(Node):
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


class _Windowed(Comparing):
    """An aggregate of touchpoints in a window."""

    _operators: ClassVar[dict[Operator, str]] = {
        name: name for name in ("eq", "ne", "gt", "gte", "lt", "lte", "between")
    }

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


class _Counting(Comparing):
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


class _Summing(Comparing):
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
