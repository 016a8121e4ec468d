"""Many audiences asked of one or some customers in one statement.

Audiences of one shape, those that differ in their values only, become one condition over a table of values: for two
hundred offers of twenty-seven campaigns PostgreSQL plans one EXISTS and runs it twenty-seven times, where two hundred
conditions side by side took fourteen times as long (measured, PostgreSQL 18).
"""

from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
    any_,
    bindparam,
    column,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.sql.visitors import replacement_traverse

from ..audience import Audience, Catalog, Moment, condition, moving_bounds, windows_of
from ..core.read import Prepared
from ..customers.models import Customer
from .queries import EDITION

_TAKEN: Final = frozenset({BigInteger, Boolean, Date, DateTime, Integer, Numeric, String, Text, Uuid})
_MOST_SHAPES: Final = 10_000
_MOST_QUESTIONS: Final = 64


@dataclass(frozen=True, slots=True)
class _Asked:
    """An audience as a condition, with the values in it that can be taken out."""

    condition: ColumnElement[bool]
    values: tuple[BindParameter[Any], ...]
    shape: Hashable
    """Audiences with the same shape have the same condition but for these values, which stand in the same order."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that says of each of some customers in which audiences it is.

    A row has `customer_id`, `archived_at` and `edition`, and for each group an array of answers in the order of its
    names. No row: no such customer. It binds `customer_ids` and what `values_at` answers, so it is good at any moment.
    """

    statement: Prepared
    groups: tuple[tuple[str, ...], ...]
    windows: frozenset[str]

    def values_at(self, moment: Moment) -> dict[str, date | datetime]:
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
        groups: dict[Hashable, list[str]] = {}
        for name, tree in audiences.items():
            if name not in self._asked:
                self._asked[name] = _asked(condition(tree, catalog, moment, live=True))
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
    asked = Customer.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))
    return select(Customer.customer_id, Customer.archived_at, EDITION.label("edition"), *columns).where(asked)


def _asked(met: ColumnElement[bool]) -> _Asked:
    """Find the values in a condition; SQLAlchemy's cache key is the same for conditions that differ in values only."""
    key = met._generate_cache_key()
    assert key is not None  # noqa: S101  # nothing the compiler of audiences builds is without one
    taken = tuple(bound for bound in key.bindparams if bound.unique and type(bound.type) in _TAKEN)
    kept = [bound.value for bound in key.bindparams if bound.unique and type(bound.type) not in _TAKEN]
    return _Asked(met, taken, (key.key, repr(kept)))


def _answers(asked: Sequence[_Asked]) -> ColumnElement[Any]:
    """Answer an array: for each of some audiences of one shape, whether the customer is in it."""
    first = asked[0]
    columns = {id(bound): [each.values[place].value for each in asked] for place, bound in enumerate(first.values)}
    differing = {key: values for key, values in columns.items() if any(value != values[0] for value in values)}
    if not differing:
        return array([first.condition.is_(true())] * len(asked))
    kinds = [bound.type for bound in first.values if id(bound) in differing]
    names = {key: f"p{number}" for number, key in enumerate(differing)}
    found = set()

    def take(element: Any, **_: Any) -> ColumnElement[Any] | None:
        name = names.get(id(element))
        if name is None:
            return None
        found.add(name)
        # Only text, so that no subquery takes the table of values for one of its own.
        return literal_column(f"v.{name}", element.type)

    met = replacement_traverse(first.condition, {}, take).is_(true())
    if len(found) != len(names):
        raise AssertionError("a value was left in the condition, and would be that of another audience")
    values = [literal(each, ARRAY(kind)) for each, kind in zip(differing.values(), kinds, strict=True)]
    listed = [column(name, kind) for name, kind in zip(names.values(), kinds, strict=True)]
    table = func.unnest(*values).table_valued(*listed, with_ordinality="n").render_derived(name="v")
    answers = select(func.array_agg(aggregate_order_by(met, table.c.n))).select_from(table)
    return answers.correlate(Customer).scalar_subquery()
