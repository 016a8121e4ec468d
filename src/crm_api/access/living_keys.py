"""The signing keys as a process knows them: read again and again, by one request for all that wait."""

import asyncio
import time
from typing import Final

import structlog

from ..core.db import Database
from ..settings import Settings, SettingsWrong
from .keys import KeyRing, load_ring

_PAUSE_SECONDS: Final = 0.2
"""Between two readings, however many tokens name keys that are not known here."""
log = structlog.get_logger()


class LivingKeys:
    """The newest keys this process has read."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._ring: KeyRing | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def read_since(self, moment: float) -> KeyRing:
        """Answer keys whose reading began after a moment of the monotonic clock. Errors: SettingsWrong, at the first
        reading only.
        """
        while self._ring is None or self._read_at < moment:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)
        return self._ring

    async def _read(self) -> None:
        await asyncio.sleep(self._read_at + _PAUSE_SECONDS - time.monotonic() if self._ring else 0)
        began = time.monotonic()
        assert self._settings.secret_key is not None  # noqa: S101  # create_app refuses to start without it
        try:
            async with self._database.session() as session:
                self._ring = await load_ring(session, self._settings.secret_key.get_secret_value())
        except SettingsWrong as wrong:
            if self._ring is None:
                raise
            # Another process rotated with another secret: what is known goes on until this one is started anew.
            log.error("signing_key_unreadable", reason=str(wrong))
        self._read_at = began
