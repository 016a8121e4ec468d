"""The catalog of fields an audience can ask for; domains declare theirs in `fields.py`, `app.py` gathers them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, exists
from sqlalchemy.orm import InstrumentedAttribute

from ..core.read import Prepared
from .names import nearest
from .values import Operator
from .windows import Moment

FieldType = Literal[
    "text", "choice", "integer", "number", "boolean", "date", "datetime", "money", "set", "json", "place", "segment"
]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Test = Callable[[Column], ColumnElement[bool]]

_ORDERED: Final[tuple[Operator, ...]] = ("gt", "gte", "lt", "lte", "between", "known")
_EQUAL: Final[tuple[Operator, ...]] = ("eq", "ne", "in")
_NEAR_TODAY: Final[tuple[Operator, ...]] = ("within_last", "within_next", "anniversary_within_next")
OPERATORS: Final[dict[FieldType, tuple[Operator, ...]]] = {
    "text": (*_EQUAL, "like", "known"),
    "choice": (*_EQUAL, "known"),
    "integer": (*_EQUAL, *_ORDERED),
    "number": (*_EQUAL, *_ORDERED),
    "boolean": ("eq", "known"),
    "date": (*_EQUAL, *_ORDERED, *_NEAR_TODAY),
    "datetime": (*_ORDERED, *_NEAR_TODAY),
    "money": ("eq", "ne", *_ORDERED),
    "set": ("has",),
    "json": (*_EQUAL, "gt", "gte", "lt", "lte", "between", "like", "known"),
    "place": (),
    "segment": (),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Rows of another table that belong to a customer, or to a touchpoint: `key` in them holds `of` there.

    conditions: which of them count at all, whatever is asked.
    """

    key: Column
    of: Column
    conditions: tuple[ColumnElement[bool], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Field:
    """A fact about a customer that an audience can ask for.

    Types and what their column holds: `text` the normalized form (core.text.normalized); `choice` a code, compared
    exactly, with `choices` a closed list; `integer`; `number` numeric; `boolean`; `date`; `datetime` timestamptz;
    `money` integer minor units; `set` an array, or one element per row, of normalized text; `json` an element of a
    jsonb object, whose values are compared with values of their own kind; `place` its latitude in degrees, with the
    longitude `beside`; `segment` its id.

    column: where the value stands; for what changes by the mere passing of time, what to make of a moment.
    rows: where the column is, if not on the customer's own row; a customer has the value if any such row has.
    where: what the columns of those rows must be.
    depends_on: names of what is written when the answer changes, for example "customer" or "score:rfm".
    currency: money only; the column with the currency beside the amount, or the one currency all amounts are in.
    beside: place only; the column with the longitude.
    unit: what numbers count, for people: "days".
    source: where the fact comes from, for people: "profile", "custom", "score".
    is_context: it is no fact about a customer: it is told with a live decision, and bound by the name of the parameter.
    names: segment only; lists `id`, `name` and `name_normalized` of the segments that can be named.
    """

    name: str
    type: FieldType
    column: Column | Callable[[Moment], Column]
    depends_on: frozenset[str]
    rows: Rows | None = None
    where: tuple[tuple[Column, str], ...] = ()
    label: str = ""
    unit: str | None = None
    choices: tuple[str, ...] | None = None
    operators: tuple[Operator, ...] | None = None
    currency: Column | str | None = None
    beside: Column | None = None
    source: str = "profile"
    is_context: bool = False
    names: Prepared | None = None

    def __post_init__(self) -> None:
        if (self.type == "money") != (self.currency is not None):
            raise ValueError(f"{self.name}: money, and only money, has a currency")
        if (self.type == "place") != (self.beside is not None):
            raise ValueError(f"{self.name}: a place, and only a place, has a longitude")
        if self.where and self.rows is None:
            raise ValueError(f"{self.name}: there is but one own row, which needs no choosing")

    @property
    def rolls(self) -> bool:
        """Whether hours can be counted back from now: of touchpoints they can, which is told when they run out."""
        return False

    @property
    def moves(self) -> bool:
        """Whether the value is another on another day, without any write."""
        return not isinstance(self.column, ColumnElement | InstrumentedAttribute)

    def column_at(self, moment: Moment) -> Column:
        """Answer the column as of a moment."""
        return self.column if isinstance(self.column, ColumnElement | InstrumentedAttribute) else self.column(moment)

    def matches(self, test: Test, moment: Moment) -> ColumnElement[bool]:
        """Answer the condition on a customer, given the test of one column."""
        met = test(self.column_at(moment))
        if self.rows is None:
            return met
        chosen = (column == value for column, value in self.where)
        found = exists().where(self.rows.key == self.rows.of, *chosen, met, *self.rows.conditions)
        return found.correlate(self.rows.of.expression.table)

    @property
    def offered(self) -> tuple[Operator, ...]:
        """The operators that can be used, those of the type unless the field says otherwise."""
        return OPERATORS[self.type] if self.operators is None else self.operators


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Amount:
    """Something of touchpoints, or of their lines, that can be added up: money in minor units, or a number.

    currency: the column with the currency beside money; None for a number.
    """

    name: str
    column: Column
    currency: Column | None
    of_items: bool = False
    label: str = ""
    unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Items:
    """The lines of touchpoints: their table by its columns, and what `items` can ask of a line.

    Where a field stands in other rows, at most one of them belongs to a line.
    """

    customer_id: Column
    touchpoint_id: Column
    fields: tuple[Field, ...] = ()
    catalog: "Catalog" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "catalog", Catalog(self.fields))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Countable:
    """How touchpoints of a customer are counted and summed: their table by its columns, and the customer outside.

    fields: what `where` can ask of a touchpoint.
    open: prefixes of names that any field may have, and what makes a field of such a name.
    """

    customer_id: Column
    outer_customer_id: Column
    id: Column
    kind: Column
    occurred_at: Column
    fields: tuple[Field, ...] = ()
    open: Mapping[str, Callable[[str], Field]] = field(default_factory=dict)
    amounts: tuple[Amount, ...] = ()
    items: Items | None = None
    catalog: "Catalog" = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "catalog", Catalog(self.fields, open_to=self.open))

    def amount(self, name: str) -> Amount | None:
        """Answer an amount by its name."""
        return next((amount for amount in self.amounts if amount.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Household:
    """Who lives with whom: a table with a customer and its household in each row, a customer in one at most.

    is_present: the condition on a customer without which a member is left out when others are asked.
    depends_on: names of what is written when somebody joins, leaves, or is there no longer.
    """

    customer_id: Column
    household_id: Column
    is_present: ColumnElement[bool]
    depends_on: frozenset[str]

    def pairs(self) -> "Pairs":
        """Answer who lives with whom."""
        mine, theirs = (self.customer_id.expression.table.alias(name) for name in ("mine", "theirs"))
        member, home = str(self.customer_id.key), str(self.household_id.key)
        return Pairs(mine.c[member], theirs.c[member], mine.c[home] == theirs.c[home])


class Pairs(NamedTuple):
    """The table of members beside itself: a customer, one of its household, and the condition that they are."""

    customer_id: Column
    member_id: Column
    live_together: ColumnElement[bool]


class Catalog:
    """Fields by name, and the touchpoints; never changed, only extended into a new one.

    open_to: prefixes of names that any field may have, and what makes a field of such a name.
    """

    __slots__ = ("_fields", "_open_to", "countable", "household")

    def __init__(
        self,
        fields: Iterable[Field],
        countable: Countable | None = None,
        *,
        open_to: Mapping[str, Callable[[str], Field]] | None = None,
        household: Household | None = None,
    ) -> None:
        self._fields: dict[str, Field] = {}
        self._open_to = open_to or {}
        self.countable, self.household = countable, household
        for each in fields:
            if self._fields.setdefault(each.name, each) is not each:
                raise ValueError(f"two fields are called {each.name}")

    def get(self, name: str) -> Field | None:
        """Answer a field by its name."""
        found = self._fields.get(name)
        if found is None:
            make = next((make for prefix, make in self._open_to.items() if name.startswith(prefix)), None)
            found = make(name) if make else None
        return found

    @property
    def segment(self) -> Field | None:
        """The field that knows memberships in segments."""
        return next((each for each in self._fields.values() if each.type == "segment"), None)

    @property
    def zone(self) -> Field | None:
        """The field that knows the customer's time zone."""
        return self._fields.get("time_zone")

    def with_fields(self, extra: Iterable[Field]) -> "Catalog":
        """Answer a catalog with more fields, for those the business declared. Errors: ValueError for a name taken."""
        fields = [*self._fields.values(), *extra]
        return Catalog(fields, self.countable, open_to=self._open_to, household=self.household)

    def nearest(self, name: str) -> str | None:
        """Answer the valid name most like one that is not."""
        return nearest(name, self._fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(sorted(self._fields.values(), key=lambda each: each.name))

    def __len__(self) -> int:
        return len(self._fields)
