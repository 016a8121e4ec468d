"""The conversation on a connection that is open and logged in: several things may be said at once (RFC 2920)."""

import asyncio
from collections import deque
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

    Replies are heard one by one, in the order of what was said; those that came before the connection failed are heard
    before that is told. It is out of step, and closed, as soon as the server says more than it was asked for.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take a transport over from the protocol that it has."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._failure: str | None = None
        self._waiter: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    @property
    def is_open(self) -> bool:
        """Whether something can be said."""
        return not self._transport.is_closing()

    def say(self, words: bytes, replies: int = 1) -> None:
        """Send what is ended by CRLF, and is answered by so many replies. Errors: Broken."""
        if not self.is_open:
            raise Broken(self._failure or "the connection was closed")
        self._owed += replies
        self._transport.write(words)

    async def hear(self, seconds: float) -> Reply:
        """Answer the next reply, which has to come within so many seconds. Errors: Broken."""
        if not self._replies:
            await self._wait(seconds)
        return self._replies.popleft()

    def close(self) -> None:
        """Be done with the connection."""
        self._transport.close()

    async def _wait(self, seconds: float) -> None:
        if self._failure is not None:
            raise Broken(self._failure)
        waiter = self._waiter = self._loop.create_future()
        patience = self._loop.call_later(seconds, self._break, "the server did not answer in time")
        try:
            await waiter
        finally:
            patience.cancel()
            self._waiter = None

    def data_received(self, data: bytes) -> None:
        """Read replies."""
        *lines, self._received = (self._received + data).split(b"\n")
        if len(self._received) > _LONGEST_REPLIES:
            self._break("an answer is too long")
        for line in lines:
            if self._failure is None:
                self._read(line)
        if self._replies and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _read(self, line: bytes) -> None:
        code, dash, text = line[:_DIGITS], line[_DIGITS : _DIGITS + 1], line[_DIGITS + 1 :]
        if not self._owed:
            self._break("the server said more than it was asked for")
        elif len(code) < _DIGITS or not code.isdigit():
            self._break("the answer makes no sense")
        else:
            self._lines.append(text.decode("utf-8", "surrogateescape").strip(" \t\r"))
            if dash != b"-":
                self._owed -= 1
                self._replies.append(Reply(int(code), "\n".join(self._lines)))
                self._lines.clear()
                if self._replies[-1].code == CLOSING:
                    self._break("the server closed the connection")

    def eof_received(self) -> None:
        """Let the connection close."""

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits for an answer that none will come."""
        self._break(str(error) if error else "the connection was closed")

    def _break(self, why: str) -> None:
        self.close()
        self._failure = self._failure or why
        waiter = self._waiter
        if not self._replies and waiter is not None and not waiter.done():
            waiter.set_exception(Broken(why))
