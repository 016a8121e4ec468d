"""Loads what some audiences ask for, of one customer or of many: at most one query per table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import MISSING
from sqlalchemy import ARRAY, ColumnElement, DateTime, Text, Uuid, any_, bindparam, literal, or_, select

from ..core.read import Prepared, Reader
from .catalog import Amount, Catalog, Column, Countable, Field, Rows
from .facts import EVER, Facts, History, Touched, Values
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import AllOf, AnyOf, Audience, FieldTest, InSegment, Not
from .windows import Bounds, Moment, between, last, moving_bounds

_SOME_MOMENT: Final = Moment(datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
"""Columns that follow the moment are bound anew at each load, so for compiling any will do."""

Windowed = TouchpointCount | TouchpointSum


async def load_facts(
    reader: Reader, trees: Iterable[Audience], catalog: Catalog, customer_id: UUID, moment: Moment
) -> Facts | None:
    """Load what audiences ask of one customer, at a moment; nothing if there is no such customer."""
    return (await FactLoader(trees, catalog).load(reader, [customer_id], moment)).get(customer_id)


class FactLoader:
    """Loads what some audiences ask for; its statements are compiled once, so keep it where audiences stay the same."""

    def __init__(self, trees: Iterable[Audience], catalog: Catalog) -> None:
        wanted = _Wanted(catalog)
        for tree in trees:
            wanted.add(tree)
        countable = catalog.countable
        assert countable is not None  # noqa: S101  # a catalog of customers' fields has touchpoints
        by_rows: dict[Rows | None, list[Field]] = {None: []}
        for asked in wanted.fields.values():
            by_rows.setdefault(asked.rows, []).append(asked)
        self._sources = [_Source(rows, fields, countable) for rows, fields in by_rows.items()]
        self._timeline = _Timeline(wanted, countable) if wanted.windows else None

    async def load(self, reader: Reader, customer_ids: Sequence[UUID], moment: Moment) -> dict[UUID, Facts]:
        """Answer the facts of customers at a moment, by their ids; who is not there has none."""
        bound = {"customer_ids": list(customer_ids), **moving_bounds((), moment)}
        found: dict[UUID, dict[str, Values]] = {}
        for source in self._sources:
            await source.read(reader, bound, found)
        histories: Mapping[UUID, Mapping[str, History]] = {}
        if self._timeline is not None:
            histories = await self._timeline.read(reader, bound, found, moment)
        return {
            customer_id: Facts(customer_id, moment, fields, histories.get(customer_id, {}))
            for customer_id, fields in found.items()
        }


class _Wanted:
    """What audiences ask for, gathered from their trees."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.fields: dict[str, Field] = {}
        self.windows: dict[str, list[Windowed]] = {}
        """By kind: all that look at such touchpoints."""
        self.of_touchpoints: dict[str, Field] = {}
        self.amounts: dict[str, Amount] = {}

    def add(self, node: Audience) -> None:
        """Add what an audience asks for; what the catalog does not have is passed over, and decided by no judge."""
        for leaf in _leaves(node):
            match leaf:
                case FieldTest(field=name):
                    if (asked := self._catalog.get(name)) is not None:
                        self.fields[name] = asked
                case InSegment():
                    if (asked := self._catalog.segment) is not None:
                        self.fields[asked.name] = asked
                case TouchpointCount(count=touchpoints):
                    self._add_touchpoints(leaf, touchpoints)
                case TouchpointSum(of=touchpoints, sum=name):
                    self._add_touchpoints(leaf, touchpoints)
                    amount = self._catalog.countable and self._catalog.countable.amount(name)
                    if amount:
                        self.amounts[name] = amount

    def _add_touchpoints(self, node: Windowed, touchpoints: Touchpoints) -> None:
        self.windows.setdefault(touchpoints.touchpoint, []).append(node)
        if touchpoints.where is not MISSING and self._catalog.countable is not None:
            for leaf in _leaves(touchpoints.where):
                asked = self._catalog.countable.catalog.get(leaf.field) if isinstance(leaf, FieldTest) else None
                if asked is not None:
                    self.of_touchpoints[asked.name] = asked


def _leaves(node: Audience) -> Iterator[Audience]:
    match node:
        case AllOf(all=branches) | AnyOf(any=branches):
            for branch in branches:
                yield from _leaves(branch)
        case Not(not_=inner):
            yield from _leaves(inner)
        case _:
            yield node


