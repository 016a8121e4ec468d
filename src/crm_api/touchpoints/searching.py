"""Search: the touchpoints that audiences mean, page by page or all of them as a stream."""

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, select

from ..audience import Audience, Catalog, Moment, condition, with_segment_ids
from ..audience.problems import audience_at
from ..core.paging import Cursors
from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from ..core.streams import Form
from ..customers.models import Customer
from . import queries
from .fields import COUNTABLE, SEARCHED
from .models import OrderItem, Touchpoint
from .schemas import TouchpointSearch


async def search(
    wish: TouchpointSearch, reads: Reader, catalog: Catalog, moment: Moment, cursors: Cursors
) -> dict[str, Any]:
    """Answer a page of touchpoints. Errors: InvalidAudience, InvalidRequest (cursor)."""
    conditions = await _conditions(wish, reads, catalog, moment)
    binding = ["touchpoints/search", wish.model_dump(mode="json", exclude={"limit", "cursor"})]
    bound: dict[str, Any] = {}
    if wish.cursor is not None:
        bound["after_customer"], bound["after_id"] = _read_cursor(cursors, binding, wish.cursor)
    found = queries.documents(items=wish.expand == "items").where(*conditions)
    statement = Prepared(queries.page(found, after=wish.cursor is not None))
    rows = [queries.document(row) for row in await reads.rows(statement, limit=wish.limit + 1, **bound)]
    page = rows[: wish.limit]
    cursor = cursors.write(binding, [page[-1]["customer_id"], page[-1]["id"]]) if len(rows) > wish.limit else None
    return {"data": page, "next_cursor": cursor}


async def exported(wish: TouchpointSearch, reads: Reader, catalog: Catalog, moment: Moment, form: Form) -> Select[Any]:
    """Answer the statement of all touchpoints that are meant. Errors: InvalidAudience."""
    return queries.exported({}, form, None).where(*await _conditions(wish, reads, catalog, moment))


async def _conditions(
    wish: TouchpointSearch, reads: Reader, catalog: Catalog, moment: Moment
) -> list[ColumnElement[bool]]:
    conditions = []
    if wish.where is not None:
        conditions.append(_meant(wish.where, SEARCHED, moment, "/where"))
    if wish.items is not None and COUNTABLE.items is not None:
        line = _meant(wish.items, COUNTABLE.items.catalog, moment, "/items")
        of_this = (OrderItem.customer_id == Touchpoint.customer_id, OrderItem.touchpoint_id == Touchpoint.id)
        conditions.append(exists().where(*of_this, line).correlate(Touchpoint))
    if wish.audience is not None:
        with audience_at("/audience"):
            named = await with_segment_ids(wish.audience, catalog, reads)
        theirs = select(Customer.customer_id).where(_meant(named, catalog, moment, "/audience"))
        conditions.append(Touchpoint.customer_id.in_(theirs))
    return conditions


def _meant(tree: Audience, catalog: Catalog, moment: Moment, pointer: str) -> ColumnElement[bool]:
    with audience_at(pointer):
        return condition(tree, catalog, moment)


def _read_cursor(cursors: Cursors, binding: object, cursor: str) -> list[Any]:
    try:
        return cursors.read(binding, cursor)
    except InvalidRequest as refusal:
        refusal.errors = [{**found, "in": "body"} for found in refusal.errors]
        raise
