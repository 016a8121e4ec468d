"""Statements about segments and their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Delete,
    Integer,
    Select,
    Text,
    Update,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Insert

from ..core.read import Prepared, Reader
from ..core.streams import instant_text
from ..customers.models import Customer
from ..customers.ranges import Range
from .models import Membership, Segment, SegmentVersion


def visible_membership(build: Any = Segment.current_build) -> ColumnElement[bool]:
    """Answer the condition on a membership that holds at a build, the published one of its segment if none is given."""
    return and_(Membership.entered_build <= build, or_(Membership.left_build.is_(None), Membership.left_build > build))


def was_member() -> ColumnElement[bool]:
    """Answer the condition on a membership that held at an instant, as published builds tell it; binds `as_of`."""
    when = bindparam("as_of", type_=DateTime(timezone=True))
    ended_later = or_(
        Membership.left_at.is_(None), Membership.left_at > when, Membership.left_build > Segment.current_build
    )
    return and_(Membership.entered_build <= Segment.current_build, Membership.entered_at <= when, ended_later)


def present_customers() -> ColumnElement[bool]:
    """Answer the condition on customers who can be in a segment at all."""
    return Customer.archived_at.is_(None)


SEGMENT: Final[Select[*tuple[Any, ...]]] = (
    select(
        Segment.id,
        Segment.name,
        Segment.description,
        SegmentVersion.definition,
        SegmentVersion.definition_text,
        Segment.definition_version,
        SegmentVersion.language_version,
        Segment.status,
        Segment.current_build.label("build"),
        Segment.built_version,
        Segment.built_at,
        Segment.changed_at,
        Segment.member_count,
        Segment.checked_at,
        Segment.drift_count,
        Segment.job_id,
        Segment.version,
        Segment.created_at,
        Segment.updated_at,
        Segment.archived_at,
    )
    .join_from(Segment, SegmentVersion, SegmentVersion.segment_id == Segment.id)
    .where(SegmentVersion.number == Segment.definition_version)
)
MEMBER_COUNT: Final = Prepared(select(Segment.member_count).where(Segment.id == bindparam("segment_id", type_=Uuid)))
_NAMES: Final[Select[*tuple[Any, ...]]] = select(Segment.id, Segment.name, Segment.name_normalized)
NAMES: Final = Prepared(_NAMES.where(Segment.archived_at.is_(None)))
ONE_SEGMENT: Final = Prepared(SEGMENT.where(Segment.id == bindparam("segment_id", type_=Uuid)))
IS_CUSTOMER: Final = Prepared(
    select(Customer.customer_id).where(Customer.customer_id == bindparam("customer_id", type_=Uuid))
)

KNOWN_CUSTOMERS: Final = text("SELECT CAST(reltuples AS bigint) FROM pg_class WHERE oid = CAST('customer' AS regclass)")
"""How many customers there were when the table was last looked through by PostgreSQL; below 1 when it cannot tell."""


async def written_segment(session: AsyncSession, segment_id: UUID) -> dict[str, Any]:
    """Read a segment inside the transaction that changed it."""
    await session.flush()
    row = (await session.execute(SEGMENT.where(Segment.id == segment_id))).mappings().one()
    return dict(row)


@lru_cache
def listed(*, by_status: bool, archived: bool, after: bool) -> Prepared:
    """List segments, the newest first; binds `status` and `after` (an id) as wanted, and `limit`."""
    statement = SEGMENT.order_by(Segment.id.desc()).limit(bindparam("limit"))
    if by_status:
        statement = statement.where(Segment.status == bindparam("status", type_=Text))
    if not archived:
        statement = statement.where(Segment.archived_at.is_(None))
    if after:
        statement = statement.where(Segment.id < bindparam("after", type_=Uuid))
    return Prepared(statement)


@lru_cache
def versions(*, after: bool) -> Prepared:
    """List the versions of a definition, the newest first; binds `segment_id`, `after` (a number) and `limit`."""
    statement = (
        select(
            SegmentVersion.number,
            SegmentVersion.definition,
            SegmentVersion.definition_text,
            SegmentVersion.language_version,
            SegmentVersion.created_by,
            SegmentVersion.created_at,
        )
        .where(SegmentVersion.segment_id == bindparam("segment_id", type_=Uuid))
        .order_by(SegmentVersion.number.desc())
        .limit(bindparam("limit"))
    )
    if after:
        statement = statement.where(SegmentVersion.number < bindparam("after", type_=Integer))
    return Prepared(statement)


def members(*, past: bool = False) -> Select[*tuple[Any, ...]]:
    """Answer the members of the published build of a segment, or those of the past; binds `segment_id`, and of the past
    `as_of`.
    """
    return (
        select(
            Membership.customer_id,
            Customer.kind,
            Customer.display_name,
            Membership.entered_at,
            Membership.entered_build,
        )
        .join_from(Membership, Segment, Segment.id == Membership.segment_id)
        .join(Customer, Customer.customer_id == Membership.customer_id)
        .where(
            Membership.segment_id == bindparam("segment_id", type_=Uuid),
            was_member() if past else visible_membership(),
        )
    )


def exported(segment_id: UUID, as_of: datetime | None) -> Select[*tuple[Any, ...]]:
    """Answer all members of a segment, as the lines of a stream."""
    statement = members(past=as_of is not None).with_only_columns(
        Membership.customer_id,
        Customer.kind,
        Customer.display_name,
        instant_text(Membership.entered_at).label("entered_at"),
        Membership.entered_build,
    )
    given = {"segment_id": segment_id} | ({} if as_of is None else {"as_of": as_of})
    return statement.order_by(Membership.customer_id).params(given)


@lru_cache
def members_page(*, after: bool, past: bool) -> Prepared:
    """List members in order of their ids; binds `segment_id`, `after` (a customer's id), `as_of` and `limit`."""
    statement = members(past=past).order_by(Membership.customer_id).limit(bindparam("limit"))
    if after:
        statement = statement.where(Membership.customer_id > bindparam("after", type_=Uuid))
    return Prepared(statement)


@lru_cache
def counted_members(*, past: bool) -> Prepared:
    """Count members; binds `segment_id`, and of the past `as_of`."""
    return Prepared(members(past=past).with_only_columns(func.count()))


OF_CUSTOMER: Final[Select[*tuple[Any, ...]]] = (
    select(
        Membership.segment_id,
        Segment.name,
        Membership.entered_at,
        Segment.current_build.label("build"),
        Segment.built_at,
    )
    .join_from(Membership, Segment, Segment.id == Membership.segment_id)
    .where(
        Membership.customer_id == bindparam("customer_id", type_=Uuid),
        Segment.archived_at.is_(None),
        visible_membership(),
    )
    .order_by(Membership.segment_id)
)
"""The segments a customer is in; binds `customer_id`."""


@lru_cache
def segments_of_customer(*, after: bool) -> Prepared:
    """List the segments a customer is in; binds `customer_id`, `after` (a segment's id) and `limit`."""
    statement = OF_CUSTOMER.limit(bindparam("limit"))
    if after:
        statement = statement.where(Membership.segment_id > bindparam("after", type_=Uuid))
    return Prepared(statement)


async def uses_of_segment(reader: Reader, segment_id: UUID) -> Sequence[dict[str, Any]]:
    """Answer the segments that refer to a segment, by their present or their published definition."""
    rows = await reader.rows(_REFERRING, needle=f"%{segment_id}%")
    return [{"type": "segment", **row} for row in rows]


_NAMED: Final[Select[*tuple[Any, ...]]] = select(Segment.id, Segment.name)
_REFERRING: Final = Prepared(
    _NAMED.join_from(Segment, SegmentVersion, SegmentVersion.segment_id == Segment.id)
    .where(
        or_(SegmentVersion.number == Segment.definition_version, SegmentVersion.number == Segment.built_version),
        cast(SegmentVersion.definition, Text).like(bindparam("needle", type_=Text)),
        Segment.archived_at.is_(None),
    )
    .distinct()
    .order_by(Segment.name)
)


def matching(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Answer the customers that an audience means."""
    return select(Customer.customer_id).where(present_customers(), condition)


@dataclass(frozen=True, slots=True)
class Some:
    """Customers by their ids."""

    ids: Sequence[UUID]

    def of(self, column: Any) -> ColumnElement[bool]:
        """Answer the condition on a customer's id."""
        condition: ColumnElement[bool] = column == any_(literal(self.ids, ARRAY(Uuid)))
        return condition


Customers = Range | Some


def difference(
    segment_id: UUID, build: int, condition: ColumnElement[bool], part: Customers
) -> Select[*tuple[Any, ...]]:
    """Answer whom a build must let in and out to become what the audience says: two arrays of ids, or None.

    The audience is asked once. The ids pass through the service, since no statement that writes twice runs everywhere.
    """
    wanted = matching(and_(part.of(Customer.customer_id), condition)).subquery("wanted")
    present = (
        select(Membership.customer_id)
        .where(
            Membership.segment_id == segment_id,
            part.of(Membership.customer_id),
            visible_membership(literal(build, Integer())),
        )
        .subquery("present")
    )
    both = wanted.join(present, wanted.c.customer_id == present.c.customer_id, full=True)
    entering = func.array_agg(wanted.c.customer_id).filter(present.c.customer_id.is_(None))
    leaving = func.array_agg(present.c.customer_id).filter(wanted.c.customer_id.is_(None))
    return select(entering.label("entering"), leaving.label("leaving")).select_from(both)


def entries(segment_id: UUID, build: int, customer_ids: Sequence[UUID], at: datetime) -> Insert:
    """Let customers in with a build."""
    ids = func.unnest(literal(customer_ids, ARRAY(Uuid))).column_valued("customer_id")
    rows = select(
        ids,
        literal(segment_id, Uuid()),
        literal(build, Integer()),
        null(),
        literal(at, DateTime(timezone=True)),
        null(),
    )
    return insert(Membership).from_select(
        ["customer_id", "segment_id", "entered_build", "left_build", "entered_at", "left_at"], rows
    )


def exits(segment_id: UUID, build: int, customer_ids: Sequence[UUID], at: datetime) -> Update:
    """Let customers out with a build."""
    return (
        update(Membership)
        .where(
            Membership.segment_id == segment_id,
            Membership.customer_id == any_(literal(customer_ids, ARRAY(Uuid))),
            Membership.left_build.is_(None),
        )
        .values(left_build=build, left_at=at)
    )


def undoing(segment_id: UUID, build: int, part: Range) -> tuple[Delete, Update]:
    """Take back what builds after this one wrote and never published."""
    chosen = and_(Membership.segment_id == segment_id, part.of(Membership.customer_id))
    entered = delete(Membership).where(chosen, Membership.entered_build > build)
    left = update(Membership).where(chosen, Membership.left_build > build).values(left_build=None, left_at=None)
    return entered, left


def member_count(segment_id: UUID, build: int) -> Select[int]:
    """Count the members at a build."""
    at_build = visible_membership(literal(build, Integer()))
    return select(func.count()).select_from(Membership).where(Membership.segment_id == segment_id, at_build)
