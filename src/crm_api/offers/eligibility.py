"""Many audiences asked of one customer in one statement.

Audiences of one shape, those that differ in their values only, become one condition over a table of values: for two
hundred offers of twenty-seven campaigns PostgreSQL plans one EXISTS and runs it twenty-seven times, where two hundred
conditions side by side took fourteen times as long (measured, PostgreSQL 18).
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Numeric,
    Select,
    String,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

from ..audience import Audience, Catalog, Moment, condition, moving_bounds, windows_of
from ..core.read import Prepared
from ..customers.models import Customer
from .queries import EDITION

_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped
_TAKEN: Final = frozenset({BigInteger, Boolean, Date, DateTime, Integer, Numeric, String, Text, Uuid})
_MOST_SHAPES: Final = 10_000
_MOST_QUESTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class _Asked:
    """An audience as a condition whose values are columns of a table `v`, and those values."""

    condition: ColumnElement[bool]
    values: tuple[tuple[Any, TypeEngine[Any]], ...]
    shape: str
    """Audiences with the same shape have the same condition."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that says of one customer in which audiences it is.

    Its row has `archived_at` and `edition`, and for each group an array of answers in the order of its names. No row:
    no such customer. It binds `customer_id` and what `values_at` answers, so it is good at any moment.
    """

    statement: Prepared
    groups: tuple[tuple[str, ...], ...]
    windows: frozenset[str]

    def values_at(self, moment: Moment) -> dict[str, datetime]:
        """Answer the bounds of the windows, to be bound."""
        return moving_bounds(self.windows, moment)

    def answers(self, row: Mapping[str, Any]) -> dict[str, bool]:
        """Answer, by the name of an audience, whether the customer is in it."""
        return {
            name: verdict
            for number, names in enumerate(self.groups)
            for name, verdict in zip(names, row[f"group_{number}"], strict=True)
        }


class Questions:
    """Compiles questions and keeps them; compiling costs a thousand times what asking does."""

    def __init__(self) -> None:
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._questions: OrderedDict[frozenset[str], Question] = OrderedDict()

    def about(self, names: Collection[str]) -> Question | None:
        """Answer the question about some audiences, if it is kept."""
        key = frozenset(names)
        kept = self._questions.get(key)
        if kept is not None:
            self._questions.move_to_end(key)
        return kept

    def compile(self, audiences: Mapping[str, Audience], catalog: Catalog, moment: Moment) -> Question:
        """Make the question about audiences, by name, and keep it; one name always stands for the same audience.

        Errors: AudienceRefused.
        """
        question = self._questions[frozenset(audiences)] = self._compiled(audiences, catalog, moment)
        if len(self._questions) > _MOST_QUESTIONS:
            self._questions.popitem(last=False)
        return question

    def _compiled(self, audiences: Mapping[str, Audience], catalog: Catalog, moment: Moment) -> Question:
        groups: dict[str, list[str]] = {}
        for name, tree in audiences.items():
            if name not in self._asked:
                self._asked[name] = _asked(condition(tree, catalog, moment))
            groups.setdefault(self._asked[name].shape, []).append(name)
        columns = [
            _answers([self._asked[name] for name in names]).label(f"group_{number}")
            for number, names in enumerate(groups.values())
        ]
        while len(self._asked) > _MOST_SHAPES:
            self._asked.popitem(last=False)
        windows = frozenset().union(*map(windows_of, audiences.values()))
        return Question(Prepared(_question(columns)), tuple(tuple(names) for names in groups.values()), windows)


def _question(columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    asked = Customer.customer_id == bindparam("customer_id", type_=Uuid)
    return select(Customer.archived_at, EDITION.label("edition"), *columns).where(asked)


def _asked(met: ColumnElement[bool]) -> _Asked:
    """Take the values out of a condition; what stays bound in it is part of the shape."""
    values: list[tuple[Any, TypeEngine[Any]]] = []

    def take(element: Any, **_: Any) -> ColumnElement[Any] | None:
        if not isinstance(element, BindParameter) or not element.unique or type(element.type) not in _TAKEN:
            return None
        values.append((element.value, element.type))
        # Only text, so that no subquery takes the table of values for one of its own.
        return literal_column(f"v.p{len(values) - 1}", element.type)

    condition_on_values = replacement_traverse(met, {}, take)
    compiled = select(Customer.customer_id).where(condition_on_values).compile(dialect=_DIALECT)
    kinds = [type(kind).__name__ for _, kind in values]
    return _Asked(condition_on_values, tuple(values), repr((str(compiled), compiled.params, kinds)))


def _answers(asked: Sequence[_Asked]) -> ColumnElement[Any]:
    """Answer an array: for each of some audiences of one shape, whether the customer is in it."""
    met = asked[0].condition.is_(true())
    kinds = [kind for _, kind in asked[0].values]
    if not kinds:
        return array([met] * len(asked))
    columns = [literal([each.values[number][0] for each in asked], ARRAY(kind)) for number, kind in enumerate(kinds)]
    names = [column(f"p{number}", kind) for number, kind in enumerate(kinds)]
    table = func.unnest(*columns).table_valued(*names, with_ordinality="n").render_derived(name="v")
    answers = select(func.array_agg(aggregate_order_by(met, table.c.n))).select_from(table)
    return answers.correlate(Customer).scalar_subquery()
