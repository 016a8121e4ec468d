"""How the rows of each model are checked, stored and written out again; all else about runs is the same for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, Identity, Integer, MetaData, Numeric, Table, Text, cast, func
from sqlalchemy.orm import InstrumentedAttribute

from ..core.db import Base
from ..core.money import minor_digits
from .models import RfmScore

_UUID: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_COUNT: Final = "^(0|[1-9][0-9]{0,8})$"
_POSITIVE: Final = "^[1-9][0-9]{0,8}$"
_SENTENCE: Final = "^.{1,255}$"

Given = Literal["always", "scored", "unscored"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreColumn:
    """One value of a row.

    name: on the wire. stored: where it is kept. given: whether it stands in every row, in those with status `ok`, or
    only in the others. pattern: what its text must match (a regular expression of PostgreSQL); `expected` says it for
    people. read, written: from text to what is stored, and from there to the one text it is written as.
    """

    name: str
    stored: InstrumentedAttribute[Any]
    given: Given
    pattern: str
    expected: str
    read: Callable[[ColumnElement[str]], ColumnElement[Any]] | None = None
    written: ColumnElement[Any] | None = None

    def from_text(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """Turn a checked text into what is stored."""
        return cast(text, self.stored.type) if self.read is None else self.read(text)

    @property
    def as_written(self) -> ColumnElement[Any]:
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
        """The temporary table that rows are checked in; every column is text, so that any input can be looked at."""
        line = Column("line", Integer, Identity(always=True))
        texts = [Column(name, Text) for name in self.names]
        return Table(
            f"staged_{self.model}", MetaData(), line, *texts, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
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
    digits = minor_digits(currency)
    money = f"^(-?[1-9][0-9]{{0,13}}|0)\\.[0-9]{{{digits}}}$|^-0\\.(?!0+$)[0-9]{{{digits}}}$"
    whole = "^(0|-?[1-9][0-9]{0,13})$"
    stated = RfmScore.amount_minor
    exact = cast(cast(stated, Numeric) / 10**digits, Numeric(24, digits)) if digits else cast(stated, Text)
    return ScoreTable(
        "rfm",
        RfmScore,
        (
            ScoreColumn("customer_id", RfmScore.customer_id, "always", _UUID, "the id of a customer"),
            _score("recency_score", RfmScore.recency_score),
            _score("frequency_score", RfmScore.frequency_score),
            _score("monetary_score", RfmScore.monetary_score),
            ScoreColumn("recency_days", RfmScore.recency_days, "scored", _POSITIVE, "whole days, 1 or more"),
            ScoreColumn("order_count", RfmScore.order_count, "always", _COUNT, "a whole number"),
            ScoreColumn(
                "amount",
                stated,
                "always",
                money if digits else whole,
                f"a decimal number with {digits} digits after the point",
                lambda text: cast(func.replace(text, ".", ""), BigInteger),
                exact,
            ),
            ScoreColumn("currency", RfmScore.currency, "always", f"^{currency}$", currency),
            ScoreColumn("observation_count", RfmScore.observation_count, "always", _POSITIVE, "a whole number above 0"),
            ScoreColumn("status", RfmScore.status, "always", "^(ok|insufficient_data)$", "ok or insufficient_data"),
            ScoreColumn("reason", RfmScore.reason, "unscored", _SENTENCE, "a sentence of at most 255 characters"),
        ),
    )


def _score(name: str, stored: InstrumentedAttribute[Any]) -> ScoreColumn:
    return ScoreColumn(name, stored, "scored", "^[1-5]$", "a score from 1 to 5")


_TABLES: Final[Mapping[str, Callable[[Mapping[str, Any]], ScoreTable]]] = {
    "rfm": lambda parameters: rfm_table(parameters["currency"]),
}
MODELS: Final = tuple(_TABLES)
"""Models there are scores of."""
KEPT_TABLES: Final[Mapping[str, type[Base]]] = {"rfm": RfmScore}


def score_table(model: str, parameters: Mapping[str, Any]) -> ScoreTable:
    """Describe the rows of a run by its model and parameters."""
    return _TABLES[model](parameters)
