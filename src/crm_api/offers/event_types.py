"""What is told of offers."""

from typing import Final
from uuid import UUID

from ..core.event_types import Changed, EventData, EventType


class Made(EventData):
    """A new offer."""

    id: UUID
    code: str


class OfferChanged(Changed):
    """An offer as it is now."""

    code: str


EVENT_TYPES: Final = (
    EventType("offer.made", "An offer was made.", Made),
    EventType("offer.changed", "An offer or its products changed.", OfferChanged),
)
