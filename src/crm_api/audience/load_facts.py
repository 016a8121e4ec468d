"""Loads what some audiences ask for, of one customer or of many: at most one query per table."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import MISSING
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    literal,
    or_,
    select,
)

from ..core.read import Prepared, Reader
from .catalog import Amount, Catalog, Column, Countable, Field, FieldType, Household, Items, Rows
from .distance import DistanceTo
from .facts import EVER, Facts, History, Line, Quantity, Touched, Values
from .household_nodes import OverHousehold
from .moving import moving_bounds
from .sql_touchpoints import table_of, window_of
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointShare,
    TouchpointSum,
)
from .tree import AllOf, AnyOf, Audience, FieldTest, InSegment, Not
from .windows import Moment

_SOME_MOMENT: Final = Moment(datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
"""Columns that follow the moment are bound anew at each load, so for compiling any will do."""


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
        self._zone = catalog.zone.name if wanted.calendar and catalog.zone else None
        by_rows: dict[Rows | None, list[Field]] = {None: []}
        for asked in wanted.fields.values():
            by_rows.setdefault(asked.rows, []).append(asked)
        self._sources = [_Source(rows, fields, countable) for rows, fields in by_rows.items()]
        self._timeline = _Timeline(wanted, countable) if wanted.windows else None
        household = catalog.household if wanted.members else None
        self._members = None if household is None else _Members(household, countable)

    async def load(self, reader: Reader, customer_ids: Sequence[UUID], moment: Moment) -> dict[UUID, Facts]:
        """Answer the facts of customers at a moment, by their ids; who is not there has none."""
        if self._members is None:
            return await self._load(reader, customer_ids, moment)
        members = await self._members.read(reader, customer_ids)
        all_ids = {*customer_ids, *(each for ids in members.values() for each in ids)}
        facts = await self._load(reader, sorted(all_ids), moment)
        for customer_id in customer_ids:
            if customer_id in facts:
                mine = members.get(customer_id, [customer_id])
                facts[customer_id].household = [facts[each] for each in mine if each in facts]
        return {customer_id: facts[customer_id] for customer_id in customer_ids if customer_id in facts}

    async def _load(self, reader: Reader, customer_ids: Sequence[UUID], moment: Moment) -> dict[UUID, Facts]:
        bound = {"customer_ids": list(customer_ids), **moving_bounds((), moment)}
        found: dict[UUID, dict[str, Values]] = {}
        for source in self._sources:
            await source.read(reader, bound, found)
        histories: Mapping[UUID, Mapping[str, History]] = {}
        if self._timeline is not None:
            histories = await self._timeline.read(reader, bound, found, moment)
        return {
            customer_id: Facts(customer_id, moment, fields, histories.get(customer_id, {}), self._zone_of(fields))
            for customer_id, fields in found.items()
        }

    def _zone_of(self, fields: Mapping[str, Values]) -> str | None:
        return None if self._zone is None else next(iter(fields[self._zone]), None)


class _Wanted:
    """What audiences ask for, gathered from their trees."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.fields: dict[str, Field] = {}
        self.members = False
        """Whether the members of households are asked."""
        self.calendar = False
        """Whether the customer's own date is asked for."""
        self.windows: dict[str, list[OverTouchpoints]] = {}
        """By kind: all that look at such touchpoints."""
        self.of_touchpoints: dict[str, Field] = {}
        self.of_lines: dict[str, Field] = {}
        self.amounts: dict[str, Amount] = {}
        self.kinds_with_lines: set[str] = set()

    def add(self, node: Audience) -> None:
        """Add what an audience asks for; what the catalog does not have is passed over, and decided by no judge."""
        for leaf in _leaves(node):
            match leaf:
                case OverHousehold():
                    self.members = True
                    self.add(leaf.asked)
                case FieldTest(field=name):
                    if (asked := self._catalog.get(name)) is not None:
                        self.fields[name] = asked
                    self._add_calendar(leaf)
                case DistanceTo(distance=name):
                    if (asked := self._catalog.get(name)) is not None:
                        self.fields[name] = asked
                case FirstTouchpoint() | LatestTouchpoint():
                    self._add_calendar(leaf)
                case InSegment():
                    if (asked := self._catalog.segment) is not None:
                        self.fields[asked.name] = asked
            if isinstance(leaf, OverTouchpoints) and self._catalog.countable is not None:
                self._add_touchpoints(leaf, self._catalog.countable)

    def _add_calendar(self, leaf: FieldTest | FirstTouchpoint | LatestTouchpoint) -> None:
        if leaf.comparison[0] == "anniversary_within_next" and self._catalog.zone is not None:
            self.calendar = True
            self.fields[self._catalog.zone.name] = self._catalog.zone

    def _add_touchpoints(self, node: OverTouchpoints, countable: Countable) -> None:
        chosen = node.touchpoints
        self.windows.setdefault(chosen.touchpoint, []).append(node)
        if chosen.where is not MISSING:
            self.of_touchpoints |= _asked_in(chosen.where, countable.catalog)
        if chosen.items is not MISSING and countable.items is not None:
            self.of_lines |= _asked_in(chosen.items, countable.items.catalog)
            self.kinds_with_lines.add(chosen.touchpoint)
        match node:
            case TouchpointSum(sum=name) | TouchpointAverage(average=name) | TouchpointShare(share=name):
                amount = countable.amount(name)
                if amount is not None:
                    self.amounts[name] = amount
                if amount is not None and amount.of_items:
                    self.kinds_with_lines.add(chosen.touchpoint)


