"""What the timeline adds to the field catalog: touchpoints that can be counted and summed."""

from typing import Any, Final

from sqlalchemy.orm import InstrumentedAttribute

from ..audience import Amount, Countable, Field, FieldType
from ..customers.models import Customer
from .models import Touchpoint


def _of_touchpoint(
    name: str, column: InstrumentedAttribute[Any], label: str, kind: FieldType = "choice", **more: Any
) -> Field:
    return Field(
        name=name,
        type=kind,
        column=column,
        depends_on=frozenset({"touchpoint"}),
        label=label,
        source="touchpoint",
        **more,
    )


COUNTABLE: Final = Countable(
    customer_id=Touchpoint.customer_id,
    outer_customer_id=Customer.customer_id,
    kind=Touchpoint.kind,
    occurred_at=Touchpoint.occurred_at,
    fields=(
        _of_touchpoint("channel", Touchpoint.channel, "Channel"),
        _of_touchpoint("direction", Touchpoint.direction, "Direction", choices=("inbound", "outbound")),
        _of_touchpoint("department", Touchpoint.department, "Department"),
        _of_touchpoint("source", Touchpoint.source, "System that reported it"),
        _of_touchpoint("campaign", Touchpoint.campaign, "Campaign"),
    ),
    amounts=(
        Amount(name="amount", column=Touchpoint.amount_minor, currency=Touchpoint.currency, label="Amount"),
        Amount(name="cost", column=Touchpoint.cost_minor, currency=Touchpoint.cost_currency, label="Cost"),
    ),
)
