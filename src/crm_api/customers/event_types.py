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


EVENT_TYPES: Final = (
    EventType("customer.registered", "A customer was registered.", Registered),
    EventType("customer.changed", "Fields, contact points, identifiers or addresses of a customer changed.", Changed),
    EventType("customer.archived", "A customer was archived.", Changed),
    EventType("customer.restored", "A customer was taken back from the archive.", Changed),
    loaded("customers"),
    EventType("field.declared", "A custom field was declared.", FieldDeclared),
    EventType("field.changed", "A custom field got another label, or more choices.", FieldChanged),
)
