"""The body of a bulk request as a stream of records: decompressed, cut into lines and bounded while it arrives."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, Protocol

import zstandard
from fastapi import Request
from starlette.requests import ClientDisconnect

from .problems import Problem, UnsupportedMediaType

RECORDS_IN_A_CHUNK: Final = 5_000
CHUNK_BYTES: Final = 2 * 1024 * 1024
_PIECE_BYTES: Final = 64 * 1024
"""What is worked on before others have their turn: half a millisecond."""
_MOST_EXPANSION: Final = 500
"""What NDJSON compresses to at most is about 100; this refuses files that are nothing but expansion."""
_EXPANSION_COUNTS_FROM: Final = 64 * 1024 * 1024
_ZSTD_WINDOW: Final = 8 * 1024 * 1024  # what RFC 8878, section 3.1.1.1.2, asks readers to support
_ZSTD_BITE: Final = 256


class LineTooLong(Problem, status=413, code="line-too-long", title="A line is too long"):
    """A line of a batch may be as long as the body of a single request. This line was left out; the others were not."""


class BadEncoding(Problem, status=400, code="bad-content-encoding", title="The body cannot be decompressed"):
    """`Content-Encoding` says how the body is compressed, and the body is not, or it is cut off. Lines that were read
    whole before the damage may have been stored; `summary` counts them. Sending all of it again stores nothing twice.
    """


class ExpandsTooMuch(Problem, status=413, code="expands-too-much", title="The body expands too much"):
    """The body is compressed beyond what data is, which looks like an attack. Send it with a weaker compression, or
    without.
    """


class UploadCutOff(Problem, status=400, code="upload-cut-off", title="The body ended before its announced end"):
    """The connection broke while the body was sent. Lines of finished chunks are stored; send everything again, what is
    there already is told as repeated.
    """


Record = bytes | Problem
"""One line, or what is wrong with it before it is even looked at."""


class Cutter(Protocol):
    """Cuts pieces of a text into its records, and says at the end what was left over."""

    def cut(self, piece: bytes) -> list[Record]: ...

    def end(self) -> list[Record]: ...


class LineCutter:
    """Records are lines. One that is longer than `longest` becomes a problem and is not kept."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._rest = b""
        self._is_skipping = False

    def cut(self, piece: bytes) -> list[Record]:
        lines: list[Any] = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if self._is_skipping:
            if not lines:
                self._rest = b""
                return []
            del lines[0]
            self._is_skipping = False
        if lines and len(max(lines, key=len)) > self.longest:
            lines = [self.too_long() if len(line) > self.longest else line for line in lines]
        if len(self._rest) > self.longest:
            lines.append(self.too_long())
            self._rest, self._is_skipping = b"", True
        return lines

    def end(self) -> list[Record]:
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def too_long(self) -> LineTooLong:
        return LineTooLong(f"at most {self.longest} bytes")


async def chunks(request: Request, cutter: Cutter, most: int = RECORDS_IN_A_CHUNK) -> AsyncIterator[list[Record]]:
    """Read the body to its end in chunks of at most so many records and about 2 MiB; blank lines are none.

    Errors: UnsupportedMediaType (Content-Encoding), BadEncoding, ExpandsTooMuch, UploadCutOff.
    """
    chunk: list[Record] = []
    size = 0
    async for piece in _decoded(request):
        for record in cutter.cut(piece):
            if isinstance(record, bytes):
                if not record or record.isspace():
                    continue
                size += len(record)
            chunk.append(record)
            if len(chunk) == most or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    chunk += [record for record in cutter.end() if not (isinstance(record, bytes) and record.isspace())]
    if chunk:
        yield chunk


async def _decoded(request: Request) -> AsyncIterator[bytes]:
    """Answer the body without its Content-Encoding, in pieces of bounded size, letting other requests in between."""
    decoder = _decoder(request.headers.get("content-encoding", ""))
    try:
        async for part in request.stream():
            for piece in decoder.pieces(part):
                for start in range(0, len(piece), _PIECE_BYTES):
                    yield piece[start : start + _PIECE_BYTES]
                    await asyncio.sleep(0)
    except ClientDisconnect:
        raise UploadCutOff("The connection broke while the body was sent") from None
    decoder.end()


class _Plain:
    """No compression. Nothing can be missing at the end: the server itself tells when a body is cut off."""

    def pieces(self, part: bytes) -> Iterator[bytes]:
        yield part

    def end(self) -> None:
        return None


class _Compressed:
    """A compressed body; several members or frames may follow each other (RFC 1952, RFC 8878)."""

    name: str

    def __init__(self) -> None:
        self._stream: Any = None
        self._unused = b""
        self._received = self._expanded = 0

    def pieces(self, part: bytes) -> Iterator[bytes]:
        self._received += len(part)
        self._unused = part
        try:
            while self._unused:
                self._stream = self._stream or self._start()
                for piece in self._expand(self._unused):
                    self._count(len(piece))
                    yield piece
                if self._stream.eof:
                    self._stream = None
        except (zlib.error, zstandard.ZstdError) as error:
            raise BadEncoding(f"The body is not {self.name}: {error}") from None

    def end(self) -> None:
        if self._stream is not None:
            raise BadEncoding(f"The {self.name} stream ends before its end")

    def _count(self, size: int) -> None:
        self._expanded += size
        if self._expanded > max(_EXPANSION_COUNTS_FROM, self._received * _MOST_EXPANSION):
            raise ExpandsTooMuch(f"The body expands to more than {_MOST_EXPANSION} times its size")

    def _start(self) -> Any:
        raise TypeError("each compression starts its own stream")

    def _expand(self, part: bytes) -> Iterator[bytes]:
        """Decompress a part up to the end of a member; what follows that is left in `_unused`."""
        raise TypeError("each compression expands in its own way")


class _Gzip(_Compressed):
    name = "gzip"

    def _start(self) -> Any:
        return zlib.decompressobj(wbits=31)

    def _expand(self, part: bytes) -> Iterator[bytes]:
        stream = self._stream
        is_full = True
        while (part or is_full) and not stream.eof:
            piece = stream.decompress(part, _PIECE_BYTES)
            is_full = len(piece) == _PIECE_BYTES  # then more may be held back, though no input is
            part = stream.unconsumed_tail
            if piece:
                yield piece
        self._unused = stream.unused_data


class _Zstd(_Compressed):
    name = "zstd"

    def _start(self) -> Any:
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def _expand(self, part: bytes) -> Iterator[bytes]:
        """Feed little at a time: four bytes of zstd can mean 128 KiB, and the library has no other bound."""
        stream = self._stream
        fed = 0
        while fed < len(part) and not stream.eof:
            piece = stream.decompress(part[fed : fed + _ZSTD_BITE])
            fed += _ZSTD_BITE
            if piece:
                yield piece
        self._unused = stream.unused_data + part[fed:] if stream.eof else b""


def _decoder(encoding: str) -> _Plain | _Compressed:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
        case "zstd":
            return _Zstd()
    raise UnsupportedMediaType(
        f"Content-Encoding may be gzip or zstd, not {encoding[:40]}", headers={"Accept-Encoding": "gzip, zstd"}
    )
