"""Reading the feed as a consumer does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from ..calling import Api

Event = dict[str, Any]


async def read_all(api: Api, after: int = 0, *, limit: int = 7, query: str = "") -> list[Event]:
    """Follow the pages from a position to the end."""
    events: list[Event] = []
    while True:
        page = await api.get(f"/v1/events?after={after}&limit={limit}{query}")
        events += page["data"]
        after = page["next_after"]
        if not page["has_more"]:
            return events


async def received(answer: httpx.Response) -> AsyncIterator[tuple[str, Event | None]]:
    """Yield the blocks of a stream that have an id: the id, and the event if there is one."""
    block: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            block[name] = value
        else:
            if "id" in block:
                yield block["id"], json.loads(block["data"]) if "data" in block else None
            block = {}
