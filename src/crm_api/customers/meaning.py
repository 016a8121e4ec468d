"""What audiences mean among customers: the condition, and how many may meet it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement

from ..audience import Audience, Catalog, Moment, condition, with_segment_ids
from ..audience.problems import audience_at
from ..core.read import Prepared, Reader
from . import queries

_FEW: Final = 20_000
"""So few customers are looked up one by one in what belongs to them."""


async def meant(
    tree: Audience, reads: Reader, catalog: Catalog, moment: Moment, pointer: str, part: str = "body"
) -> ColumnElement[bool]:
    """Answer the condition that an audience is, which stands at a place of the request. Errors: InvalidAudience."""
    with audience_at(pointer, part=part):
        return condition(await with_segment_ids(tree, catalog, reads), catalog, moment)


async def are_few(
    conditions: Sequence[ColumnElement[bool]], reads: Reader, values: Mapping[str, Any] | None = None
) -> bool:
    """Say whether the planner expects that few customers meet conditions."""
    return await count_rows("estimate", Prepared(queries.count_of(conditions)), reads, dict(values or {})) < _FEW


async def count_rows(how: str, statement: Prepared, reads: Reader, values: dict[str, Any]) -> int:
    """Count rows exactly, or as the planner estimates them without looking."""
    if how == "exact":
        row = await reads.row(statement, **values)
        return 0 if row is None else int(row["count"])
    plan = await reads.pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values))
    return int(orjson.loads(plan)[0]["Plan"]["Plans"][0]["Plan Rows"])
