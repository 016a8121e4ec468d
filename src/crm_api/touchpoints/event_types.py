"""What is told of touchpoints and products."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from ..core.event_types import EventData, EventType, loaded
from ..core.schemas import Instant


class TouchpointTold(EventData):
    """A new touchpoint."""

    id: UUID
    customer_id: UUID
    kind: str
    occurred_at: Instant


class ProductTold(EventData):
    """A product."""

    id: UUID
    sku: str
    changed: Annotated[
        list[str] | None, Field(description="Names of the fields that changed; missing where that is not known")
    ] = None


EVENT_TYPES: Final = (
    EventType("touchpoint.recorded", "A touchpoint was recorded by itself.", TouchpointTold),
    loaded("touchpoints"),
    EventType("product.registered", "A product was registered.", ProductTold),
    EventType("product.changed", "A product was changed.", ProductTold),
    loaded("products"),
)
