"""The feed as a process sees it: brought up to date when somebody asks, read in pages, followed as a stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ..core.db import Database
from ..core.metrics import Gauge, Sample
from ..core.read import dump
from ..core.server_events import block
from ..core.stopping import Stopping
from . import operations
from .queries import Document, State, read_events, read_state

STREAMS: Final = Gauge("crm_feed_streams", "Streams of the change feed that this process is sending now.")
_LOOK_SECONDS: Final = 0.25
_PATIENCE_SECONDS: Final = 2.0
_MOST_ROUNDS: Final = 20
_WINDOW: Final = 10_000
"""Positions that are looked through at once for the types that are wanted: some milliseconds."""
_MOST_WINDOWS: Final = 20
_STREAMED_AT_ONCE: Final = 200


class Feed:
    """Reads the feed. Whoever asks for it gives positions to what waits for one, so that it is fresh without a worker;
    the streams of a process look together, a few times a second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looking = asyncio.Lock()
        self._state = State(0, 0, is_behind=False, placed_at=None)
        self._fresh_until = 0.0
        self._stream_count = 0

    async def catch_up(self) -> State:
        """Answer how far the feed is once all that was committed before has its position, unless there is very much."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._relayed(patient=True)
        except TimeoutError:
            return await read_state(self._database.reader)

    async def glance(self) -> State:
        """Answer how far the feed was a moment ago; what another relay is placing now is seen at the next glance."""
        async with self._looking:
            if time.monotonic() >= self._fresh_until:
                self._state = await self._relayed(patient=False)
                self._fresh_until = time.monotonic() + _LOOK_SECONDS
            return self._state

    async def _relayed(self, *, patient: bool) -> State:
        for _ in range(_MOST_ROUNDS):
            state = await read_state(self._database.reader)
            if not state.is_behind:
                return state
            async with self._database.session() as session:
                placed = await operations.place(session, patient=patient)
            if placed is None:
                break
        return await read_state(self._database.reader)

    async def page(
        self, state: State, after: int, types: Sequence[str] | None, limit: int
    ) -> tuple[list[Document], int]:
        """Answer the next events behind a position, and the position up to which was looked for them."""
        found: list[Document] = []
        reached = after
        for _ in range(_MOST_WINDOWS):
            if reached >= state.last_position:
                break
            until = state.last_position if types is None else min(reached + _WINDOW, state.last_position)
            found += await read_events(self._database.reader, reached, until, types, limit - len(found))
            if len(found) == limit:
                return found, int(found[-1]["position"])
            reached = until
        return found, reached

    async def blocks(self, after: int, types: Sequence[str] | None, stopping: Stopping) -> AsyncIterator[bytes]:
        """Yield what comes behind a position, as it comes, and b"" after each look that found nothing."""
        with self._counted():
            yield block(str(after))  # a reader that is cut off before the first event knows where to go on
            while True:
                state = await self.glance()
                if after < state.dropped_until:
                    return  # the reader was too slow by weeks; coming back it is told so
                events, reached = await self.page(state, after, types, _STREAMED_AT_ONCE)
                sent = [block(str(event["position"]), dump(event)) for event in events]
                if reached > after and (not events or events[-1]["position"] < reached):
                    sent.append(block(str(reached)))  # whoever comes back need not look through all that again
                after = reached
                yield b"".join(sent)
                if reached >= state.last_position:
                    await stopping.pause(_LOOK_SECONDS)

    def samples(self) -> list[Sample]:
        """Tell how many streams there are."""
        return [Sample(STREAMS, self._stream_count)]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._stream_count += 1
        try:
            yield
        finally:
            self._stream_count -= 1