def _asked_in(tree: Audience, catalog: Catalog) -> dict[str, Field]:
    names = [leaf.field for leaf in _leaves(tree) if isinstance(leaf, FieldTest)]
    return {name: asked for name in names if (asked := catalog.get(name)) is not None}


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
    beside: int | str | None
    """Of money the currency, or where it stands; of a place where the longitude stands."""
    where: tuple[tuple[int, str], ...]
    decode: Callable[[Any], Any] | None

    def read(self, row: Any) -> Any:
        value = row[self.value]
        if value is None:
            return None
        if self.beside is not None:
            return value, self.beside if isinstance(self.beside, str) else row[self.beside]
        return value if self.decode is None else self.decode(value)

    def fits(self, row: Any) -> bool:
        return all(row[place] == value for place, value in self.where)


_DECODED: Final[Mapping[FieldType, Callable[[Any], Any]]] = {
    "segment": lambda value: UUID(str(value)),
    "json": lambda text: json.loads(text, parse_int=Decimal, parse_float=Decimal),
}


def _place(asked: Field, columns: _Columns) -> _Place:
    beside = asked.currency if asked.beside is None else asked.beside
    beside = beside if isinstance(beside, str | None) else columns.place(beside)
    where = tuple((columns.place(column), value) for column, value in asked.where)
    column = asked.column_at(_SOME_MOMENT)
    value = columns.place(cast(column, Text) if asked.type == "json" else column)
    return _Place(asked.name, value, beside, where, _DECODED.get(asked.type))


class _Quantities:
    """Where in rows the amounts stand that are added up."""

    def __init__(self, amounts: Iterable[Amount], columns: _Columns) -> None:
        self._places = [
            (amount.name, columns.place(amount.column), amount.currency is not None and columns.place(amount.currency))
            for amount in amounts
        ]

    def read(self, row: Any) -> dict[str, Quantity | None]:
        """Answer the amounts of a row by their names."""
        return {
            name: None if row[value] is None else (row[value], None if currency is False else row[currency])
            for name, value, currency in self._places
        }


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


