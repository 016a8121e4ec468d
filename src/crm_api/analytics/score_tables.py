"""How the rows of each model are checked, stored and written out again; all else about runs is the same for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, Identity, Integer, MetaData, Numeric, Table, cast, func
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from ..core.db import Base
from ..core.money import minor_digits
from ..core.streams import decimal_of
from .models import RfmScore

_LONGEST_REASON: Final = 255
_MOST_MONEY: Final = 10**14

Given = Literal["always", "scored", "unscored"]
Expression = ColumnElement[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumn:
    """One value of a row.

    name: on the wire. stored: where it is kept. given: whether it stands in every row, in those with status `ok`, or
    only in the others. is_right: what a value must obey; `expected` says it for people. staged: its type before it is
    kept, if another. kept, written: from there to what is kept, and from what is kept to the one text it is written as.
    """

    name: str
    stored: InstrumentedAttribute[Any]
    given: Given
    is_right: Callable[[Expression], ColumnElement[bool]]
    expected: str
    staged: TypeEngine[Any] | None = None
    kept: Callable[[Expression], Expression] = lambda value: value
    written: Expression | None = None

    @property
    def as_written(self) -> Expression:
        """What stands in a stream, and what the hash of a run is taken of."""
        return (self.stored.expression if self.written is None else self.written).label(self.name)


@dataclass(frozen=True)
class ScoreTable:
    """The rows of one model in one run: columns in the order they are written, kept in `kept`."""

    model: str
    kept: type[Base]
    columns: tuple[ScoreColumn, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

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
        return self.kept.__table__.c.run_id

    @property
    def customer_id(self) -> ColumnElement[UUID]:
        """The customer a kept row is about."""
        return self.kept.__table__.c.customer_id

    @property
    def part(self) -> ColumnElement[int]:
        """The upload a kept row came with."""
        return self.kept.__table__.c.part


@cache
def rfm_table(currency: str) -> ScoreTable:
    """Describe the rows of the model `rfm` in one currency."""
    return ScoreTable(
        "rfm",
        RfmScore,
        (
            ScoreColumn("customer_id", RfmScore.customer_id, "always", lambda id: id.is_not(None), "a customer's id"),
            _score("recency_score", RfmScore.recency_score),
            _score("frequency_score", RfmScore.frequency_score),
            _score("monetary_score", RfmScore.monetary_score),
            ScoreColumn(
                "recency_days", RfmScore.recency_days, "scored", lambda days: days > 0, "whole days, 1 or more"
            ),
            ScoreColumn("order_count", RfmScore.order_count, "always", lambda count: count >= 0, "a whole number"),
            _money("amount", RfmScore.amount_minor, minor_digits(currency)),
            ScoreColumn("currency", RfmScore.currency, "always", lambda code: code == currency, currency),
            ScoreColumn(
                "observation_count", RfmScore.observation_count, "always", lambda count: count > 0, "1 or more"
            ),
            ScoreColumn("status", RfmScore.status, "always", _is_status, "ok or insufficient_data"),
            ScoreColumn(
                "reason",
                RfmScore.reason,
                "unscored",
                lambda text: func.length(text) <= _LONGEST_REASON,
                f"a sentence of at most {_LONGEST_REASON} characters",
            ),
        ),
    )


def _score(name: str, stored: InstrumentedAttribute[Any]) -> ScoreColumn:
    return ScoreColumn(name, stored, "scored", lambda score: score.between(1, 5), "a score from 1 to 5")


def _money(name: str, stored: InstrumentedAttribute[Any], digits: int) -> ScoreColumn:
    """Money is decimal on the wire and minor units where it is kept; all digits of the currency are written."""

    def is_right(amount: Expression) -> ColumnElement[bool]:
        return (func.scale(amount) == digits) & (func.abs(amount) < _MOST_MONEY)

    return ScoreColumn(
        name,
        stored,
        "always",
        is_right,
        f"a decimal number with {digits} digits after the point",
        Numeric(),
        lambda amount: cast(amount * 10**digits, BigInteger),
        decimal_of(stored, digits),
    )


def _is_status(status: Expression) -> ColumnElement[bool]:
    return status.in_(("ok", "insufficient_data"))


_TABLES: Final[Mapping[str, Callable[[Mapping[str, Any]], ScoreTable]]] = {
    "rfm": lambda parameters: rfm_table(parameters["currency"]),
}
MODELS: Final = tuple(_TABLES)
"""Models there are scores of."""
KEPT_TABLES: Final[Mapping[str, type[Base]]] = {"rfm": RfmScore}


def score_table(model: str, parameters: Mapping[str, Any]) -> ScoreTable:
    """Describe the rows of a run by its model and parameters."""
    return _TABLES[model](parameters)
