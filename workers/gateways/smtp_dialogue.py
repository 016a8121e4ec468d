"""The conversation on a connection that is open and logged in: commands one by one, or several at once (RFC 2920)."""

import asyncio
from typing import Final, NamedTuple

CLOSING: Final = 421
_LONGEST_REPLIES: Final = 32_768
_DIGITS: Final = 3


class Reply(NamedTuple):
    """What the server said to a command."""

    code: int
    text: str


class Broken(Exception):
    """The connection failed, the server was silent for too long, or what it said is no reply."""


class Dialogue(asyncio.Protocol):
    """A connection that was opened by somebody else, and is spoken on by one caller at a time.

    It is out of step, and closed, as soon as the server says more than it was asked for.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take a transport over from the protocol that it has."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._replies: list[Reply] = []
        self._lines: list[str] = []
        self._wanted = 0
        self._waiter: asyncio.Future[list[Reply]] | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether something can be said."""
        return not self._transport.is_closing()

    async def say(self, words: bytes, seconds: float, replies: int = 1) -> list[Reply]:
        """Send what is ended by CRLF, and answer so many replies; fewer when the server says that it closes.

        Errors: Broken.
        """
        if not self.is_open:
            raise Broken("the connection was closed")
        self._replies, self._wanted = [], replies
        waiter = self._waiter = self._loop.create_future()
        patience = self._loop.call_later(seconds, self._break, "the server did not answer in time")
        try:
            self._transport.write(words)
            said: list[Reply] = await waiter
            return said
        finally:
            patience.cancel()
            self._waiter = None
            if not waiter.done() or waiter.cancelled():
                self.close()

    def close(self) -> None:
        """Be done with the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Read replies."""
        if self._waiter is None or self._waiter.done():
            self.close()
            return
        self._received += data
        if len(self._received) > _LONGEST_REPLIES:
            self._break("an answer is too long")
            return
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        for line in lines:
            if not self._read(line):
                return
        if len(self._replies) == self._wanted:
            self._finish(is_in_step=not rest)

    def _read(self, line: bytearray) -> bool:
        """Read one line; answers whether the next one is to be read."""
        code, dash, text = line[:_DIGITS], line[_DIGITS : _DIGITS + 1], line[_DIGITS + 1 :]
        if len(self._replies) == self._wanted:
            self._finish(is_in_step=False)
            return False
        if len(code) < _DIGITS or not code.isdigit():
            self._break("the answer makes no sense")
            return False
        self._lines.append(text.decode("utf-8", "surrogateescape").strip(" \t\r"))
        if dash != b"-":
            self._replies.append(Reply(int(code), "\n".join(self._lines)))
            self._lines = []
            if self._replies[-1].code == CLOSING:
                self._finish(is_in_step=False)
                return False
        return True

    def _finish(self, *, is_in_step: bool) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(self._replies)
        if not is_in_step:
            self.close()

    def eof_received(self) -> None:
        """Let the connection close."""

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits for an answer that none will come."""
        self._break(str(error) if error else "the connection was closed")

    def _break(self, why: str) -> None:
        self.close()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(Broken(why))
