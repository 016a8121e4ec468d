"""Search: the customers an audience means, page by page or all of them as a stream."""

from typing import Any

from sqlalchemy import ColumnElement, Select

from ..audience import Catalog, Moment
from ..core.paging import Cursors
from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from ..core.streams import Form
from . import exports, queries
from .listing import behind, bound_after
from .meaning import are_few, count_rows, meant
from .queries import Shape
from .schemas import CustomerSearch


async def search(
    wish: CustomerSearch, reads: Reader, catalog: Catalog, moment: Moment, cursors: Cursors
) -> dict[str, Any]:
    """Answer a page of the customers an audience means. Errors: InvalidAudience, InvalidRequest (cursor)."""
    conditions = await _conditions(wish, reads, catalog, moment)
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


async def exported(wish: CustomerSearch, reads: Reader, catalog: Catalog, moment: Moment, form: Form) -> Select[Any]:
    """Answer the statement of all customers an audience means. Errors: InvalidAudience."""
    conditions = await _conditions(wish, reads, catalog, moment)
    return exports.exported(conditions, form, is_narrow=await are_few(conditions, reads))


async def _conditions(
    wish: CustomerSearch, reads: Reader, catalog: Catalog, moment: Moment
) -> list[ColumnElement[bool]]:
    conditions = queries.chosen(Shape(archived=wish.archived))
    if wish.audience is not None:
        conditions.append(await meant(wish.audience, reads, catalog, moment, "/audience"))
    return conditions


def _read_cursor(cursors: Cursors, binding: object, cursor: str) -> list[Any]:
    try:
        return cursors.read(binding, cursor)
    except InvalidRequest as refusal:
        refusal.errors = [{**found, "in": "body"} for found in refusal.errors]
        raise
