"""The service as it runs in earnest: its API and its worker as processes, on a PostgreSQL and a Valkey of their own.

Tests start, stop and kill the parts by process id:

    async with Service(folder) as service, service.caller() as api:
        await api.get("/v1/jobs")
        service.kill_worker()
        await service.start_worker()
"""

import asyncio
import atexit
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Self

import redis
from httpx import AsyncClient, TransportError

from crm_api.access import SCOPES
from crm_api.access.operations import keep_worker_client, prepare_ground, register_client
from crm_api.access.scopes import WORKER_SCOPES
from crm_api.cli.programs import Program
from crm_api.client import ApiClient
from crm_api.core import migrations
from crm_api.core.db import Database
from crm_api.core.embedded import EmbeddedPostgres, EmbeddedValkey, free_port, tail
from crm_api.settings import Settings

from .calling import Api

APPLICATION: Final = "crm_api.app:create_app_from_environment"
WORKER: Final = "workers.main"
_ROOT: Final = Path(__file__).parents[1]
_WORKER_SECRET: Final = "a-secret-of-the-worker-of-the-tests"
_SECRET_KEY: Final = "a-key-for-tests-that-is-long-enough-to-be-accepted"


@cache
def migrated() -> EmbeddedPostgres:
    """A server with the tables and nothing in them, stopped, to be copied: made once, as it takes seconds."""
    made = EmbeddedPostgres(Path(mkdtemp(prefix="crm-migrated-")), durable=False)
    atexit.register(made.discard)
    with made:
        migrations.upgrade(made.url.replace("postgresql://", "postgresql+asyncpg://"))
    return made


class Service:
    """Everything that `crm up` starts, in a folder. Data is lost with the machine, but not with a process."""

    def __init__(
        self,
        folder: Path,
        *,
        application: str = APPLICATION,
        worker: str = WORKER,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe it: `application` and `worker` may be variants for a test; a lease is 3 seconds unless the
        environment says otherwise.
        """
        self.folder = folder
        self.postgres = EmbeddedPostgres(
            folder / "postgres", durable=False, settings={"shared_buffers": "64MB", "synchronous_commit": "on"}
        )
        self.valkey = EmbeddedValkey(folder / "valkey")
        self.credentials = ("tests", "")
        self._application, self._worker_module = application, worker
        self._given = {"CRM_LEASE_SECONDS": "3", "CRM_TIME_ZONE": "America/New_York", **(environment or {})}
        self._port = free_port()

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def settings(self) -> Settings:
        """Settings as the API has them."""
        return Settings(
            database_url=self.postgres.url,
            redis_url=self.valkey.url,
            secret_key=_SECRET_KEY,
            worker_client_secret=_WORKER_SECRET,
            port=self._port,
            home=self.folder,
        )

    async def __aenter__(self) -> Self:
        """Start everything and wait until it is ready."""
        try:
            await asyncio.to_thread(lambda: self.postgres.copy_from(migrated()))
            await asyncio.to_thread(self.postgres.start)
            await asyncio.to_thread(self.valkey.start)
            await self._register_clients()
            self.api = self._program("api", self._api_arguments())
            self.worker = self._program("worker", [self._worker_module])
            await self.start_api()
            await self.start_worker()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop everything and remove its data."""
        for program in (getattr(self, "worker", None), getattr(self, "api", None)):
            if program is not None:
                await asyncio.to_thread(program.stop)
        await asyncio.to_thread(self.valkey.stop)
        await asyncio.to_thread(self.postgres.discard)

    async def start_api(self) -> None:
        """Start the API and wait until it answers."""
        self.api.start()
        await self._until("/healthz")

    async def start_worker(self) -> None:
        """Start the worker and wait until the API has heard of it."""
        self.worker.start()
        await self._until("/readyz")

    def another_worker(self) -> Program:
        """One more worker, not started; whoever starts it stops it."""
        return self._program("worker-2", [self._worker_module])

    def kill_api(self) -> None:
        """End the API without warning."""
        self.api.kill()

    def kill_worker(self) -> None:
        """End the worker without warning."""
        self.worker.kill()

    def kill_postgres(self) -> None:
        """End PostgreSQL without warning."""
        if self.postgres.pid is not None:
            os.kill(self.postgres.pid, signal.SIGKILL)
        self.postgres.stop()

    async def start_postgres(self) -> None:
        """Start PostgreSQL again, on its port, and let it recover."""
        port = self.postgres.port
        await asyncio.to_thread(self.postgres.start)
        assert self.postgres.port == port, "somebody else took the port meanwhile"

    def flush_redis(self) -> None:
        """Make Valkey forget everything."""
        with redis.Redis.from_url(self.valkey.url) as connection:
            connection.flushall()

    async def ready(self, seconds: float = 30) -> None:
        """Wait until the API says that all of it is there."""
        await self._until("/readyz", seconds)

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Api]:
        """A caller with every scope, who says what it expects."""
        async with AsyncClient(base_url=self.base_url, timeout=120, trust_env=False) as client:
            anonymous = Api(client)
            yield anonymous.bearing(await anonymous.token(*self.credentials, " ".join(SCOPES)))

    def client(self) -> ApiClient:
        """A client with every scope, who has patience."""
        return ApiClient(self.base_url, *self.credentials, scope=" ".join(SCOPES))

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The service's database, for planting and for looking."""
        async with Database(self.settings) as opened:
            yield opened

    def log(self, name: str, lines: int = 40) -> str:
        """The end of the log of `api` or `worker`."""
        return tail(self.folder / f"{name}.log", lines)

    async def _until(self, path: str, seconds: float = 30) -> None:
        until, told = time.monotonic() + seconds, "no answer"
        async with AsyncClient(base_url=self.base_url, timeout=5, trust_env=False) as client:
            while time.monotonic() < until:
                try:
                    answer = await client.get(path)
                except TransportError as error:
                    told = type(error).__name__
                else:
                    if answer.status_code == 200:
                        return
                    told = answer.text
                await asyncio.sleep(0.05)
        raise AssertionError(f"{path} after {seconds} s: {told}\n{self.log('api')}\n{self.log('worker')}")

    async def _register_clients(self) -> None:
        async with Database(self.settings) as database, database.session() as session:
            await prepare_ground(session, self.settings)
            await keep_worker_client(session, self.settings, WORKER_SCOPES)
            self.credentials = await register_client(session, "Tests", SCOPES, client_id="tests")

    def _api_arguments(self) -> list[str]:
        served = ["--host=127.0.0.1", f"--port={self._port}", "--no-access-log", "--timeout-graceful-shutdown=5"]
        return ["uvicorn", self._application, "--factory", "--loop=uvloop", "--http=httptools", *served]

    def _program(self, name: str, arguments: list[str]) -> Program:
        known = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'src'}",
            "CRM_HOME": str(self.folder),
            "CRM_PORT": str(self._port),
            "CRM_REDIS_URL": self.valkey.url,
            **self._given,
        }
        if name == "api":
            known |= {"CRM_DATABASE_URL": self.postgres.url, "CRM_SECRET_KEY": _SECRET_KEY}
        else:
            known |= {"CRM_WORKER_CLIENT_SECRET": _WORKER_SECRET}
        return Program(name, arguments, known, self.folder / f"{name}.log")
