"""What `crm doctor` finds in PostgreSQL itself, planted for real."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import time_machine

from crm_api.cli.diagnosis import Limits
from crm_api.cli.diagnosis.database import judged_version
from crm_api.core import migrations
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.embedded import ThrowawayPostgres

from .planting import ailing, check_told, plant


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("postgresql://crm:password@127.0.0.1:1/crm", "Nothing listens"),
        ("postgresql://crm:password@{place}/crm", "password in CRM_DATABASE_URL"),
        ("postgresql://crm:password@no-such-host.invalid/crm", "unknown"),
        ("{url}_of_another", "no database of this name"),
    ],
)
async def test_a_database_that_cannot_be_reached(
    well: Path, cluster: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch, url: str, cause: str
) -> None:
    monkeypatch.setenv("CRM_DATABASE_URL", url.format(place=f"127.0.0.1:{cluster.port}", url=cluster.url))
    found = await ailing()
    assert {name for name, finding in found.items() if finding.state == "skipped"} == set(found) - {"database"}
    check_told({"database": found["database"]}, "database", "wrong", cause)
    assert cluster.password not in str(found["database"])


async def test_no_database_at_all(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_DATABASE_URL")
    assert "crm up" in (await ailing())["database"].cause
    assert list(well.iterdir()) == []


def test_an_old_server() -> None:
    check_told({"database": judged_version("db", 140_011, "14.11")}, "database", "wrong", "14.11", "15 or later")
    assert judged_version("db", 150_000, "15.0").state == "ok"


async def test_connections_that_run_out(well: Path, cluster: ThrowawayPostgres) -> None:
    held = [await asyncpg.connect(cluster.url, server_settings={"application_name": "report"}) for _ in range(12)]
    try:
        check_told(await ailing(), "connections", "wrong", "17 connections are in use", "report 12", "CRM_POOL_SIZE")
        with pytest.raises(asyncpg.TooManyConnectionsError):
            while True:
                held.append(await asyncpg.connect(cluster.url))
        assert "All connections are in use" in (await ailing())["database"].cause
    finally:
        for each in held:
            await each.close()


async def test_tables_of_another_revision(well: Path, plants: Database) -> None:
    for revision, word in (("0001", "crm migrate"), ("9999", "newer version")):
        await plant(plants, "UPDATE alembic_version SET version_num = :revision", revision=revision)
        check_told(await ailing(), "migrations", "wrong", revision, migrations.newest(), word)
    await plant(plants, "UPDATE alembic_version SET version_num = :revision", revision=migrations.newest())


async def test_an_empty_database(well: Path, cluster: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await asyncpg.connect(cluster.url_of("postgres", "postgres"))
    await admin.execute("CREATE DATABASE empty OWNER crm")
    await admin.close()
    monkeypatch.setenv("CRM_DATABASE_URL", cluster.url_of("empty"))
    found = await ailing()
    assert {name for name, finding in found.items() if finding.state == "wrong"} == {"migrations"}
    assert "crm migrate" in found["migrations"].cure


@pytest.mark.parametrize(("seconds", "state"), [(-2.5, "warning"), (2.5, "warning"), (90, "wrong")])
async def test_clocks_that_differ(well: Path, plants: Database, seconds: float, state: str) -> None:
    there = now() + timedelta(seconds=seconds)
    await plant(plants, "UPDATE worker_seen SET seen_at = :at", at=there)
    with time_machine.travel(there):
        told = await ailing()
    check_told(told, "clock", state, "behind" if seconds < 0 else "ahead of", "timedatectl")


async def test_an_index_that_was_broken_off(well: Path, cluster: ThrowawayPostgres) -> None:
    connection = await asyncpg.connect(cluster.url)
    await connection.execute("CREATE TABLE planted AS SELECT 1 AS number FROM generate_series(1, 2)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY planted_twice ON planted (number)")
    try:
        check_told(await ailing(), "indexes", "wrong", "planted_twice on planted", "not unique", "REINDEX")
    finally:
        await connection.execute("DROP TABLE planted")
        await connection.close()


async def test_a_transaction_that_was_left_open(well: Path, cluster: ThrowawayPostgres) -> None:
    connection = await asyncpg.connect(cluster.url, server_settings={"application_name": "somebody's shell"})
    await connection.execute("BEGIN; SELECT 1")
    await asyncio.sleep(0.2)
    told = await ailing(Limits(idle_transaction_seconds=0.1))
    number = await connection.fetchval("SELECT pg_backend_pid()")
    check_told(told, "idle transactions", "wrong", "somebody's shell", f"pg_terminate_backend({number})")
    assert await ailing() == {}
    await connection.close()
