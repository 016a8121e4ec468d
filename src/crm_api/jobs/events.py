"""A job as server-sent events (HTML Living Standard, section 9.2); each look is a read of its own."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from starlette.responses import StreamingResponse

from ..core.read import Reader, dump
from .queries import Document, read_job

_LOOK_SECONDS: Final = 0.5
_COMMENT_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 600.0
"""Then the stream ends, and the reader comes back by itself: with a token that is still good."""
_ENDED: Final = ("succeeded", "failed", "cancelled")
_EXAMPLE: Final = (
    'id: 5f2c0e9b71aa\nevent: progress\ndata: {"id": "0198c5a0-…", "state": "running", "progress": 0.4}\n\n'
)
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events until the job has ended, or for ten minutes",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    204: {"description": "The job has ended, and `Last-Event-ID` says that this is known"},
}


def is_over(job: Document, last_event_id: str | None) -> bool:
    """Say whether a returning reader has seen the end."""
    return job["state"] in _ENDED and _event_id(dump(job)) == last_event_id


def stream(reader: Reader, first: Document, last_event_id: str | None) -> StreamingResponse:
    """Tell a job's states from the first on."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(reader, first, last_event_id), 200, headers, media_type="text/event-stream")


async def _events(reader: Reader, first: Document, known: str | None) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    job: Document | None = first
    until = time.monotonic() + _LONGEST_SECONDS
    quiet_until = time.monotonic() + _COMMENT_SECONDS
    while job is not None and time.monotonic() < until:
        body, ended = dump(job), job["state"] in _ENDED
        if (event_id := _event_id(body)) != known:
            known, quiet_until = event_id, time.monotonic() + _COMMENT_SECONDS
            yield b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), b"end" if ended else b"progress", body)
        elif time.monotonic() > quiet_until:
            quiet_until = time.monotonic() + _COMMENT_SECONDS
            yield b": still here\n\n"
        if ended:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        job = await read_job(reader, UUID(str(job["id"])))


def _event_id(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]
