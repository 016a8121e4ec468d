"""Audit and outbox rows share the fate of the change they tell of."""

from datetime import UTC, date, datetime, timedelta, timezone
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


async def test_times_are_written_as_the_api_writes_them(database: Database) -> None:
    name = str(uuid4())
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    told = {"at": at, "there": [{"at": at.astimezone(timezone(timedelta(hours=2)))}], "on": date(2026, 1, 31)}
    async with database.session() as session:
        record(session, "tests", "thing.changed", ("thing", name), changes=told)
        emit(session, "thing.changed", {"id": name, **told})
    wanted = {"at": "2026-01-31T09:30:00Z", "there": [{"at": "2026-01-31T09:30:00Z"}], "on": "2026-01-31"}
    async with database.session() as session:
        changes = await session.scalar(select(AuditEntry.changes).where(AuditEntry.resource_id == name))
        data = await session.scalar(select(OutboxEvent.data).where(OutboxEvent.data["id"].astext == name))
    assert changes == wanted
    assert data == {"id": name, **wanted}
