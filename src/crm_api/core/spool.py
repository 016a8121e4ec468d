"""Answers that grow while the request is still being read: kept in memory while small, on disk beyond."""

import tempfile
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_MEMORY_BYTES: Final = 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024


class Spool:
    """Bytes written once and then read from the beginning, as often as wanted."""

    def __init__(self) -> None:
        # Closed by `close`, which whoever took the spool last calls.
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        self.size += self._file.write(data)

    def pieces(self) -> Iterator[bytes]:
        """Read everything in pieces."""
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            yield piece

    def lines(self) -> Iterator[bytes]:
        """Read line by line, without the line ends."""
        self._file.seek(0)
        for line in self._file:
            yield line.removesuffix(b"\n")

    def close(self) -> None:
        """Give memory and disk back."""
        self._file.close()


class SpooledResponse(Response):
    """Answers what a spool holds, with its length, and closes the spool whatever happens."""

    def __init__(self, spool: Spool, status: int, headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(None, status, {**headers, "Content-Length": str(spool.size)}, media_type)
        self._spool = spool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._spool:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for piece in self._spool.pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
