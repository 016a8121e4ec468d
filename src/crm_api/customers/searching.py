"""Search: the customers an audience means, page by page."""

from typing import Any

from ..audience import Catalog, Moment, condition, with_segment_ids
from ..audience.problems import audience_at
from ..core.paging import Cursors
from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from . import queries
from .listing import behind, bound_after, count_rows
from .queries import Shape
from .schemas import CustomerSearch


async def search(
    wish: CustomerSearch, reads: Reader, catalog: Catalog, moment: Moment, cursors: Cursors
) -> dict[str, Any]:
    """Answer a page of the customers an audience means. Errors: InvalidAudience, InvalidRequest (cursor)."""
    conditions = queries.chosen(Shape(archived=wish.archived))
    if wish.audience is not None:
        with audience_at("/audience"):
            meant = await with_segment_ids(wish.audience, catalog, reads)
            conditions.append(condition(meant, catalog, moment))
    binding = ["customers/search", wish.model_dump(mode="json", exclude={"limit", "cursor", "count"})]
    after = None if wish.cursor is None else _read_cursor(cursors, binding, wish.cursor)
    statement = queries.page(queries.documents().where(*conditions), wish.sort, after=after is not None)
    bound = {} if after is None else bound_after(wish.sort, after)
    count = None
    if wish.count is not None:
        count = await count_rows(wish.count, Prepared(queries.count_of(conditions)), reads, {})
    rows = await reads.rows(Prepared(statement), limit=wish.limit + 1, **bound)
    data = [queries.document(row) for row in rows[: wish.limit]]
    cursor = cursors.write(binding, behind(wish.sort, data[-1])) if len(rows) > wish.limit else None
    return {"data": data, "next_cursor": cursor, "count": count}


def _read_cursor(cursors: Cursors, binding: object, cursor: str) -> list[Any]:
    try:
        return cursors.read(binding, cursor)
    except InvalidRequest as refusal:
        refusal.errors = [{**found, "in": "body"} for found in refusal.errors]
        raise
