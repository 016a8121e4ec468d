"""What segments add to the field catalog: membership, as last published."""

from ..audience import Field, Rows
from ..customers.models import Customer
from .models import Membership, Segment
from .queries import NAMES, visible_membership

FIELDS = (
    Field(
        name="segment",
        type="segment",
        label="Segment",
        source="segment",
        column=Membership.segment_id,
        rows=Rows(
            key=Membership.customer_id,
            of=Customer.customer_id,
            conditions=(Segment.id == Membership.segment_id, visible_membership()),
        ),
        depends_on=frozenset(),  # the tree names the segment: `segment:<id>`
        names=NAMES,
    ),
)
