"""What is told of advertising audiences: numbers, never a hash."""

from typing import Final
from uuid import UUID

from ..core.event_types import EventData, EventType


class AudienceTold(EventData):
    """An audience and its segment."""

    id: UUID
    segment_id: UUID


class ExportTold(EventData):
    """An export, and how much it holds."""

    audience_id: UUID
    number: int
    addition_count: int
    removal_count: int


EVENT_TYPES: Final = (
    EventType("advertising-audience.opened", "A segment was given an advertising audience.", AudienceTold),
    EventType("advertising-audience.ended", "An advertising audience is to be emptied.", AudienceTold),
    EventType("advertising-export.ready", "An export of an advertising audience can be read.", ExportTold),
    EventType("advertising-export.acknowledged", "A destination has what an export held.", ExportTold),
)
