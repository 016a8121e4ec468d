"""Audit and outbox rows share the fate of the change they tell of."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent, emit, record


async def _counts(database: Database, resource: str) -> tuple[int, int]:
    async with database.session() as session:
        entries = await session.scalar(select(func.count()).where(AuditEntry.resource_id == resource))
        events = await session.scalar(select(func.count()).where(OutboxEvent.data["id"].astext == resource))
    return entries or 0, events or 0


@pytest.mark.parametrize(("entries", "events"), [(1, 1), (2, 3), (1, 0), (0, 1), (0, 0)])
async def test_they_are_written_with_the_commit(database: Database, entries: int, events: int) -> None:
    name = str(uuid4())
    async with database.session() as session:
        for _ in range(entries):
            record(session, "tests", "thing.changed", ("thing", name), changes={"a": [1, 2]})
        for _ in range(events):
            emit(session, "thing.changed", {"id": name})
    assert await _counts(database, name) == (entries, events)


async def test_a_rollback_takes_them_along(database: Database) -> None:
    name = str(uuid4())
    with pytest.raises(RuntimeError):
        async with database.session() as session:
            record(session, "tests", "thing.changed", ("thing", name))
            emit(session, "thing.changed", {"id": name})
            raise RuntimeError
    assert await _counts(database, name) == (0, 0)
