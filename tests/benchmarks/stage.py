"""The stage of one run: a PostgreSQL copied from the seed, the floor and our service beside each other on it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from crm_api.access import SCOPES
from crm_api.core.embedded import EmbeddedPostgres, EmbeddedValkey

from .processes import Served, serving
from .seed import CLIENT, SECRET, SECRET_KEY, discard, seeded


@dataclass(frozen=True)
class Stage:
    """Where a measurement plays."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    ours: Served
    floor: Served
    token: str
    customers: int
    folder: Path

    @property
    def base_url(self) -> str:
        """Where our service answers."""
        return f"http://127.0.0.1:{self.ours.port}"

    def fresh_token(self) -> str:
        """Ask for another token: at a million customers the first one ends before everything is measured."""
        return _token(self.ours.port)

    async def connect(self) -> asyncpg.Connection:
        """Open a connection of the floor's own."""
        return await asyncpg.connect(self.postgres.url, server_settings={"jit": "off"})


@contextmanager
def stage(home: Path, customers: int) -> Iterator[Stage]:
    """Set the stage for the length of a block."""
    kept = seeded(home, customers)
    folder = home / "run"
    discard(folder / "postgres")  # of a run that was killed
    shutil.rmtree(folder, ignore_errors=True)
    postgres = EmbeddedPostgres(folder / "postgres")
    postgres.copy_from(kept)
    try:
        with (
            postgres,
            EmbeddedValkey(folder / "valkey") as valkey,
            _both(postgres, valkey, folder) as (floor, ours),
        ):
            token = _token(ours.port)
            yield Stage(postgres, valkey, ours, floor, token, customers, folder)
    finally:
        postgres.discard()


@contextmanager
def _both(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, folder: Path) -> Iterator[tuple[Served, Served]]:
    environment = {
        "CRM_DATABASE_URL": postgres.url,
        "CRM_REDIS_URL": valkey.url,
        "CRM_SECRET_KEY": SECRET_KEY,
        "CRM_PUBLIC_URL": "http://bench.local",
        "CRM_READ_RATE": "1000000000",
        "CRM_WRITE_RATE": "1000000000",
        "CRM_TOKEN_SECONDS": "3600",
        "CRM_LOG_LEVEL": "warning",
        "CRM_HOME": str(folder),
    }
    with (
        serving("floor", "tests.benchmarks.floor:make", environment, health="/healthz") as floor,
        serving("ours", "crm_api.app:create_app_from_environment", environment, health="/healthz") as ours,
    ):
        yield floor, ours


def _token(port: int) -> str:
    form = {"grant_type": "client_credentials", "scope": " ".join(SCOPES)}
    answer = httpx.post(f"http://127.0.0.1:{port}/oauth/token", data=form, auth=(CLIENT, SECRET), timeout=30)
    return str(answer.raise_for_status().json()["access_token"])
