"""What is told of runs."""

from typing import Final
from uuid import UUID

from ..core.event_types import EventData, EventType
from ..core.schemas import Day


class RunPublished(EventData):
    """A run whose scores are the current ones."""

    run_id: UUID
    model: str
    as_of: Day
    row_count: int | None
    previous_run_id: UUID | None


EVENT_TYPES: Final = (
    EventType("analytics.run_published", "The scores of a run became the current ones of its model.", RunPublished),
)
