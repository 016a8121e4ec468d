"""What is told of customers and of the fields declared for them."""

from typing import Final
from uuid import UUID

from ..core.event_types import Changed, EventData, EventType, loaded


class Registered(EventData):
    """A new customer."""

    id: UUID
    version: int


class FieldDeclared(EventData):
    """A new custom field."""

    name: str
    type: str
    version: int


class FieldChanged(EventData):
    """A custom field as it is now."""

    name: str
    version: int


class HouseholdTold(EventData):
    """A household as a whole."""

    id: UUID
    version: int


class HouseholdMoved(EventData):
    """A household that somebody joined or left."""

    id: UUID
    customer_id: UUID
    version: int


EVENT_TYPES: Final = (
    EventType("customer.registered", "A customer was registered.", Registered),
    EventType("customer.changed", "Fields, contact points, identifiers or addresses of a customer changed.", Changed),
    EventType("customer.archived", "A customer was archived.", Changed),
    EventType("customer.restored", "A customer was taken back from the archive.", Changed),
    loaded("customers"),
    EventType("household.formed", "A household was formed.", HouseholdTold),
    EventType("household.changed", "A household has another name.", Changed),
    EventType("household.joined", "A customer joined a household.", HouseholdMoved),
    EventType("household.left", "A customer left a household.", HouseholdMoved),
    EventType("household.dissolved", "A household is no more; its members left.", HouseholdTold),
    EventType("field.declared", "A custom field was declared.", FieldDeclared),
    EventType("field.changed", "A custom field got another label, or more choices.", FieldChanged),
)
