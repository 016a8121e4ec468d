"""What analytics adds to the field catalog: the scores of the current run of each model."""

from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from ..audience import Field, FieldType, Rows
from ..customers.models import Customer
from .models import AnalyticsModel, RfmScore

_CURRENT: Final = select(AnalyticsModel.current_run_id).where(AnalyticsModel.model == "rfm").scalar_subquery()
_SCORES: Final = Rows(key=RfmScore.customer_id, of=Customer.customer_id, conditions=(RfmScore.run_id == _CURRENT,))


def _rfm(name: str, column: InstrumentedAttribute[Any], label: str, kind: FieldType = "integer", **more: Any) -> Field:
    return Field(
        name=f"rfm.{name}",
        type=kind,
        column=column,
        rows=_SCORES,
        depends_on=frozenset({"score:rfm"}),
        label=label,
        source="score",
        **more,
    )


FIELDS: Final = (
    _rfm("recency", RfmScore.recency_score, "Recency score, 1 to 5"),
    _rfm("frequency", RfmScore.frequency_score, "Frequency score, 1 to 5"),
    _rfm("monetary", RfmScore.monetary_score, "Monetary score, 1 to 5"),
    _rfm("recency_days", RfmScore.recency_days, "Days since the last purchase", unit="days"),
    _rfm("order_count", RfmScore.order_count, "Purchases", unit="purchases"),
    _rfm("amount", RfmScore.amount_minor, "Money spent less refunds", "money", currency=RfmScore.currency),
)
