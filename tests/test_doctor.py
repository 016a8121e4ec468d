"""`crm doctor` on a service that is well, and on one with each of the faults it looks for, planted for real."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import time_machine
from fastapi import FastAPI
from sqlalchemy import text

from crm_api.access.operations import keep_worker_client, prepare_ground
from crm_api.access.scopes import WORKER_SCOPES
from crm_api.app import create_app
from crm_api.cli.diagnosis import Finding, Limits, examine
from crm_api.cli.diagnosis.database import judged_version
from crm_api.core import migrations
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.embedded import EmbeddedValkey, ThrowawayPostgres, free_port
from crm_api.core.secret_files import write_secret
from crm_api.settings import Settings

from .serving import served

SECRET_KEY = "a-key-for-tests-that-is-long-enough-to-be-accepted"
DOCS = Path(__file__).parents[1] / "docs" / "operations.md"
WORKER_SECRET = "a-secret-of-the-worker-of-these-tests"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThrowawayPostgres]:
    """A PostgreSQL of its own, with few connections: what is planted here would disturb other tests."""
    with ThrowawayPostgres(settings={"max_connections": "20", "shared_buffers": "32MB"}) as server:
        migrations.upgrade(server.url.replace("postgresql://", "postgresql+asyncpg://"))
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey of its own."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def own_settings(
    cluster: ThrowawayPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """Settings of the service that is examined."""
    return Settings(
        database_url=cluster.url,  # type: ignore[arg-type]
        redis_url=valkey.url,  # type: ignore[arg-type]
        secret_key=SECRET_KEY,  # type: ignore[arg-type]
        worker_client_secret=WORKER_SECRET,  # type: ignore[arg-type]
        home=tmp_path_factory.mktemp("home"),
    )


@pytest.fixture(scope="module")
async def plants(own_settings: Settings) -> AsyncIterator[Database]:
    """The database, for planting."""
    async with Database(own_settings) as opened:
        async with opened.session() as session:
            await prepare_ground(session, own_settings)
            await keep_worker_client(session, own_settings, WORKER_SCOPES)
        yield opened


@pytest.fixture(scope="module")
async def service(own_settings: Settings, plants: Database) -> AsyncIterator[tuple[FastAPI, int]]:
    """The API on a port."""
    app = create_app(own_settings)
    async with app.router.lifespan_context(app), served(app) as (_, port):
        yield app, port


@pytest.fixture
async def well(
    own_settings: Settings,
    plants: Database,
    service: tuple[FastAPI, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An installation with which nothing is wrong; answers its folder."""
    for name in [name for name in os.environ if name.startswith("CRM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    monkeypatch.setenv("CRM_DATABASE_URL", str(own_settings.database_url))
    monkeypatch.setenv("CRM_REDIS_URL", str(own_settings.redis_url))
    monkeypatch.setenv("CRM_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("CRM_WORKER_CLIENT_SECRET", WORKER_SECRET)
    monkeypatch.setenv("CRM_PORT", str(service[1]))
    async with plants.session() as session:
        await session.execute(text("TRUNCATE job, outbox_event, customer_day_dirty, worker_seen CASCADE"))
        await session.execute(text("INSERT INTO worker_seen VALUES ('here:1', :at)"), {"at": now()})
    return tmp_path


async def ailing(limits: Limits | None = None) -> dict[str, Finding]:
    """What is not well, by the name of the check."""
    return {finding.check: finding for finding in await examine(limits) if finding.state != "ok"}


async def plant(plants: Database, sql: str, **values: Any) -> None:
    """Change the database."""
    async with plants.session() as session:
        await session.execute(text(sql), values)


def check_told(found: dict[str, Finding], check: str, state: str, *words: str) -> None:
    """Only this check complains, and says what it looked at, why, and what to do."""
    assert set(found) == {check}
    finding = found[check]
    assert finding.state == state
    assert finding.looked_at and finding.cause and finding.cure
    for word in words:
        assert word in f"{finding.finding} | {finding.cause} | {finding.cure}", finding
    assert "password" not in str(finding).replace("The password in", "")


async def test_nothing_is_found_where_nothing_is_wrong_and_nothing_is_changed(well: Path) -> None:
    found = await examine()
    assert [finding for finding in found if finding.state != "ok"] == []
    assert list(well.iterdir()) == []
    table = DOCS.read_text().partition("## What is wrong?")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([a-z ]+) \| ", table, re.MULTILINE)[1:] == [finding.check for finding in found]


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("CRM_PORT", "many", "wrong"),
        ("CRM_WORKER_JOBS", "0", "wrong"),
        ("CRM_DATABSE_URL", "postgresql://db/crm", "warning"),
    ],
)
async def test_settings(well: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, state: str) -> None:
    monkeypatch.setenv(name, value)
    check_told(await ailing(), "settings", state, name)


async def test_a_misspelled_setting_is_guessed(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_DATABSE_URL", "x")
    monkeypatch.setenv("CRM_TEST_DATA", "x")
    assert "Is CRM_DATABASE_URL meant?" in (await ailing())["settings"].cure


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


async def test_redis_is_only_a_hint(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("redis://:password@127.0.0.1:1/0", "redis://:password@no-such-host.invalid:6379/0"):
        monkeypatch.setenv("CRM_REDIS_URL", url)
        check_told(await ailing(), "redis", "warning", "no answer", "two seconds later", "CRM_REDIS_URL")
    monkeypatch.delenv("CRM_REDIS_URL")
    check_told(await ailing(), "redis", "warning", "none runs here")


async def test_a_secret_key_that_does_not_fit(well: Path, plants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET_KEY", "another key than the one the signing key was encrypted with")
    check_told(await ailing(), "signing keys", "wrong", "another secret key", "crm keys rotate")
    monkeypatch.delenv("CRM_SECRET_KEY")
    check_told(await ailing(), "signing keys", "wrong", "no secret key", "secret.key")
    write_secret(well / "secret.key", SECRET_KEY)
    assert await ailing() == {}
    await plant(plants, "UPDATE signing_key SET retired_at = created_at")
    check_told(await ailing(), "signing keys", "wrong", "crm migrate")
    await plant(plants, "UPDATE signing_key SET retired_at = NULL")


async def test_secrets_that_others_can_read(well: Path) -> None:
    write_secret(well / "secret.key", SECRET_KEY)
    write_secret(well / "clients" / "me.secret", "id\nsecret\nscope")
    assert await ailing() == {}
    for path in (well / "secret.key", well / "clients" / "me.secret"):
        path.chmod(0o640)
        check_told(await ailing(), "secret files", "wrong", path.name, "640", f"chmod 600 {path}")
        path.chmod(0o600)


SILENT = "UPDATE worker_seen SET seen_at = seen_at - interval '1 minute'"


@pytest.mark.parametrize(
    ("sql", "undo", "words"),
    [
        (SILENT, "SELECT 1", ("No worker runs", "workers.main")),
        ("DELETE FROM worker_seen", "SELECT 1", ("in the last day",)),
        (
            "UPDATE client SET revoked_at = created_at",
            "UPDATE client SET revoked_at = NULL",
            ("was revoked", "CRM_WORKER_CLIENT_ID"),
        ),
        ("UPDATE client SET client_id = 'x'", "UPDATE client SET client_id = 'worker'", ("not registered", "migrate")),
        (
            "UPDATE client SET scopes = array_remove(scopes, 'jobs:work')",
            "UPDATE client SET scopes = scopes || '{jobs:work}'",
            ("jobs:work", "migrate"),
        ),
    ],
)
async def test_no_worker(well: Path, plants: Database, sql: str, undo: str, words: tuple[str, ...]) -> None:
    await plant(plants, SILENT)
    await plant(plants, sql)
    check_told(await ailing(), "worker", "wrong", *words)
    await plant(plants, undo)


async def test_a_worker_with_another_secret(well: Path, plants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_WORKER_CLIENT_SECRET", "another")
    assert await ailing() == {}
    await plant(plants, SILENT)
    check_told(await ailing(), "worker", "wrong", "another secret", "migrate")


JOB = """
INSERT INTO job (id, kind, nature, state, arguments, counts, created_by, created_at, run_after, attempt_count,
    failure_count, most_attempts, lease_id, leased_by, leased_until, finished_at)
VALUES (gen_random_uuid(), 'daily-facts', 'set', :state, '{}', '{}', 'tests', now(),
    now() - :waits * interval '1 second', 1,
    0, 5, CASE WHEN :state = 'running' THEN gen_random_uuid() END, 'w', now() - :expired * interval '1 second', now())
"""


@pytest.mark.parametrize(
    ("state", "waits", "expired", "told", "words"),
    [
        ("running", 0, 90, "wrong", ("without a lease: daily-facts", "Start a worker")),
        ("queued", 400, 0, "wrong", ("daily-facts", "GET /v1/jobs?state=queued")),
        ("failed", 0, 0, "warning", ("daily-facts 1", "GET /v1/jobs?state=failed")),
    ],
)
async def test_jobs_that_are_stuck_or_failed(
    well: Path, plants: Database, state: str, waits: int, expired: int, told: str, words: tuple[str, ...]
) -> None:
    await plant(plants, JOB, state=state, waits=1, expired=1)
    assert set(await ailing()) == ({"jobs"} if state == "failed" else set())
    await plant(plants, "TRUNCATE job CASCADE")
    await plant(plants, JOB, state=state, waits=waits, expired=expired)
    check_told(await ailing(), "jobs", told, *words)


async def test_a_disk_that_is_full(well: Path) -> None:
    check_told(await ailing(Limits(scarce_disk_bytes=1 << 60)), "disk", "warning", "free", "Make room")
    full = Limits(scarce_disk_bytes=1 << 60, least_disk_bytes=1 << 60)
    check_told(await ailing(full), "disk", "wrong", "free", str(well))


async def test_daily_facts_that_pile_up(well: Path, plants: Database) -> None:
    await plant(
        plants, "INSERT INTO customer_day_dirty SELECT gen_random_uuid(), '2024-05-01' FROM generate_series(1, 100001)"
    )
    check_told(await ailing(), "daily facts", "warning", "100,000", "more workers")


async def test_an_outbox_that_grows(well: Path, plants: Database) -> None:
    await plant(
        plants,
        "INSERT INTO outbox_event (id, type, data, occurred_at) "
        "SELECT gen_random_uuid(), 't', '{}', '2024-05-01Z' FROM generate_series(1, 1000)",
    )
    check_told(
        await ailing(Limits(outbox_bytes=50_000)), "outbox", "warning", "KiB", "2024-05-01", "DELETE FROM outbox"
    )


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


async def test_an_api_that_does_not_answer(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_API_URL", f"http://127.0.0.1:{free_port()}")
    check_told(await ailing(), "api", "wrong", "no answer", "crm up", "CRM_API_URL")


async def test_an_api_of_another_version(
    well: Path, service: tuple[FastAPI, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service[0], "version", "0.0.9")
    check_told(await ailing(), "api", "wrong", "0.0.9", "restart")


async def test_a_port_that_somebody_else_took(
    well: Path, monkeypatch: pytest.MonkeyPatch, service: tuple[FastAPI, int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        monkeypatch.setenv("CRM_API_URL", f"http://127.0.0.1:{service[1]}")
        monkeypatch.setenv("CRM_PORT", str(port))
        taken = asyncio.create_task(asyncio.to_thread(_hang_up, taker))
        check_told(await ailing(), "port", "wrong", f"process {os.getpid()}", f"CRM_PORT={port + 1}")
        await taken
    monkeypatch.setenv("CRM_API_URL", "https://crm.example.invalid")
    assert (await ailing())["port"].state == "skipped"


def _hang_up(taker: socket.socket) -> None:
    """Take one call, and say nothing."""
    taker.accept()[0].close()


async def test_the_command_tells_it_in_both_forms_and_by_its_exit_code(well: Path, plants: Database) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crm_api.cli", "doctor", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    async def alive() -> None:
        await plant(plants, "UPDATE worker_seen SET seen_at = :at", at=now() + timedelta(seconds=10))

    await alive()
    healthy = await asyncio.to_thread(run, "-o", "json")
    assert (healthy.returncode, json.loads(healthy.stdout)["healthy"]) == (0, True), healthy
    await plant(plants, JOB, state="failed", waits=0, expired=0)
    await alive()
    warned = await asyncio.to_thread(run, "-o", "json")
    assert (warned.returncode, json.loads(warned.stdout)["healthy"]) == (0, True), warned
    await plant(plants, "DELETE FROM worker_seen")
    ill = await asyncio.to_thread(run, "-o", "json")
    told = {each["check"]: each for each in json.loads(ill.stdout)["findings"]}
    assert (ill.returncode, json.loads(ill.stdout)["healthy"]) == (1, False), ill
    assert set(told["worker"]) == {"check", "state", "looked_at", "finding", "cause", "cure"}
    people = await asyncio.to_thread(run)
    assert people.returncode == 1
    for word in ("wrong     worker", "looked at", "cause", "cure"):
        assert word in people.stdout
