"""Hints to the workers over Redis: quick to give, never waited for, and nothing is lost with them."""

import asyncio
import contextlib
import time
from functools import partial
from typing import Final
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.db import Database, after_commit
from ..core.metrics import Sample
from .metrics import HINTS_LOST

HINTED_FUNCTION: Final = "run_job"
"""What arq calls in the worker, with the job's id."""
_LONGEST_SECONDS: Final = 0.05
_REST_SECONDS: Final = 1.0
log = structlog.get_logger()


class Hints:
    """Tells the workers that a job waits. PostgreSQL holds the job; without Redis the worker finds it by asking."""

    def __init__(self, redis_url: str | None) -> None:
        self._settings = None if redis_url is None else RedisSettings.from_dsn(redis_url)
        self._pool: ArqRedis | None = None
        self._silent_until = 0.0
        self.lost_count = 0

    def serve(self, database: Database) -> None:
        """Make the hints reachable from every session of a database, as `tell_after_commit` needs them."""
        database.equip(hints=self)

    async def tell(self, job_id: UUID) -> None:
        """Hint that a job waits, or count that it could not be done; never raises, takes 50 ms at most."""
        if time.monotonic() < self._silent_until:
            self.lost_count += 1
            return
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                pool = await self._connected()
                if pool is not None:
                    await pool.enqueue_job(HINTED_FUNCTION, str(job_id), _job_id=f"job:{job_id}")
        except (RedisError, OSError, TimeoutError) as error:
            # Not every write shall wait for a Redis that is away.
            self._silent_until = time.monotonic() + _REST_SECONDS
            self.lost_count += 1
            log.warning("hint_lost", error=type(error).__name__)

    def samples(self) -> list[Sample]:
        """Tell how many hints could not be given."""
        return [Sample(HINTS_LOST, self.lost_count)]

    async def ping(self) -> bool:
        """Say whether Redis answers."""
        try:
            async with asyncio.timeout(1):
                pool = await self._connected()
                return pool is not None and bool(await pool.ping())
        except (RedisError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Let the connections go."""
        if self._pool is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._pool.aclose()

    async def _connected(self) -> ArqRedis | None:
        if self._pool is None and self._settings is not None:
            settings = self._settings
            settings.conn_retries = 0
            settings.conn_timeout = 1
            self._pool = await create_pool(settings, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
        return self._pool


def tell_after_commit(session: AsyncSession, job_id: UUID) -> None:
    """Hint at a job once its row is durable; a session outside of the service has nobody to tell."""
    hints: Hints | None = session.info.get("hints")
    if hints is not None:
        after_commit(session, partial(hints.tell, job_id))
