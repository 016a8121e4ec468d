"""Where uploaded rows are looked at before they count: statements over a temporary table, one per upload.

Those that every part needs are made once for each table: to write them anew took 5 ms, in which nobody is answered.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Delete,
    Insert,
    Integer,
    Label,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    collate,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from ..customers.models import Customer
from .models import SCORES, AnalyticsRunPart
from .outputs import OUTPUTS
from .queries import was_active
from .score_tables import ScoreColumn, ScoreTable

MOST_FINDINGS: Final = 20
_FIRST: Final[ColumnElement[UUID]] = bindparam("first", type_=Uuid)
_LAST: Final[ColumnElement[UUID]] = bindparam("last", type_=Uuid)
_WATERMARK: Final[ColumnElement[datetime]] = bindparam("watermark", type_=DateTime(timezone=True))
_OF_RUN: Final[ColumnElement[UUID]] = bindparam("of_run", type_=Uuid)
_AS_PART: Final[ColumnElement[int]] = bindparam("as_part", type_=Integer)


def malformed(table: ScoreTable) -> Select[Any]:
    """Lines that break the form of a row: their numbers from 0, and for each column whether it is wrong."""
    faults = [_fault(table, column) for column in table.columns]
    lines = select(_index(table)).add_columns(*faults).where(or_(*(fault.element for fault in faults)))
    return lines.order_by(table.staged.c.line).limit(MOST_FINDINGS)


def _fault(table: ScoreTable, column: ScoreColumn) -> Label[bool]:
    value = table.staged.c[column.name]
    is_scored = table.staged.c.status == "ok"
    is_wrong = column.is_right(value).is_not(true())
    fault: ColumnElement[bool] = is_wrong
    if column.given == "scored":
        fault = case((is_scored, is_wrong), else_=value.is_not(None))
    elif column.given == "unscored":
        fault = case((is_scored, value.is_not(None)), else_=is_wrong)
    elif column.given == "sometimes":
        fault = and_(value.is_not(None), is_wrong)
    return fault.label(column.name)


def repeated(table: ScoreTable) -> Select[Any]:
    """Lines about what an earlier line is about: the customer, and the key where there is one."""
    staged = table.staged
    first = func.min(staged.c.line).over(partition_by=[staged.c[name] for name in table.output.identity])
    numbered = select(staged.c.line, first.label("first")).subquery()
    later = select((numbered.c.line - 1).label("index"), (numbered.c.first - 1).label("first"))
    return later.where(numbered.c.line > numbered.c.first).order_by(numbered.c.line).limit(MOST_FINDINGS)


@cache
def extent(table: ScoreTable) -> Select[Any]:
    """How many rows there are, how many of them are scored, what others are, and between which customers they lie."""
    staged = table.staged
    is_whose = table.output.subject is None
    whose = cast(staged.c.customer_id, Text) if is_whose else cast(null(), Text)
    scored, others = func.count().filter(staged.c.status == "ok"), staged.c.status != "ok"
    ids = collate(whose, "C")  # sorts as the ids do; PostgreSQL 15 has no least id
    return select(
        func.count().label("row_count"),
        scored.label("scored_count"),
        func.max(staged.c.status).filter(others).label("unscored_status"),
        func.max(staged.c.reason).filter(others).label("unscored_reason"),
        cast(func.min(ids), Uuid).label("first"),
        cast(func.max(ids), Uuid).label("last"),
    )


def about(part: AnalyticsRunPart, watermark: datetime) -> Mapping[str, Any]:
    """What the statements about one part want to know: between which customers its rows lie, and what it is part of."""
    return {
        "first": part.first_customer_id,
        "last": part.last_customer_id,
        "watermark": watermark,
        "of_run": part.run_id,
        "as_part": part.part,
    }


def strangers(table: ScoreTable) -> Select[Any]:
    """Lines about customers whom the run is not about: there are none with these ids, or they were archived."""
    lines = select(_index(table)).where(_is_stranger(table))
    return lines.order_by(table.staged.c.line).limit(MOST_FINDINGS)


def _is_stranger(table: ScoreTable) -> ColumnElement[bool]:
    """Two questions, each answered by an index alone: is there such a customer, and is it one of the few archived."""
    known = select(Customer.customer_id).where(_is_theirs(table))
    return or_(~known.correlate(table.staged).exists(), _is_archived(table))


def _is_theirs(table: ScoreTable) -> ColumnElement[bool]:
    """Between the first and the last: of many rows, that part of the key is read once beside them."""
    return and_(Customer.customer_id == table.staged.c.customer_id, Customer.customer_id.between(_FIRST, _LAST))


def _is_archived(table: ScoreTable) -> ColumnElement[bool]:
    whom = aliased(Customer)
    gone = select(whom.customer_id).where(
        whom.customer_id == table.staged.c.customer_id, whom.archived_at.is_not(None), ~was_active(_WATERMARK, whom)
    )
    return gone.correlate(table.staged).exists()


@cache
def welcome_count(table: ScoreTable) -> Select[*tuple[Any, ...]]:
    """How many rows are about somebody the run is about; all, when they are about no customer. Asked of all in one
    join; asked of each row while it was kept, it took as long as to keep it.
    """
    if table.output.subject is not None:
        return select(func.count()).select_from(table.staged)
    known = select(func.count()).select_from(table.staged).join(Customer, _is_theirs(table))
    return known.where(~_is_archived(table))


@cache
def keep(table: ScoreTable) -> Insert:
    """Move the staged rows that are right, all of them about the run's customers (`welcome_count`), to where they are
    kept; fails when there are rows of a customer already.

    When it fails or moves fewer rows than were staged, the statements above and `already_kept` tell why. ON CONFLICT
    would spare the failure and take twice as long.
    """
    staged = table.staged
    values = {column.stored.key: column.kept(staged.c[column.name]) for column in table.columns}
    rows = select(_OF_RUN, _AS_PART, *values.values())
    faults = [_fault(table, column).element for column in table.columns]
    right = rows.where(~or_(*faults))
    return insert(table.kept).from_select(["run_id", "part", *values], right)


def already_kept(table: ScoreTable, run_id: UUID, part: int) -> Select[Any]:
    """Lines about what another part of the run has rows of."""
    staged = table.staged
    is_same = and_(*(column == staged.c[column.name] for column in table.identity))
    lines = select(_index(table)).add_columns(table.part.label("other_part")).join_from(staged, table.kept, is_same)
    lines = lines.where(table.run_id == run_id, table.part != part)
    return lines.order_by(staged.c.line).limit(MOST_FINDINGS)


def drop_part(part: AnalyticsRunPart, model: str) -> Delete:
    """Delete the rows of a part, found by the key: between its first and last customer, if it is about customers."""
    kept = SCORES[model].c
    if OUTPUTS[model].subject is not None:
        return delete(SCORES[model]).where(kept.run_id == part.run_id, kept.part == part.part)
    between = kept.customer_id.between(literal(part.first_customer_id, Uuid), literal(part.last_customer_id, Uuid))
    return delete(SCORES[model]).where(between, kept.run_id == part.run_id, kept.part == part.part)


def expected(column: ScoreColumn) -> str:
    """Say what a column wants."""
    when = {"scored": "; only with status ok", "unscored": "; only without status ok", "sometimes": ", or empty"}
    return f"{column.name} is {column.expected}{when.get(column.given, '')}"


def _index(table: ScoreTable) -> Label[int]:
    return (table.staged.c.line - 1).label("index")
