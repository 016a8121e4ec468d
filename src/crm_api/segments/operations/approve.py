"""Letting an audience through that is to be saved: it fits the field catalog, and the segments in it exist."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Audience, AudienceRefused, Catalog, Finding, checked, read_tree, with_segment_ids
from ...audience.problems import audience_at, findings_in
from ...core.db import driver
from ...core.read import Reader
from ..models import Segment, SegmentVersion
from ..problems import SegmentCycle
from ..rules import cycle, references


async def approve(
    session: AsyncSession, tree: Audience, catalog: Catalog, pointer: str, *, live: bool = False
) -> Audience:
    """Answer the audience to be stored for one that stands at a place of the body: `approve(…, "/definition")`.

    live: it is decided while somebody waits, and so may ask for the context that is told then.

    Errors: InvalidAudience.
    """
    with audience_at(pointer):
        named = await with_segment_ids(tree, catalog, Reader(await driver(session)))
        approved = checked(named, catalog, live=live)
        await _check_references(session, approved)
    return approved


async def _check_references(session: AsyncSession, tree: Audience) -> None:
    wanted = list(references(tree))
    if not wanted:
        return
    there = set(await session.scalars(select(Segment.id).where(_is_among(Segment.id, {each for _, each in wanted}))))
    if missing := [(place, segment) for place, segment in wanted if segment not in there]:
        raise AudienceRefused(
            [Finding(place, "unknown-segment", f"No segment has the id {segment}") for place, segment in missing[:20]],
            tree,
        )


async def check_cycle(session: AsyncSession, segment_id: UUID, definition: Audience, pointer: str) -> None:
    """Refuse a definition from which references lead back to the segment. Errors: SegmentCycle, naming the way."""
    referred = {segment_id: frozenset(other for _, other in references(definition))}
    waiting = set(referred[segment_id])
    while waiting := waiting - set(referred):
        found = await _references_of(session, waiting)
        referred |= found
        waiting = {other for others in found.values() for other in others}
    way = cycle(segment_id, referred)
    if way is not None:
        names = await _names(session, way)
        told = " → ".join(names)
        place = next(place for place, other in references(definition) if other == way[1])
        (fault,) = findings_in(definition, [Finding(place, "segment-cycle", told)], pointer)
        raise SegmentCycle(f"The way leads back: {told}", errors=[fault], cycle=names)


async def _references_of(session: AsyncSession, segments: set[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Answer what segments refer to by their present definitions and by those their members are kept right by."""
    number = SegmentVersion.number
    may_be_published = (Segment.status == "building") & (number > func.coalesce(Segment.built_version, 0))
    in_use = or_(number == Segment.definition_version, number == Segment.built_version, may_be_published)
    rows = await session.execute(
        select(Segment.id, SegmentVersion.definition)
        .join(SegmentVersion, SegmentVersion.segment_id == Segment.id)
        .where(_is_among(Segment.id, segments), in_use)
    )
    found = dict.fromkeys(segments, frozenset[UUID]())
    for id_, tree in rows:
        found[id_] |= {other for _, other in references(read_tree(tree))}
    return found


async def _names(session: AsyncSession, way: list[UUID]) -> list[str]:
    rows = await session.execute(select(Segment.id, Segment.name).where(_is_among(Segment.id, set(way))))
    names = {row.id: row.name for row in rows}
    return [names[id_] for id_ in way]


def _is_among(column: Any, ids: set[UUID]) -> Any:
    return column == any_(literal(sorted(ids), ARRAY(Uuid)))
