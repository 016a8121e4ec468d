"""Lists of touchpoints: filters become a statement that was compiled before, and values bound to it."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ..core.listing import Listing
from ..core.problems import InvalidRequest
from ..core.read import Reader
from ..core.streams import watermark
from ..core.watermark import is_final
from ..customers import queries as customers
from ..customers.problems import CustomerNotFound
from . import queries
from .parts import TimelinePart
from .schemas import TimelineParams, TouchpointListParams

Values = dict[str, Any]
STREAMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "customer_id,kind,occurred_at\n0199b7a4-1111-7000-8000-000000000001,order.placed,"
                "2026-01-31T09:30:00Z\n",
            },
            "application/x-ndjson": {
                "itemSchema": {"$ref": "#/components/schemas/TouchpointRead"},
                "example": '{"customer_id":"0199b7a4-1111-7000-8000-000000000001","kind":"order.placed"}\n',
            },
        }
    }
}


def values_of(params: TimelineParams | TouchpointListParams) -> Values:
    """Answer the values of a filter by the names of its conditions."""
    return {name: value for name in queries.CONDITIONS if (value := getattr(params, name, None)) is not None}


async def final_values_of(reads: Reader, params: TouchpointListParams) -> Values:
    """Answer the values of a filter. Errors: InvalidRequest, for a watermark that is not far enough back."""
    values = values_of(params)
    if (until := values.get("recorded_until")) is not None and not await is_final(reads, until):
        latest = watermark().isoformat()
        detail = f"touchpoints of that time may still be under way; up to {latest} all are final"
        finding = {"in": "query", "pointer": "/recorded_until", "code": "not-final-yet", "detail": detail}
        raise InvalidRequest(detail, errors=[finding])
    return values


async def page_of_all(reads: Reader, params: TouchpointListParams, page: Listing, values: Values) -> list[Values]:
    """Answer a page of the touchpoints of all customers, and one row more."""
    bound = dict(values)
    if page.after is not None:
        bound["after_customer"], bound["after_id"] = page.after
    statement = queries.listed(frozenset(values), after=page.after is not None, items=params.expand == "items")
    return [queries.document(row) for row in await reads.rows(statement, limit=page.limit, **bound)]


async def page_of_one(
    reads: Reader, customer_id: UUID, params: TimelineParams, page: Listing, parts: tuple[TimelinePart, ...]
) -> list[Values]:
    """Answer a page of one customer's timeline with some parts, and one row more. Errors: CustomerNotFound."""
    bound = values_of(params)
    expands = params.expand == "items"
    statement = queries.timeline(frozenset(bound), after=page.after is not None, items=expands, parts=parts)
    if page.after is not None:
        at, bound["after_id"] = page.after
        bound["after_at"] = datetime.fromisoformat(at)
    rows = await reads.rows(statement, customer_id=customer_id, limit=page.limit, **bound)
    if not rows and await reads.row(customers.BY_ID, customer_id=customer_id) is None:
        raise CustomerNotFound(f"No customer {customer_id}")
    return [queries.document(row) for row in rows]


async def one_of_one(reads: Reader, customer_id: UUID, id: UUID, parts: tuple[TimelinePart, ...]) -> Values | None:
    """Answer one touchpoint of a customer, or what one of the parts shows under the id, or nothing."""
    for statement in (queries.BY_ID, *(queries.shown_by_id(part) for part in parts)):
        if (row := await reads.row(statement, customer_id=customer_id, id=id)) is not None:
            return queries.document(row)
    return None
