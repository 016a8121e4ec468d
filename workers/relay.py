"""The worker's tick for the change feed: it asks the API to give committed events their places, every two seconds."""

import asyncio
from typing import Final

import structlog

from crm_api.client import ApiClient, ApiFailure, events

TICK_SECONDS: Final = 2.0
log = structlog.get_logger()


class Relay:
    """Ticks until told to stop. Readers of the feed place events too; this is for when nobody reads."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._stopping = asyncio.Event()
        self._api_away = False

    async def run(self) -> None:
        """Tick, and again at once while there is more; a failure of the API is waited out."""
        while not self._stopping.is_set():
            try:
                has_more = (await events.place_events(self._api)).has_more
                self._note_api(None)
            except (ApiFailure, TimeoutError) as failure:
                self._note_api(failure)
                has_more = False
            except Exception as error:
                log.error("relay_broke", error=type(error).__name__, exc_info=error)
                has_more = False
            if not has_more:
                await self._rest()

    def stop(self) -> None:
        """Tick no more."""
        self._stopping.set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _note_api(self, failure: Exception | None) -> None:
        if (failure is not None) != self._api_away:
            log.warning("relay_without_api" if failure else "relay_with_api", error=type(failure).__name__)
        self._api_away = failure is not None
