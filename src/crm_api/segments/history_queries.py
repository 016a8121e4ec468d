"""Statements about how members came and went."""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    Date,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from ..core.read import Prepared
from ..core.streams import instant_text
from .models import Membership, Segment

_SEGMENT: Final = bindparam("segment_id", type_=Uuid)
_CUSTOMER: Final = bindparam("customer_id", type_=Uuid)


def _moves(*columns: Any) -> CompoundSelect[Any]:
    """Answer each entry and each exit of published builds; binds `segment_id`."""
    published = (Membership.segment_id == _SEGMENT, Segment.id == Membership.segment_id)
    entered = select(
        Membership.customer_id,
        literal("entered").label("change"),
        Membership.entered_at.label("at"),
        Membership.entered_build.label("build"),
        *columns,
    ).where(*published, Membership.entered_build <= Segment.current_build)
    left = select(
        Membership.customer_id,
        literal("exited").label("change"),
        Membership.left_at.label("at"),
        Membership.left_build.label("build"),
        *columns,
    ).where(*published, Membership.left_build <= Segment.current_build)
    return union_all(entered, left)


@lru_cache
def changes_page(*, after: bool) -> Prepared:
    """List changes in order of builds; binds `segment_id`, `after_build`, `limit`, and after a page `build`,
    `customer_id`, `change` of its last row.
    """
    moves = _moves().subquery()
    order = (moves.c.build, moves.c.customer_id, moves.c.change)
    statement = (
        select(moves)
        .where(moves.c.build > bindparam("after_build", type_=Integer))
        .order_by(*order)
        .limit(bindparam("limit"))
    )
    if after:
        last = tuple_(bindparam("build", type_=Integer), _CUSTOMER, bindparam("change", type_=Text))
        statement = statement.where(tuple_(*order) > last)
    return Prepared(statement)


def exported_changes(segment_id: UUID, after_build: int) -> Select[Any]:
    """Answer all changes after a build, as the lines of a stream."""
    moves = _moves().subquery()
    columns = (moves.c.customer_id, moves.c.change, instant_text(moves.c.at).label("at"), moves.c.build)
    statement = select(*columns).where(moves.c.build > literal(after_build, Integer))
    ordered = statement.order_by(moves.c.build, moves.c.customer_id, moves.c.change)
    return ordered.params(segment_id=segment_id)


def _days() -> Select[Any]:
    moves = _moves().subquery()
    day = cast(func.timezone(bindparam("zone", type_=Text), moves.c.at), Date)
    entered = func.count().filter(moves.c.change == "entered")
    exited = func.count().filter(moves.c.change == "exited")
    by_day = select(day.label("date"), entered.label("entered"), exited.label("exited")).group_by(day).subquery()
    size = func.sum(by_day.c.entered - by_day.c.exited).over(order_by=by_day.c.date)
    return select(by_day, cast(size, Integer).label("size"))


_SIZES = _days().subquery()
SIZES: Final = Prepared(
    select(_SIZES)
    .where(_SIZES.c.date >= bindparam("since", type_=Date), _SIZES.c.date < bindparam("until", type_=Date))
    .order_by(_SIZES.c.date)
    .limit(bindparam("limit"))
)
"""Each local date of the business on which somebody came or went, with how many, and how many there were after it;
binds `segment_id`, `zone`, `since`, `until`, `limit`.
"""
_TIMES: Final[Select[*tuple[Any, ...]]] = select(
    Membership.segment_id, Segment.name, Membership.entered_at, Membership.left_at
)
OF_CUSTOMER: Final = Prepared(
    _TIMES.join_from(Membership, Segment, Segment.id == Membership.segment_id)
    .where(
        Membership.customer_id == _CUSTOMER,
        Membership.entered_build <= Segment.current_build,
    )
    .order_by(Membership.entered_at.desc(), Membership.segment_id)
    .limit(bindparam("limit"))
)
"""The memberships a customer has and had, the newest first; binds `customer_id`, `limit`."""
