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


class ApprovalWanted(EventData):
    """A run that was not published, since its backtest is worse than that of the current one."""

    run_id: UUID
    model: str
    reason: str


class DriftFound(EventData):
    """A run whose inputs or outputs lie otherwise than those of the run it was compared with."""

    run_id: UUID
    model: str
    against_run_id: UUID
    columns: dict[str, float]


EVENT_TYPES: Final = (
    EventType(
        "analytics.drift_found",
        "Inputs or outputs of a run lie otherwise than before: columns whose population stability index is above 0.25.",
        DriftFound,
    ),
    EventType("analytics.approval_wanted", "A run waits for somebody to agree to its publication.", ApprovalWanted),
    EventType("analytics.run_published", "The scores of a run became the current ones of its model.", RunPublished),
)
