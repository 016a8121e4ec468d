"""An installation with which nothing is wrong: servers of its own, since what is planted there would disturb others."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from crm_api.access.operations import keep_worker_client, prepare_ground
from crm_api.access.scopes import WORKER_SCOPES
from crm_api.app import create_app
from crm_api.core import migrations
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.embedded import EmbeddedValkey, ThrowawayPostgres
from crm_api.settings import Settings

from ..serving import served

SECRET_KEY = "a-key-for-tests-that-is-long-enough-to-be-accepted"
WORKER_SECRET = "a-secret-of-the-worker-of-these-tests"


@pytest.fixture(scope="session")
def cluster() -> Iterator[ThrowawayPostgres]:
    """A PostgreSQL of its own, with few connections: what is planted here would disturb other tests."""
    with ThrowawayPostgres(settings={"max_connections": "20", "shared_buffers": "32MB"}) as server:
        migrations.upgrade(server.url.replace("postgresql://", "postgresql+asyncpg://"))
        yield server


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey of its own."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
async def plants(own_settings: Settings) -> AsyncIterator[Database]:
    """The database, for planting."""
    async with Database(own_settings) as opened:
        async with opened.session() as session:
            await prepare_ground(session, own_settings)
            await keep_worker_client(session, own_settings, WORKER_SCOPES)
        yield opened


@pytest.fixture(scope="session")
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
