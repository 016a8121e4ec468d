"""Reading server-sent events, whose data is one line each."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import orjson

from .session import ApiClient, Params

EVENTS = "text/event-stream"


class Told(NamedTuple):
    """One event of a stream; without data it only says how far the stream is."""

    id: str
    data: Any


async def stream_events(
    api: ApiClient, path: str, params: Params | None = None, *, last_event_id: str | None = None
) -> AsyncIterator[Told]:
    """Yield what a stream tells, until it ends. Errors: ApiInterrupted, when it breaks off."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    rest = b""
    async for chunk in api.stream_out(path, params, EVENTS, headers=headers):
        *blocks, rest = (rest + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
            if b"id" in fields:
                data = fields.get(b"data")
                yield Told(fields[b"id"].decode(), None if data is None else orjson.loads(data))
