"""Customers in ranges of their ids: the parts that a step of a job looks at."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, literal, select, true

from .models import Customer


@dataclass(frozen=True, slots=True)
class Range:
    """Customers by id: `after` is not among them, `last` is; None is open."""

    after: UUID | None
    last: UUID | None

    def of(self, column: Any) -> ColumnElement[bool]:
        """Answer the condition on a customer's id."""
        bounds: list[ColumnElement[bool]] = []
        if self.after is not None:
            bounds.append(column > literal(self.after, Uuid()))
        if self.last is not None:
            bounds.append(column <= literal(self.last, Uuid()))
        return and_(true(), *bounds)


def end_of_range(after: UUID | None, size: int) -> Select[UUID]:
    """Answer the last customer of the next range; nothing when the next range is the last one."""
    behind = Range(after, None).of(Customer.customer_id)
    return select(Customer.customer_id).where(behind).order_by(Customer.customer_id).offset(size - 1).limit(1)