class _Columns:
    """Columns of a SELECT, each once, and their places in its rows."""

    def __init__(self, *first: Column) -> None:
        self.all: list[Any] = list(first)

    def place(self, column: Column) -> int:
        """Answer the place of a column, which is added if it is new."""
        for place, there in enumerate(self.all):
            if there is column:
                return place
        self.all.append(column)
        return len(self.all) - 1

    def labeled(self) -> list[ColumnElement[Any]]:
        """Answer the columns under names that cannot collide."""
        return [column.label(f"c{place}") for place, column in enumerate(self.all)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a row a field finds its value."""

    name: str
    value: int
    currency: int | str | None
    where: tuple[tuple[int, str], ...]
    is_id: bool

    def read(self, row: Any) -> Any:
        value = row[self.value]
        if value is None:
            return None
        if self.currency is not None:
            return value, self.currency if isinstance(self.currency, str) else row[self.currency]
        return UUID(str(value)) if self.is_id else value

    def fits(self, row: Any) -> bool:
        return all(row[place] == value for place, value in self.where)


def _place(asked: Field, columns: _Columns) -> _Place:
    currency = asked.currency if isinstance(asked.currency, str | None) else columns.place(asked.currency)
    where = tuple((columns.place(column), value) for column, value in asked.where)
    value = columns.place(asked.column_at(_SOME_MOMENT))
    return _Place(asked.name, value, currency, where, asked.type == "segment")


class _Source:
    """Rows of one table, and the fields that stand in them."""

    def __init__(self, rows: Rows | None, fields: Sequence[Field], countable: Countable) -> None:
        self._is_own = rows is None
        key = countable.outer_customer_id if rows is None else rows.key
        columns = _Columns(key)
        self._places = [_place(asked, columns) for asked in fields]
        self._names = [asked.name for asked in fields]
        conditions = () if rows is None else rows.conditions
        self._statement = Prepared(select(*columns.labeled()).where(_is_asked(key), *conditions))

    async def read(self, reader: Reader, bound: Mapping[str, Any], found: dict[UUID, dict[str, Values]]) -> None:
        """Add the values of the fields to what is found; the own rows, which come first, say who is there."""
        gathered: dict[UUID, dict[str, list[Any]]] = defaultdict(lambda: {name: [] for name in self._names})
        for row in await reader.rows(self._statement, **bound):
            values = gathered[UUID(str(row[0]))]
            for place in self._places:
                if place.fits(row):
                    values[place.name].append(place.read(row))
        for customer_id in gathered if self._is_own else found:
            values = gathered[customer_id]
            found.setdefault(customer_id, {}).update((name, tuple(each)) for name, each in values.items())


class _Timeline:
    """The touchpoints that are asked for: of each kind those in the widest window."""

    def __init__(self, wanted: _Wanted, countable: Countable) -> None:
        self._windows = wanted.windows
        columns = _Columns(countable.customer_id, countable.kind, countable.occurred_at)
        self._fields = [_place(asked, columns) for asked in wanted.of_touchpoints.values()]
        self._amounts = [
            (amount.name, columns.place(amount.column), columns.place(amount.currency))
            for amount in wanted.amounts.values()
        ]
        kinds = [
            (countable.kind == literal(kind, Text())) & (countable.occurred_at >= _since(f"since_{number}"))
            for number, kind in enumerate(self._windows)
        ]
        asked = (_is_asked(countable.customer_id), countable.occurred_at >= _since("since"), or_(*kinds))
        self._statement = Prepared(select(*columns.labeled()).where(*asked).order_by(countable.occurred_at))

    async def read(
        self, reader: Reader, bound: Mapping[str, Any], customer_ids: Iterable[UUID], moment: Moment
    ) -> dict[UUID, dict[str, History]]:
        """Answer the touchpoints of customers, by kind."""
        since = {
            kind: min(_bounds(node, moment).start or EVER for node in nodes) for kind, nodes in self._windows.items()
        }
        starts = {f"since_{number}": start for number, start in enumerate(since.values())}
        touched: dict[tuple[UUID, str], list[Touched]] = defaultdict(list)
        for row in await reader.rows(self._statement, **bound, **starts, since=min(since.values())):
            touched[UUID(str(row[0])), row[1]].append(self._touched(row))
        return {
            customer_id: {kind: History(start, touched[customer_id, kind]) for kind, start in since.items()}
            for customer_id in customer_ids
        }

    def _touched(self, row: Any) -> Touched:
        amounts = {
            name: None if row[minor] is None else (row[minor], row[currency]) for name, minor, currency in self._amounts
        }
        return Touched(row[2], {place.name: (place.read(row),) for place in self._fields}, amounts)


def _bounds(node: Windowed, moment: Moment) -> Bounds:
    if node.last is not MISSING:
        return last(node.last, moment)
    return between(None if node.from_ is MISSING else node.from_, None, moment)


def _since(name: str) -> ColumnElement[datetime]:
    return bindparam(name, EVER, DateTime(timezone=True))


def _is_asked(key: Column) -> ColumnElement[bool]:
    return key == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))
