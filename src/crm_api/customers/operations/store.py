"""Writes customers: few through the driver's pipeline, in one round trip a table, many through COPY."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, delete, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from ..custom_values import Declaration
from ..models import Address, ContactPoint, Customer, ExternalId
from ..rules import Document
from . import rows
from .rows import Row

_FEW: Final = 50
_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


class _Sheet:
    """The statements that put rows into one table: new ones are inserted, those with a known key replaced."""

    def __init__(self, model: Any) -> None:
        self.table = model.__table__
        self.columns = [column.name for column in self.table.columns]
        key = [column.name for column in self.table.primary_key.columns]
        row = insert(self.table)
        renewed = {name: row.excluded[name] for name in self.columns if name not in key}
        if renewed:
            # The version carries the law: a row is only replaced by its next version.
            is_next = (
                self.table.c.version == row.excluded.version - literal_column("1") if "version" in renewed else None
            )
            put = row.on_conflict_do_update(index_elements=key, set_=renewed, where=is_next)
        else:
            put = row.on_conflict_do_nothing(index_elements=key)
        self.one = str(put.returning(self.table.c.customer_id).compile(dialect=_DIALECT))

    async def put(self, connection: asyncpg.Connection, all_rows: Sequence[Row]) -> set[UUID]:
        """Write rows; answer the customers of those that were written."""
        if not all_rows:
            return set()
        written = await connection.fetchmany(self.one, all_rows)
        return {row["customer_id"] for row in written}


_CUSTOMERS: Final = _Sheet(Customer)
_CONTACT_POINTS: Final = _Sheet(ContactPoint)
_EXTERNAL_IDS: Final = _Sheet(ExternalId)
_ADDRESSES: Final = _Sheet(Address)


async def put_customers(
    connection: asyncpg.Connection, documents: Sequence[Document], declared: Mapping[str, Declaration]
) -> set[UUID]:
    """Insert customers, or replace those whose version is the one before; answer which were written."""
    return await _CUSTOMERS.put(connection, [rows.customer_row(document, declared) for document in documents])


async def put_parts(connection: asyncpg.Connection, documents: Iterable[Document]) -> None:
    """Write what belongs to customers who have nothing yet."""
    documents = list(documents)
    await _CONTACT_POINTS.put(connection, rows.contact_point_rows(documents))
    await _EXTERNAL_IDS.put(connection, rows.external_id_rows(documents))
    await _ADDRESSES.put(connection, rows.address_rows(documents))


async def replace_parts(connection: asyncpg.Connection, before: Document, after: Document) -> None:
    """Write what is new of what belongs to a customer, and take away what is gone."""
    customer_id = after["id"]
    if before["contact_points"] != after["contact_points"]:
        kept = {point["id"] for point in after["contact_points"]}
        gone = [(customer_id, point["id"]) for point in before["contact_points"] if point["id"] not in kept]
        await connection.executemany(_NO_CONTACT_POINT, gone)
        await _CONTACT_POINTS.put(connection, rows.contact_point_rows([after]))
    if before["external_ids"] != after["external_ids"]:
        lost = [each for each in before["external_ids"] if each not in after["external_ids"]]
        pairs = [(customer_id, each["system"], each["external_id"]) for each in lost]
        await connection.executemany(_NO_EXTERNAL_ID, pairs)
        await _EXTERNAL_IDS.put(connection, rows.external_id_rows([after]))
    if before["addresses"] != after["addresses"]:
        gone = [(customer_id, position) for position in range(len(after["addresses"]), len(before["addresses"]))]
        await connection.executemany(_NO_ADDRESS, gone)
        await _ADDRESSES.put(connection, rows.address_rows([after]))


def _without(model: Any) -> str:
    table = model.__table__
    found = [column == bindparam(column.name) for column in table.primary_key.columns]
    return str(delete(table).where(*found).compile(dialect=_DIALECT))


_NO_CONTACT_POINT: Final = _without(ContactPoint)
_NO_EXTERNAL_ID: Final = _without(ExternalId)
_NO_ADDRESS: Final = _without(Address)
