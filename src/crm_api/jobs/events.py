"""A job as server-sent events (HTML Living Standard, section 9.2); each look is a read of its own."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from starlette.responses import StreamingResponse

from ..core import server_events
from ..core.read import Reader, dump
from ..core.stopping import Stopping
from .queries import Document, read_job

_LOOK_SECONDS: Final = 0.5
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


def stream(request: Request, reader: Reader, first: Document, last_event_id: str | None) -> StreamingResponse:
    """Tell a job's states from the first on."""
    return server_events.stream(request, _blocks(reader, first, last_event_id, request.app.state.stopping))


async def _blocks(reader: Reader, first: Document, known: str | None, stopping: Stopping) -> AsyncIterator[bytes]:
    job: Document | None = first
    while job is not None:
        body, ended = dump(job), job["state"] in _ENDED
        if (event_id := _event_id(body)) != known:
            known = event_id
            yield server_events.block(event_id, body, "end" if ended else "progress")
        else:
            yield b""
        if ended:
            return
        await stopping.pause(_LOOK_SECONDS)
        job = await read_job(reader, UUID(str(job["id"])))


def _event_id(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]
