"""Planning a definition before it is published: who would enter, who would leave, and who uses the segment."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Select, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Audience, Catalog, Moment, condition, print_text, read_tree, with_segment_ids, write_tree
from ...audience.problems import audience_at
from ...core.read import Prepared, Reader
from ...customers.models import Customer
from .. import queries
from ..models import Membership, Segment
from ..problems import SegmentNotFound
from .approve import check_cycle
from .preview import SAMPLE_SIZE

Rows = Select[*tuple[Any, ...]]
Uses = Callable[[Reader, UUID], Awaitable[Sequence[dict[str, Any]]]]
"""Answers who in a domain uses a segment: type, id, name."""


async def plan(
    session: AsyncSession,
    reader: Reader,
    segment_id: UUID,
    wish: Audience | None,
    catalog: Catalog,
    moment: Moment,
    uses: Sequence[Uses],
) -> dict[str, Any]:
    """Say what a build would do now, by another definition or by the newest one; nothing is changed.

    Errors: SegmentNotFound, InvalidAudience, SegmentCycle.
    """
    segment = await reader.row(queries.ONE_SEGMENT, segment_id=segment_id)
    if segment is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    definition = read_tree(orjson.loads(segment["definition"])) if wish is None else wish
    with audience_at("/definition"):
        definition = await with_segment_ids(definition, catalog, reader)
        meant = condition(definition, catalog, moment)
    if wish is not None:
        await check_cycle(session, segment_id, definition, "/definition")
    wanted, present = queries.matching(meant), _present(segment_id)
    counted = await reader.row(Prepared(_counts(wanted, present)))
    return {
        **(dict(counted) if counted else {}),
        "entering": [dict(row) for row in await reader.rows(Prepared(_some_of(wanted, present)))],
        "leaving": [dict(row) for row in await reader.rows(Prepared(_some_of(present, wanted)))],
        "used_by": [use for of_domain in uses for use in await of_domain(reader, segment_id)],
        "definition": write_tree(definition),
        "definition_text": print_text(definition),
        "as_of": moment.now,
    }


def _present(segment_id: UUID) -> Rows:
    return (
        select(Membership.customer_id)
        .join_from(Membership, Segment, Segment.id == Membership.segment_id)
        .where(Membership.segment_id == literal(segment_id), queries.visible_membership())
    )


def _counts(these: Rows, others: Rows) -> Rows:
    wanted, present = these.subquery("wanted"), others.subquery("present")
    both = wanted.join(present, wanted.c.customer_id == present.c.customer_id, full=True)
    missing, gone = present.c.customer_id.is_(None), wanted.c.customer_id.is_(None)
    return select(
        func.count(present.c.customer_id).label("members"),
        func.count().filter(missing).label("enter_count"),
        func.count().filter(gone).label("leave_count"),
        func.count().filter(~or_(missing, gone)).label("stay_count"),
    ).select_from(both)


def _some_of(these: Rows, others: Rows) -> Rows:
    """Answer some customers who are among these and not among others."""
    here, there = these.subquery("here"), others.subquery("there")
    return (
        select(Customer.customer_id.label("id"), Customer.kind, Customer.display_name)
        .join_from(here, Customer, Customer.customer_id == here.c.customer_id)
        .outerjoin(there, there.c.customer_id == here.c.customer_id)
        .where(there.c.customer_id.is_(None))
        .order_by(Customer.customer_id)
        .limit(SAMPLE_SIZE)
    )
