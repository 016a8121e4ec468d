"""What segments add to the field catalog: membership, as last published."""

from sqlalchemy import ColumnElement, exists

from ..audience import Field, Test
from ..customers.models import Customer
from .models import Membership, Segment
from .queries import NAMES, visible_membership


def _is_member(test: Test) -> ColumnElement[bool]:
    return (
        exists()
        .where(
            Membership.customer_id == Customer.customer_id,
            test(Membership.segment_id),
            Segment.id == Membership.segment_id,
            visible_membership(),
        )
        .correlate(Customer)
    )


FIELDS = (
    Field(
        name="segment",
        type="segment",
        label="Segment",
        source="segment",
        matches=_is_member,
        depends_on=frozenset(),  # the tree names the segment: `segment:<id>`
        names=NAMES,
    ),
)
