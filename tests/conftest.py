"""What every test stands on: a real PostgreSQL of its own, the service in process, and a caller that says what it
expects.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import ValidationError
from sqlalchemy import text

from crm_api.access import SCOPES
from crm_api.access.operations import prepare_ground, register_client
from crm_api.app import EVENT_TYPES, create_app
from crm_api.core import migrations
from crm_api.core.db import Database
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.models import Base
from crm_api.settings import Settings

from .calling import Api

KEPT_TABLES = {"client", "signing_key"}
MIGRATED_PURPOSES = """
INSERT INTO purpose (name, label, needs_consent, created_at, created_by) VALUES
  ('marketing', 'Marketing', true, now(), 'crm-api'),
  ('service', 'Service: bookings, receipts', false, now(), 'crm-api')
"""
"""The only rows that a migration brings along."""
EMPTIED = [table.name for table in reversed(Base.metadata.sorted_tables) if table.name not in KEPT_TABLES]
FEW_BYTES = 256 * 1024
EMPTY = f"""
DO $$ BEGIN
  IF EXISTS (
    SELECT FROM pg_class WHERE oid = ANY(ARRAY{EMPTIED}::regclass[])
      AND (pg_relation_size(oid) > {FEW_BYTES} OR reltuples >= 0)
  ) THEN
    TRUNCATE {", ".join(EMPTIED)} CASCADE;
  ELSE
    {" ".join(f"DELETE FROM {name};" for name in EMPTIED)}
  END IF;
END $$
"""
"""Empties the tables. To truncate them makes hundreds of files anew, which costs many times what a small test does;
it is kept for what deleting would not undo: tables that have grown, and statistics that the planner has.
"""
DOCUMENTED = {each.name: each.data for each in EVENT_TYPES}
EMITTED = "SELECT DISTINCT type, data::text FROM outbox_event WHERE type !~ '^(tests|planted)[.]' LIMIT 1000"
SECRET_KEY = "a-key-for-tests-that-is-long-enough-to-be-accepted"


@pytest.fixture(scope="session")
def postgres() -> Iterator[ThrowawayPostgres]:
    """A PostgreSQL 18 without fsync, gone with the test run. What the planner knows is left to the tests."""
    given = {"max_connections": "100", "shared_buffers": "128MB", "autovacuum": "off"}
    with ThrowawayPostgres(settings=given) as server:
        yield server


@pytest.fixture(scope="session")
def settings(postgres: ThrowawayPostgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the service under test, on a migrated database."""
    made = Settings(
        database_url=postgres.url,  # type: ignore[arg-type]
        secret_key=SECRET_KEY,  # type: ignore[arg-type]
        public_url="http://crm.test",
        home=tmp_path_factory.mktemp("home"),
        time_zone="America/New_York",
        read_rate=10_000_000,
        write_rate=10_000_000,
        token_seconds=3600,  # one token serves the whole run, however slow the machine is
        log_level="error",
    )
    migrations.upgrade(made.sqlalchemy_url)
    return made


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The service's database, opened apart from the service: for planting and for looking."""
    async with Database(settings) as opened:
        async with opened.session() as session:
            await prepare_ground(session, settings)
        yield opened


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service, started."""
    made = create_app(settings)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture(scope="session")
async def credentials(database: Database) -> tuple[str, str]:
    """Id and secret of a client that may do everything."""
    async with database.session() as session:
        return await register_client(session, "Tests", SCOPES, client_id="tests")


@pytest.fixture
async def clean(database: Database) -> AsyncIterator[None]:
    """An empty CRM, as a migration leaves it; afterwards every event must be as its type is documented."""
    async with database.session() as session:
        await session.execute(text(EMPTY))
        await session.execute(text(MIGRATED_PURPOSES))
    yield
    async with database.session() as session:
        events = (await session.execute(text(EMITTED))).all()
    assert [fault for event in events if (fault := undocumented(*event))] == [], "see event_types.py of the domain"


def undocumented(name: str, data: str) -> str | None:
    """Say what is wrong with an event, by what GET /v1/events/types says of its type."""
    if name not in DOCUMENTED:
        return f"{name}: no such type"
    try:
        DOCUMENTED[name].model_validate_json(data)
    except ValidationError as wrong:
        return f"{name} {data}: {wrong}"
    return None


@pytest.fixture
async def anonymous(app: FastAPI, clean: None) -> AsyncIterator[Api]:
    """A caller without a token."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://crm.test", timeout=60) as client:
        yield Api(client)


@pytest.fixture
async def api(anonymous: Api, credentials: tuple[str, str], token: str) -> Api:
    """A caller that may do everything, on an empty CRM."""
    return anonymous.bearing(token)


@pytest.fixture(scope="session")
async def token(app: FastAPI, credentials: tuple[str, str]) -> str:
    """An access token with every scope."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://crm.test") as client:
        return await Api(client).token(*credentials, " ".join(SCOPES))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data sets that CRM_TEST_DATA names; without it the test is skipped, unless CRM_TEST_REQUIRE
    forbids that.
    """
    folder = os.environ.get("CRM_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    if os.environ.get("CRM_TEST_REQUIRE"):
        pytest.fail("CRM_TEST_DATA names no folder")
    pytest.skip("CRM_TEST_DATA names no folder with the real data sets")
