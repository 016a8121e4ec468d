"""Whether this process was told to end: what would last for minutes then ends by itself, in order."""

import asyncio
import signal
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Known from the moment of the signal. The server waits for its answers a few seconds before it cuts them off, and
    tells the application only after that.
    """

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def __bool__(self) -> bool:
        return self._told.is_set()

    def tell(self) -> None:
        """Say that the process ends."""
        self._told.set()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return

    def listen(self) -> None:
        """Hear the signals that a server listens to, before it does; without a server there is nothing to hear."""
        if not callable(signal.getsignal(signal.SIGTERM)):
            return
        for sign in _SIGNALS:
            before = signal.getsignal(sign)

            def hear(number: int, frame: FrameType | None, before: object = before) -> None:
                self.tell()
                if callable(before):
                    before(number, frame)

            signal.signal(sign, hear)
