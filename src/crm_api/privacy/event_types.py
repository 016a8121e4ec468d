"""What is told of consents, purposes and suppressed addresses."""

from typing import Final
from uuid import UUID

from ..core.event_types import EventData, EventType, loaded
from ..core.schemas import Instant
from ..customers.schemas import ContactKind
from .schemas import Channel, State
from .suppression_schemas import Reason


class ConsentTold(EventData):
    """What a customer now says about a channel and a purpose."""

    id: UUID
    customer_id: UUID
    channel: Channel
    purpose: str
    state: State
    occurred_at: Instant


class PurposeTold(EventData):
    """A purpose as it is now."""

    name: str
    label: str
    needs_consent: bool


class SuppressionTold(EventData):
    """An address, which is not told: the event's `customer_id` says whose it is, if it is anybody's."""

    kind: ContactKind
    reason: Reason


EVENT_TYPES: Final = (
    EventType("consent.changed", "A customer granted or withdrew a consent.", ConsentTold),
    loaded("consents"),
    EventType("purpose.declared", "A purpose was declared.", PurposeTold),
    EventType("purpose.changed", "A purpose was described anew.", PurposeTold),
    EventType("suppression.added", "An address is left alone from now on.", SuppressionTold),
    EventType("suppression.changed", "Somebody gave another reason why an address is left alone.", SuppressionTold),
    EventType("suppression.lifted", "An address may be written to again; `reason` was why not.", SuppressionTold),
)
