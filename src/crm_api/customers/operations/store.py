"""Writes customers and what belongs to them: few through the driver's pipeline, many through COPY, never row by row."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from ..custom_values import Declaration
from ..models import Address, ContactPoint, Customer, ExternalId
from ..rules import Document
from .rows import Row, address_rows, contact_point_rows, customer_row, external_id_rows

_FEW: Final = 50
_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


class Change(NamedTuple):
    """A customer as it was, nothing for a new one, and as it is to be."""

    before: Document | None
    after: Document


async def write(
    connection: asyncpg.Connection, changes: Sequence[Change], declared: Mapping[str, Declaration]
) -> set[UUID]:
    """Write customers; answer which were written. Where one is missing, somebody else was faster: read again.

    A customer that is replaced must still have the version it had when it was read. What belongs to customers is only
    written when all of them were.
    """
    written = await _CUSTOMERS.put(connection, [customer_row(each.after, declared) for each in changes])
    if len(written) == len(changes):
        await _write_contact_points(connection, changes)
        await _write_external_ids(connection, changes)
        await _write_addresses(connection, changes)
    return written


class _Sheet:
    """The statements that put rows into one table: new ones are inserted, those with a known key replaced."""

    def __init__(self, model: Any) -> None:
        table = model.__table__
        key = [column.name for column in table.primary_key.columns]
        row = insert(table)
        renewed = {column.name: row.excluded[column.name] for column in table.columns if column.name not in key}
        if renewed:
            is_next = None  # where there is a version, a row is only replaced by its next one
            if "version" in renewed:
                is_next = table.c.version == row.excluded.version - literal_column("1")
            put = row.on_conflict_do_update(index_elements=key, set_=renewed, where=is_next)
        else:
            put = row.on_conflict_do_nothing(index_elements=key)
        self._one = str(put.returning(table.c.customer_id).compile(dialect=_DIALECT))
        self._staged = f"{table.name}_staged"
        self._stage = f"CREATE TEMP TABLE {self._staged} (LIKE {table.name}) ON COMMIT DROP"
        # In order of the key, so that two loads cannot wait for each other in a circle.
        self._names = [column.name for column in table.columns]
        names, in_order = ", ".join(self._names), ", ".join(key)
        rows = f"SELECT {names} FROM {self._staged} ORDER BY {in_order}"  # noqa: S608  # names are our own
        values = self._one[self._one.index("VALUES") : self._one.index(" ON CONFLICT")]
        self._many = self._one.replace(values, rows)

    async def put(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> set[UUID]:
        """Write rows; answer the customers of those that were written."""
        if not rows:
            return set()
        if len(rows) <= _FEW:
            written = await connection.fetchmany(self._one, rows)
        else:
            await connection.execute(self._stage)
            await connection.copy_records_to_table(self._staged, records=rows, columns=self._names)
            written = await connection.fetch(self._many)
            await connection.execute(f"DROP TABLE {self._staged}")
        return {row["customer_id"] for row in written}


_CUSTOMERS: Final = _Sheet(Customer)
_CONTACT_POINTS: Final = _Sheet(ContactPoint)
_EXTERNAL_IDS: Final = _Sheet(ExternalId)
_ADDRESSES: Final = _Sheet(Address)
_NO_CONTACT_POINTS: Final = """
DELETE FROM contact_point USING unnest($1::uuid[], $2::uuid[]) AS gone (customer_id, id)
WHERE contact_point.customer_id = gone.customer_id AND contact_point.id = gone.id
"""
_NO_EXTERNAL_IDS: Final = """
DELETE FROM external_id USING unnest($1::uuid[], $2::text[], $3::text[]) AS gone (customer_id, system, external_id)
WHERE external_id.customer_id = gone.customer_id AND external_id.system = gone.system
AND external_id.external_id = gone.external_id
"""
_NO_ADDRESSES: Final = """
DELETE FROM address USING unnest($1::uuid[], $2::int[]) AS gone (customer_id, position)
WHERE address.customer_id = gone.customer_id AND address.position = gone.position
"""


async def _write_contact_points(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    gone, documents = [], []
    for before, after in _differing(changes, "contact_points"):
        kept = {point["id"] for point in after["contact_points"]}
        gone += [(after["id"], point["id"]) for point in before if point["id"] not in kept]
        documents.append(after)
    await _delete(connection, _NO_CONTACT_POINTS, gone)
    await _CONTACT_POINTS.put(connection, contact_point_rows(documents))


async def _write_external_ids(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    gone, documents = [], []
    for before, after in _differing(changes, "external_ids"):
        lost = [each for each in before if each not in after["external_ids"]]
        gone += [(after["id"], each["system"], each["external_id"]) for each in lost]
        documents.append(after)
    await _delete(connection, _NO_EXTERNAL_IDS, gone)
    await _EXTERNAL_IDS.put(connection, external_id_rows(documents))


async def _write_addresses(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    gone, documents = [], []
    for before, after in _differing(changes, "addresses"):
        gone += [(after["id"], position) for position in range(len(after["addresses"]), len(before))]
        documents.append(after)
    await _delete(connection, _NO_ADDRESSES, gone)
    await _ADDRESSES.put(connection, address_rows(documents))


def _differing(changes: Sequence[Change], part: str) -> list[tuple[list[Document], Document]]:
    """Answer the customers of whom a part differs, with what it was before."""
    pairs = [(each.before[part] if each.before else [], each.after) for each in changes]
    return [(before, after) for before, after in pairs if before != after[part]]


async def _delete(connection: asyncpg.Connection, statement: str, gone: Sequence[Row]) -> None:
    if gone:
        await connection.execute(statement, *map(list, zip(*gone, strict=True)))
