"""Types of events: a domain declares as values what it emits, and `app.py` gathers them for the feed and its document.

    class SegmentTold(EventData):
        id: UUID
        name: str

    EVENT_TYPES = (EventType("segment.defined", "A segment was defined.", SegmentTold),)

    emit(session, "segment.defined", {"id": str(made), "name": wish.name})

What an event carries says what happened to which things, by their ids, and no more: no name of a person, no address, no
text that somebody typed about them. Whoever may know more reads the resource.
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class EventData(BaseModel):
    """What events of a type carry in `data`; nothing else is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of events. `name` is public and stable: `<resource>.<what happened>`."""

    name: str
    says: str
    data: type[EventData]


class Changed(EventData):
    """What a change of a versioned thing tells."""

    id: UUID
    version: int
    changed: Annotated[list[str], Field(description="Names of the fields that changed")]


class Loaded(EventData):
    """What a chunk of a batch tells, instead of an event for each of its lines."""

    batch_id: Annotated[UUID, Field(description="All chunks of one upload have the same")]
    client_id: str
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    first_id: Annotated[UUID, Field(description="Lowest id of what was created or updated")]
    last_id: Annotated[UUID, Field(description="Highest id of what was created or updated")]


def loaded(resource: str) -> EventType:
    """Answer the type of the events of a batch."""
    return EventType(f"{resource}.loaded", f"A chunk of some thousand {resource} was loaded.", Loaded)
