"""Typed calls about the change feed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from ..events.schemas import EventPage, EventRead, EventTypeList, PlacementsDone
from .problems import ApiInterrupted
from .server_events import stream_events
from .session import ApiClient

_PATH = "/v1/events"
After = int | Literal["latest"]


async def list_events(
    api: ApiClient, *, after: After | None = None, types: Sequence[str] | None = None, limit: int = 50
) -> EventPage:
    """Read the next events behind a position. Errors: ApiProblem `events-gone`, with `oldest_after`."""
    params = {"after": after, "type": types, "limit": limit}
    return EventPage.model_validate(await api.get(_PATH, params))


async def follow_events(
    api: ApiClient, *, after: After | None = None, types: Sequence[str] | None = None
) -> AsyncIterator[EventRead]:
    """Yield events as they come, without end; a stream that breaks off or runs out is opened again where it was.

    Errors: ApiProblem `events-gone`, with `oldest_after`; ApiUnreachable, when the API stays away.
    """
    params = {"after": after, "type": types}
    reached: str | None = None
    while True:
        try:
            async for told in stream_events(api, _PATH, params, last_event_id=reached):
                reached = told.id
                if told.data is not None:
                    yield EventRead.model_validate(told.data)
        except ApiInterrupted:
            await asyncio.sleep(1)


async def list_event_types(api: ApiClient) -> EventTypeList:
    """List the types there are."""
    return EventTypeList.model_validate(await api.get(f"{_PATH}/types"))


async def place_events(api: ApiClient) -> PlacementsDone:
    """Have events given their places, as a worker's tick does."""
    return PlacementsDone.model_validate(await api.post(f"{_PATH}/placements"))
