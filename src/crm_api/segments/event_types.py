"""What is told of segments."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from ..core.event_types import Changed, EventData, EventType
from ..core.schemas import Instant


class Defined(EventData):
    """A new segment."""

    id: UUID
    name: str


class Archived(EventData):
    """A segment that was put away."""

    id: UUID
    version: int


class Published(EventData):
    """A build that everybody sees now."""

    id: UUID
    build: int
    definition_version: int
    members: int
    entered: Annotated[int, Field(description="Customers who are members by this build, and were not before")] = 0
    left: Annotated[int, Field(description="Customers who were members before this build, and are not any more")] = 0


class Moved(EventData):
    """A customer who came into a segment, or is not in it any more."""

    id: Annotated[UUID, Field(description="The segment")]
    customer_id: UUID
    at: Annotated[Instant, Field(description="The moment that was looked at")]
    build: Annotated[int, Field(description="From this build on")]


class Drifted(EventData):
    """Members that were not what the segment means."""

    id: UUID
    customers: Annotated[int, Field(description="How many came or went by the check")]


EVENT_TYPES: Final = (
    EventType("segment.defined", "A segment was defined.", Defined),
    EventType("segment.changed", "The name, description or definition of a segment changed.", Changed),
    EventType("segment.archived", "A segment was archived.", Archived),
    EventType(
        "segment.published",
        "A build of a segment was published; those who came or left by it have no event.",
        Published,
    ),
    EventType("segment.entered", "A customer came into a segment between two builds.", Moved),
    EventType("segment.drifted", "A check found members that were wrong, and mended them.", Drifted),
    EventType("segment.exited", "A customer left a segment between two builds.", Moved),
)