class _Members:
    """Who lives with whom; archived ones are left out, but not the customer itself."""

    def __init__(self, household: Household, countable: Countable) -> None:
        customer_id = countable.outer_customer_id
        pairs = household.pairs()
        statement: Select[Any] = (
            select(pairs.customer_id.label("customer_id"), pairs.member_id.label("member_id"))
            .join_from(table_of(pairs.customer_id), table_of(pairs.member_id), pairs.live_together)
            .join(table_of(customer_id), customer_id == pairs.member_id)
            .where(_is_asked(pairs.customer_id), or_(pairs.customer_id == pairs.member_id, household.is_present))
        )
        self._statement = Prepared(statement)

    async def read(self, reader: Reader, customer_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
        """Answer the members of each customer's household; nothing for who is in none."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        for row in await reader.rows(self._statement, customer_ids=list(customer_ids)):
            found[UUID(str(row[0]))].append(UUID(str(row[1])))
        return found


class _Timeline:
    """The touchpoints that are asked for, and their lines: of each kind those in the widest window."""

    def __init__(self, wanted: _Wanted, countable: Countable) -> None:
        self._windows, self._with_lines = wanted.windows, wanted.kinds_with_lines
        columns = _Columns(countable.customer_id, countable.id, countable.kind, countable.occurred_at)
        self._fields = [_place(asked, columns) for asked in wanted.of_touchpoints.values()]
        self._amounts = _Quantities((each for each in wanted.amounts.values() if not each.of_items), columns)
        asked = _asked_touchpoints(countable, self._windows, self._windows)
        statement: Select[Any] = select(*columns.labeled()).where(*asked).order_by(countable.occurred_at)
        self._statement = Prepared(statement)
        self._lines = _Lines(wanted, countable, countable.items) if countable.items and self._with_lines else None

    async def read(
        self, reader: Reader, bound: Mapping[str, Any], customer_ids: Iterable[UUID], moment: Moment
    ) -> dict[UUID, dict[str, History]]:
        """Answer the touchpoints of customers, by kind."""
        since = {
            kind: min(window_of(node, moment).start or EVER for node in nodes) for kind, nodes in self._windows.items()
        }
        starts = {f"since_{number}": start for number, start in enumerate(since.values())}
        bound = {**bound, **starts, "since": min(since.values())}
        lines = {} if self._lines is None else await self._lines.read(reader, bound)
        touched: dict[tuple[UUID, str], list[Touched]] = defaultdict(list)
        for row in await reader.rows(self._statement, **bound):
            touched[UUID(str(row[0])), row[2]].append(self._touched(row, lines))
        return {
            customer_id: {kind: History(start, touched[customer_id, kind]) for kind, start in since.items()}
            for customer_id in customer_ids
        }

    def _touched(self, row: Any, lines: Mapping[str, Sequence[Line]]) -> Touched:
        fields = {place.name: (place.read(row),) for place in self._fields}
        mine = lines.get(f"{row[0]}/{row[1]}", ()) if row[2] in self._with_lines else None
        return Touched(row[3], fields, self._amounts.read(row), mine)


class _Lines:
    """The lines of those touchpoints whose lines are asked for."""

    def __init__(self, wanted: _Wanted, countable: Countable, items: Items) -> None:
        columns = _Columns(items.customer_id, items.touchpoint_id)
        self._fields = [_place(asked, columns) for asked in wanted.of_lines.values()]
        self._amounts = _Quantities((each for each in wanted.amounts.values() if each.of_items), columns)
        belong = (items.customer_id == countable.customer_id) & (items.touchpoint_id == countable.id)
        joined = table_of(countable.customer_id).join(table_of(items.customer_id), belong)
        for rows in {asked.rows for asked in wanted.of_lines.values() if asked.rows is not None}:
            joined = joined.outerjoin(table_of(rows.key), and_(rows.key == rows.of, *rows.conditions))
        kinds = [kind for kind in wanted.windows if kind in wanted.kinds_with_lines]
        asked_for = _asked_touchpoints(countable, wanted.windows, kinds)
        statement: Select[Any] = select(*columns.labeled()).select_from(joined).where(*asked_for)
        self._statement = Prepared(statement)

    async def read(self, reader: Reader, bound: Mapping[str, Any]) -> dict[str, list[Line]]:
        """Answer lines by customer and touchpoint."""
        found: dict[str, list[Line]] = defaultdict(list)
        for row in await reader.rows(self._statement, **bound):
            fields = {place.name: (place.read(row),) for place in self._fields}
            found[f"{row[0]}/{row[1]}"].append(Line(fields, self._amounts.read(row)))
        return found


def _asked_touchpoints(
    countable: Countable, all_kinds: Iterable[str], kinds: Iterable[str]
) -> tuple[ColumnElement[bool], ...]:
    """Answer the conditions on touchpoints of some kinds, each since an instant of its own."""
    numbers = {kind: number for number, kind in enumerate(all_kinds)}
    some = [
        (countable.kind == literal(kind, Text())) & (countable.occurred_at >= _since(f"since_{numbers[kind]}"))
        for kind in kinds
    ]
    return _is_asked(countable.customer_id), countable.occurred_at >= _since("since"), or_(*some)


def _since(name: str) -> ColumnElement[datetime]:
    return bindparam(name, EVER, DateTime(timezone=True))


def _is_asked(key: Column) -> ColumnElement[bool]:
    return key == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))
