"""What offers add to the field catalog: the context of a decision, told by whoever asks for it."""

from typing import Any, Final

from sqlalchemy import Text, bindparam

from ..audience import Field, FieldType
from ..core.text import normalized
from .decision_schemas import DecisionContext

_BOUND_AS: Final = "context_{}"


def _field(name: str, label: str, kind: FieldType, **more: Any) -> Field:
    return Field(
        name=f"context.{name}",
        type=kind,
        column=bindparam(_BOUND_AS.format(name), None, Text()),
        depends_on=frozenset(),
        label=label,
        source="context",
        is_context=True,
        **more,
    )


FIELDS: Final = (
    _field("page", "Page the customer is on", "choice", operators=("eq", "ne", "in", "like", "known")),
    _field("location", "Place the customer is at", "text"),
)


def bound(context: DecisionContext | None) -> dict[str, str | None]:
    """Answer what the fields are bound with in a decision."""
    page, location = (None, None) if context is None else (context.page, context.location)
    return {
        _BOUND_AS.format("page"): page,
        _BOUND_AS.format("location"): None if location is None else normalized(location),
    }
