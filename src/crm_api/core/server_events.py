"""Server-sent events (HTML Living Standard, section 9.2): a stream that ends in order, and that readers open again.

A domain answers `stream(request, blocks)`, where `blocks` yields what there is to send, and b"" whenever it has looked
and found nothing; then this may be the time to say that the stream still lives, or to end it. A reader that comes back
says with `Last-Event-ID` what it received.
"""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Header, Request
from starlette.responses import StreamingResponse

from .stopping import Stopping

MEDIA_TYPE: Final = "text/event-stream"
_COMMENT_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 600.0
"""Then the stream ends, and the reader comes back by itself: with a token that is still good."""
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", max_length=100, description="Id of the last event that was received")
]


def block(id: str, data: bytes | None = None, event: str | None = None) -> bytes:
    """Write one event, whose data is one line. Without data nothing is told; the reader only notes the id."""
    lines = [f"id: {id}".encode()]
    if event is not None:
        lines.append(f"event: {event}".encode())
    if data is not None:
        lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


def stream(request: Request, blocks: AsyncIterator[bytes]) -> StreamingResponse:
    """Answer a stream of events, until they end, for ten minutes, or until the process does."""
    told = _told(blocks, request.app.state.stopping)
    return StreamingResponse(told, 200, _HEADERS, media_type=MEDIA_TYPE)


async def _told(blocks: AsyncIterator[bytes], stopping: Stopping) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    until = time.monotonic() + _LONGEST_SECONDS
    quiet_until = time.monotonic() + _COMMENT_SECONDS
    async for sent in blocks:
        at = time.monotonic()
        if sent:
            yield sent
        elif at > quiet_until:
            yield b": still here\n\n"
        if sent or at > quiet_until:
            quiet_until = at + _COMMENT_SECONDS
        if stopping or at > until:
            return
