"""Hints over Redis: arq calls when a job was queued, so that it starts within a blink. The tick finds what a hint does
not: nothing here is needed for the work to be done.
"""

import asyncio
import contextlib
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from arq.connections import RedisSettings
from arq.worker import Worker, func

from .shift import Shift

_REST_SECONDS: Final = 2.0
log = structlog.get_logger()


async def follow_hints(shift: Shift, redis_url: str) -> None:
    """Run an arq worker for as long as Redis answers, and a new one when it does again."""
    settings = RedisSettings.from_dsn(redis_url)
    settings.conn_retries = 0
    while True:
        worker = _worker(shift, settings)
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            await _close(worker)
            raise
        except Exception as error:  # arq lets everything through that Redis, the network or a flushed key throws
            log.warning("hints_interrupted", error=type(error).__name__)
        await _close(worker)
        await asyncio.sleep(_REST_SECONDS)


def _worker(shift: Shift, settings: RedisSettings) -> Worker:
    """A hint is over at once, so that arq's own leases, time limits and cancellations never touch the work."""

    async def run_job(_context: dict[Any, Any], job_id: str) -> None:
        shift.ask_soon(UUID(job_id))

    return Worker(
        functions=[func(run_job, name="run_job", max_tries=1)],  # type: ignore[arg-type]  # arq wants its own protocol
        redis_settings=settings,
        handle_signals=False,
        keep_result=0,
        # Each look costs .6 ms; fifty a second took a twentieth of what a worker does at full speed.
        poll_delay=0.1,
        max_jobs=50,
        job_timeout=20,
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
        log_results=False,
    )


async def _close(worker: Worker) -> None:
    """Let connections and tasks of a worker go, whatever state it is in."""
    for task in (worker.main_task, *worker.tasks.values()):
        if task is not None:
            task.cancel()
    with contextlib.suppress(Exception):
        if worker._pool is not None:
            await worker.pool.aclose()
