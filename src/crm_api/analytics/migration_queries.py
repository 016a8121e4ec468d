"""Statements about how customers moved between two runs."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Subquery, Uuid, bindparam, func, select, tuple_

from ..core.read import Prepared, Reader
from .models import SCORES, AnalyticsRun
from .outputs import OUTPUTS, PROFILED, Output
from .problems import NothingPublished
from .score_queries import Document, chosen_run

CLASSES: Final = {
    model: names
    for model, output in PROFILED.items()
    if output.key is None and (names := [each.name for each in output.values if each.kind in ("score", "choice")])
}
"""By model the values that put each customer into one of a few classes, one row a customer."""
_BEFORE: Final = Prepared(
    select(AnalyticsRun.id)
    .where(AnalyticsRun.model == bindparam("model"), AnalyticsRun.state == "published")
    .where(AnalyticsRun.id < bindparam("run_id", type_=Uuid))
    .order_by(AnalyticsRun.id.desc())
    .limit(1)
)


async def read_migration(reader: Reader, model: str, run_id: UUID | None, against_run_id: UUID | None) -> Document:
    """Count the customers of two runs by what each of them says. Errors: RunNotFound, NothingPublished, RowsDropped."""
    later = await chosen_run(reader, model, run_id, None)
    if against_run_id is None:
        before = await reader.row(_BEFORE, model=model, run_id=later["id"])
        if before is None:
            raise NothingPublished(f"No run of {model} was published before {later['id']}")
        against_run_id = before["id"]
    earlier = await chosen_run(reader, model, against_run_id, None)
    rows = await reader.rows(_counted(model), run_id=later["id"], against_run_id=earlier["id"])
    return {
        "run_id": later["id"],
        "against_run_id": earlier["id"],
        "model": model,
        "as_of": later["as_of"],
        "against_as_of": earlier["as_of"],
        "data": [_told(name, [row for row in rows if not row[f"no_{name}"]]) for name in CLASSES[model]],
    }


@lru_cache
def _counted(model: str) -> Prepared:
    """Customers of either run by each of the model's values in both; binds `run_id` and `against_run_id`.

    One reading of the rows counts them by every value: of a row that is not about a value, `no_…` is 1.
    """
    after, before = _classes(OUTPUTS[model], "run_id"), _classes(OUTPUTS[model], "against_run_id")
    pairs = {name: (before.c[name], after.c[name]) for name in CLASSES[model]}
    told = [
        column
        for name, (was, is_now) in pairs.items()
        for column in (
            was.label(f"{name}_before"),
            is_now.label(f"{name}_after"),
            func.grouping(was, is_now).label(f"no_{name}"),
        )
    ]
    both = after.join(before, before.c.customer_id == after.c.customer_id, full=True)
    by_each = func.grouping_sets(*(tuple_(*pair) for pair in pairs.values()))
    return Prepared(select(*told, func.count().label("customer_count")).select_from(both).group_by(by_each))


def _classes(output: Output, run: str) -> Subquery:
    kept = SCORES[output.model].c
    its = select(kept.customer_id, *(kept[name] for name in CLASSES[output.model]))
    return its.where(kept.run_id == bindparam(run, type_=Uuid)).subquery(f"of_{run}")


def _told(name: str, rows: list[Mapping[str, Any]]) -> Document:
    counted = [(row[f"{name}_before"], row[f"{name}_after"], row["customer_count"]) for row in rows]
    moves = [move for move in counted if move[:2] != (None, None)]
    return {
        "value": name,
        "moved_count": sum(count for was, is_now, count in moves if None not in (was, is_now) and was != is_now),
        "moves": [
            {"before": was, "after": is_now, "customer_count": count}
            for was, is_now, count in sorted(moves, key=_place)
        ],
    }


def _place(move: tuple[Any, Any, int]) -> list[tuple[bool, Any]]:
    """Those of nobody last, scores by size, classes by name."""
    return [(value is None, "" if value is None else value) for value in move[:2]]
