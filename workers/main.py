"""`python -m workers.main`: one process that asks the API for work, and listens to hints so as to ask sooner."""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvloop

from crm_api.client import ApiClient
from crm_api.core.memory import spare_the_collector
from crm_api.core.telemetry import configure_logs

from .gateways import open_gateway
from .hands import HANDS, SCOPES
from .hints import follow_hints
from .outreach import Mailer
from .relay import Relay
from .settings import WorkerSettings, read_settings
from .shift import Shift

_QUICK_SECONDS: Final = 1.0
_LAST_HAND_OVERS_SECONDS: Final = 10.0
_NICE: Final = 19


async def work(settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT; losing Redis or the API for a while ends nothing."""
    login = (settings.url, settings.worker_client_id, settings.secret)
    scope = " ".join(SCOPES)
    async with (
        ApiClient(*login, scope=scope, patience_seconds=_QUICK_SECONDS) as asking,
        ApiClient(*login, scope=scope) as working,
    ):
        shift = Shift(asking, working, HANDS, settings.worker_jobs)
        mailer = Mailer(working, open_gateway(settings))
        relay = Relay(asking)

        def stop() -> None:
            shift.stop()
            mailer.stop()
            relay.stop()

        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, stop)
        mailing = asyncio.create_task(mailer.run())
        relaying = asyncio.create_task(relay.run())
        hints = asyncio.create_task(follow_hints(shift, str(settings.redis_url))) if settings.redis_url else None
        await shift.run()
        await asyncio.wait([mailing, relaying], timeout=_LAST_HAND_OVERS_SECONDS)
        mailing.cancel()
        relaying.cancel()
        if hints is not None:
            hints.cancel()
            await asyncio.wait([hints], timeout=1)


def _let_others_first() -> None:
    """Leave the processors to whoever waits for an answer: without this a night of models on two of them makes reading
    a customer nine times as slow. Linux weighs sessions before it weighs the processes in one (sched(7), autogroup).
    """
    with suppress(OSError):
        os.nice(_NICE)
        Path("/proc/self/autogroup").write_text(str(_NICE))


def main() -> None:
    """Read the settings from the environment and work."""
    _let_others_first()
    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    logging.getLogger("arq").setLevel("WARNING")
    spare_the_collector()
    uvloop.run(work(settings))


if __name__ == "__main__":
    main()
