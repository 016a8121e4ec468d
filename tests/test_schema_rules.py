"""The tables obey the rules for growing to many machines; the lint is tried on planted faults."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.core.db import Database
from crm_api.models import Base

LOCAL = {"idempotency_record", "audit_entry", "outbox_event", "message_due", "change_mark"}
"""Local queues and trails; they name a customer and are not owned by one."""
LOOKUPS = {"contact_point_key", "external_id_key"}
"""Lookup tables across customers, keyed by one column."""
ERASURE = {"delete", "anonymize", "keep"}


def faults(metadata: MetaData) -> Iterator[str]:
    """Name every breach of the schema rules."""
    for table in metadata.tables.values():
        names = {column.name for column in table.columns}
        if "customer_id" in names and table.info.get("on_erase") not in ERASURE:
            yield f"{table.name}: says nothing about erasure"
        if "customer_id" in names and table.name not in LOCAL | LOOKUPS:
            yield from _faults_of_owned(table)
        for column in table.columns:
            if column.server_default is not None:
                yield f"{table.name}.{column.name}: has a server default"


def _faults_of_owned(table: Table) -> Iterator[str]:
    if table.c.customer_id.nullable:
        yield f"{table.name}: customer_id may be null"
    if "customer_id" not in table.primary_key.columns:
        yield f"{table.name}: primary key without customer_id"
    for index in table.indexes:
        if index.unique and "customer_id" not in index.columns:
            yield f"{table.name}.{index.name}: unique without customer_id"
    for constraint in table.constraints:
        if not isinstance(constraint, ForeignKeyConstraint):
            continue
        target = constraint.referred_table
        if "customer_id" in target.columns and "customer_id" not in constraint.column_keys:
            yield f"{table.name}: foreign key to {target.name} without customer_id"
        if constraint.ondelete == "SET NULL":
            yield f"{table.name}: ON DELETE SET NULL"


def test_our_tables_obey() -> None:
    assert list(faults(Base.metadata)) == []


def _planted() -> MetaData:
    metadata = MetaData()
    Table("customer", metadata, Column("customer_id", Uuid, primary_key=True), info={"on_erase": "delete"})
    return metadata


def test_a_planted_table_without_erasure_is_found() -> None:
    metadata = _planted()
    Table("note", metadata, Column("customer_id", Uuid, primary_key=True), Column("id", Uuid, primary_key=True))
    assert list(faults(metadata)) == ["note: says nothing about erasure"]


def test_a_planted_key_without_customer_is_found() -> None:
    metadata = _planted()
    columns = (
        Column("id", Uuid, primary_key=True),
        Column("customer_id", Uuid),
        Column("code", Text, unique=True, index=True),
    )
    Table("note", metadata, *columns, info={"on_erase": "keep"})
    assert list(faults(metadata)) == [
        "note: customer_id may be null",
        "note: primary key without customer_id",
        "note.ix_note_code: unique without customer_id",
    ]


def test_planted_references_and_defaults_are_found() -> None:
    metadata = _planted()
    Table(
        "note",
        metadata,
        Column("customer_id", Uuid, primary_key=True),
        Column("author_id", Uuid, ForeignKey("customer.customer_id", ondelete="SET NULL")),
        Column("position", Integer, server_default=text("0")),
        info={"on_erase": "keep"},
    )
    assert list(faults(metadata)) == [
        "note: foreign key to customer without customer_id",
        "note: ON DELETE SET NULL",
        "note.position: has a server default",
    ]


TRIGGERS = text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
DEFAULTS = text(
    "SELECT table_name || '.' || column_name FROM information_schema.columns "
    "WHERE table_schema = 'public' AND column_default IS NOT NULL"
)
UNINDEXED = text(
    """
    SELECT c.conrelid::regclass || '.' || c.conname FROM pg_constraint c
    WHERE c.contype = 'f' AND NOT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND (i.indkey::int2[])[0] = c.conkey[1])
    """
)


@pytest.mark.parametrize(
    "question", [TRIGGERS, DEFAULTS, UNINDEXED], ids=["triggers", "defaults", "unindexed foreign keys"]
)
async def test_the_catalog_of_the_migrated_database_obeys(database: Database, question: object) -> None:
    async with database.session() as session:
        assert (await session.scalars(question)).all() == []  # type: ignore[call-overload]


async def test_the_catalog_lint_finds_planted_faults(database: Database) -> None:
    async with database.sessions() as session:  # never committed
        await session.execute(
            text("CREATE TABLE planted (id int PRIMARY KEY, twin int REFERENCES planted, n int DEFAULT 1)")
        )
        assert "planted.n" in await _found(session, DEFAULTS)
        assert "planted.planted_twin_fkey" in await _found(session, UNINDEXED)


async def _found(session: AsyncSession, question: object) -> list[str]:
    return list((await session.scalars(question)).all())  # type: ignore[call-overload]
