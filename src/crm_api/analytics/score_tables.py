"""How the rows of each model are checked, stored and written out again; all of it follows from what it declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Identity,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    cast,
    func,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from ..core.money import minor_digits
from ..core.streams import decimal_of
from .models import SCORES
from .outputs import DIGITS, NAME, OUTPUTS, Given, Output, Value, stored_name

Expression = ColumnElement[Any]
_LONGEST_REASON: Final = 255
_MOST_MONEY: Final = 10**14
_MOST_NUMBER: Final = 10**12
_LONGEST_TEXT: Final = 500
_NO_CURRENCY: Final = "XXX"
_OTHER_THAN_TEXT: Final[Expression] = literal_column("""'$[*] ? (@.type() != "string")'::jsonpath""")


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumn:
    """One value of a row.

    name: on the wire. stored: where it is kept. given: in which rows it stands. is_right: what a value must obey;
    `expected` says it for people. staged: its type before it is kept, if another. kept, written: from there to what is
    kept, and from what is kept to the one text it is written as.
    """

    name: str
    stored: Column[Any]
    given: Given
    is_right: Callable[[Expression], ColumnElement[bool]]
    expected: str
    staged: TypeEngine[Any] | None = None
    kept: Callable[[Expression], Expression] = lambda value: value
    written: Expression | None = None

    @property
    def as_written(self) -> Expression:
        """What stands in a stream, and what the hash of a run is taken of."""
        return (self.stored if self.written is None else self.written).label(self.name)


@dataclass(frozen=True)
class ScoreTable:
    """The rows of one model in one run: columns in the order they are written, kept in `kept`."""

    output: Output
    kept: Table
    columns: tuple[ScoreColumn, ...]

    @property
    def model(self) -> str:
        """The model whose rows they are."""
        return self.output.model

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self.output.names

    @cached_property
    def staged(self) -> Table:
        """The temporary table that rows are checked in; it has types, so that PostgreSQL checks them as it reads."""
        line = Column("line", Integer, Identity(always=True))
        values = [Column(column.name, column.staged or column.stored.type) for column in self.columns]
        return Table(
            f"staged_{self.model}", MetaData(), line, *values, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
        )

    @property
    def run_id(self) -> ColumnElement[UUID]:
        """The run a kept row belongs to."""
        return self.kept.c.run_id

    @property
    def identity(self) -> tuple[Column[Any], ...]:
        """What tells the kept rows of a run apart, in whose order they are read."""
        return tuple(self.kept.c[name] for name in self.output.identity)

    @property
    def part(self) -> ColumnElement[int]:
        """The upload a kept row came with."""
        return self.kept.c.part


def score_table(model: str, parameters: Mapping[str, Any]) -> ScoreTable:
    """Describe the rows of a run by its model and parameters."""
    return table_in(model, parameters.get("currency", _NO_CURRENCY))


@cache
def table_in(model: str, currency: str) -> ScoreTable:
    """Describe the rows of a model in one currency."""
    output, kept = OUTPUTS[model], SCORES[model].c
    written = [_column(value, kept[stored_name(value)], currency) for value in output.all_values]
    if output.has_money:
        written.append(ScoreColumn("currency", kept.currency, "always", lambda code: code == currency, currency))
    statuses = output.statuses
    if output.subject is None:
        whose = ScoreColumn("customer_id", kept.customer_id, "always", lambda id: id.is_not(None), "a customer's id")
        written.insert(0, whose)
    columns = (
        *written,
        ScoreColumn("observation_count", kept.observation_count, "always", lambda count: count > 0, "1 or more"),
        ScoreColumn("status", kept.status, "always", lambda status: status.in_(statuses), " or ".join(statuses)),
        ScoreColumn(
            "reason",
            kept.reason,
            "unscored",
            lambda text: func.length(text) <= _LONGEST_REASON,
            f"a sentence of at most {_LONGEST_REASON} characters",
        ),
    )
    return ScoreTable(output, SCORES[model], columns)


def _column(value: Value, stored: Column[Any], currency: str) -> ScoreColumn:
    match value.kind:
        case "score":
            return ScoreColumn(
                value.name, stored, value.given, lambda score: score.between(1, 5), "a score from 1 to 5"
            )
        case "count" | "days":
            least = value.least
            told = "whole days" if value.kind == "days" else "a whole number"
            return ScoreColumn(
                value.name, stored, value.given, lambda count: count >= least, f"{told}, {least} or more"
            )
        case "text":
            return ScoreColumn(
                value.name,
                stored,
                value.given,
                lambda text: func.length(text).between(1, _LONGEST_TEXT),
                f"a text of at most {_LONGEST_TEXT} characters",
            )
        case "rate":
            return _decimal(value, stored, lambda rate: rate.between(0, 1), "from 0 to 1")
        case "number":
            return _decimal(value, stored, lambda number: number.between(0, _MOST_NUMBER), "zero or more")
        case "money":
            return _money(value, stored, minor_digits(currency))
        case "choice":
            choices = value.choices
            return ScoreColumn(
                value.name, stored, value.given, lambda choice: choice.in_(choices), f"one of {', '.join(choices)}"
            )
        case "texts":
            return ScoreColumn(
                value.name,
                stored,
                value.given,
                lambda texts: (func.jsonb_typeof(texts) == "array") & ~func.jsonb_path_exists(texts, _OTHER_THAN_TEXT),
                "a JSON array of texts",
                written=cast(stored, Text),
            )
        case "name":
            return ScoreColumn(
                value.name, stored, value.given, lambda name: name.regexp_match(NAME), f"a name that matches {NAME}"
            )


def _decimal(
    value: Value, stored: Column[Any], is_right: Callable[[Expression], ColumnElement[bool]], expected: str
) -> ScoreColumn:
    """A number with all its digits: their count is looked at before the column's type would round them."""
    return ScoreColumn(
        value.name,
        stored,
        value.given,
        lambda number: (func.scale(number) == DIGITS) & is_right(number),
        f"a number {expected} with {DIGITS} digits after the point",
        Numeric(),
    )


def _money(value: Value, stored: Column[Any], digits: int) -> ScoreColumn:
    """Money is decimal on the wire and minor units where it is kept; all digits of the currency are written."""

    def is_right(amount: Expression) -> ColumnElement[bool]:
        return (func.scale(amount) == digits) & (func.abs(amount) < _MOST_MONEY)

    return ScoreColumn(
        value.name,
        stored,
        value.given,
        is_right,
        f"a decimal number with {digits} digits after the point",
        Numeric(),
        lambda amount: cast(amount * 10**digits, BigInteger),
        decimal_of(stored, digits),
    )
