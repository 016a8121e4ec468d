"""Trying a definition out."""

from typing import Any

from sqlalchemy import ColumnElement, func, select

from ...audience import Audience, Catalog, Moment, condition, depends_on, print_text, with_segment_ids, write_tree
from ...audience.problems import audience_at
from ...core.read import Prepared, Reader
from ...customers.models import Customer
from ..queries import matching

SAMPLE_SIZE = 20


async def preview(reader: Reader, definition: Audience, catalog: Catalog, moment: Moment) -> dict[str, Any]:
    """Say whom a definition means now: how many exactly, and some of them. Errors: InvalidAudience."""
    with audience_at("/definition"):
        definition = await with_segment_ids(definition, catalog, reader)
        meant = condition(definition, catalog, moment)
    counted = await reader.row(Prepared(select(func.count()).select_from(matching(meant).subquery())))
    sample = await reader.rows(Prepared(_sample(meant)))
    return {
        "count": counted[0] if counted else 0,
        "sample": [dict(row) for row in sample],
        "definition": write_tree(definition),
        "definition_text": print_text(definition),
        "depends_on": sorted(depends_on(definition, catalog)),
        "as_of": moment.now,
    }


def _sample(meant: ColumnElement[bool]) -> Any:
    shown = matching(meant).with_only_columns(Customer.customer_id.label("id"), Customer.kind, Customer.display_name)
    return shown.order_by(Customer.customer_id).limit(SAMPLE_SIZE)
