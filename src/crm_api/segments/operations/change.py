"""Changing a segment: its words, what it means, and putting it away."""

from typing import Final
from uuid import UUID

from pydantic import MISSING
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Audience, Catalog, write_tree
from ...core.clock import now
from ...core.etags import check_version
from ...core.text import normalized
from ...core.trail import emit, record, savepoint
from ..models import Segment, SegmentVersion
from ..problems import SegmentArchived, SegmentNotFound
from ..queries import written_segment
from ..schemas import SegmentPatch
from .approve import approve, check_cycle
from .define import add_version, name_taken
from .watching import keep_watching

_REFERENCES_LOCK: Final = 0x5E65_0001


async def change(
    session: AsyncSession,
    who: Principal,
    segment_id: UUID,
    wish: SegmentPatch,
    catalog: Catalog,
    if_match: str | None,
) -> None:
    """Change a segment; another definition becomes its next version, and the members stay until the next build.

    Errors: SegmentNotFound, SegmentArchived, VersionMismatch, InvalidAudience, SegmentCycle, SegmentNameTaken.
    """
    segment = await locked(session, segment_id, if_match)
    if segment.archived_at is not None:
        raise SegmentArchived(f"{segment.name} was archived")
    changed = []
    if wish.name is not MISSING and wish.name != segment.name:
        await _rename(session, segment, wish.name)
        changed.append("name")
    if wish.description is not MISSING and wish.description != segment.description:
        segment.description = wish.description
        changed.append("description")
    if wish.definition is not MISSING and await _redefine(session, who, segment, wish.definition, catalog):
        changed.append("definition")
    if changed:
        raise_version(segment)
        told = {"version": segment.version, "changed": changed}
        record(session, who.client_id, "segment.changed", ("segment", segment.id), changes=told)
        emit(session, "segment.changed", {"id": str(segment.id), **told})


async def archive(session: AsyncSession, who: Principal, segment_id: UUID, if_match: str | None) -> None:
    """Put a segment away; its name is free again. Archiving again changes nothing.

    Errors: SegmentNotFound, VersionMismatch.
    """
    segment = await locked(session, segment_id, if_match)
    if segment.archived_at is None:
        segment.archived_at = now()
        await keep_watching(session, segment_id, ())
        raise_version(segment)
        record(session, who.client_id, "segment.archived", ("segment", segment.id))
        emit(session, "segment.archived", {"id": str(segment.id), "version": segment.version})


async def locked(session: AsyncSession, segment_id: UUID, if_match: str | None = None) -> Segment:
    """Lock a segment for a change. Errors: SegmentNotFound, VersionMismatch."""
    segment = await session.get(Segment, segment_id, with_for_update=True)
    if segment is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    if if_match is not None:
        check_version(if_match, segment.version, await written_segment(session, segment_id))
    return segment


def raise_version(segment: Segment) -> None:
    """Make it the next version of the segment."""
    segment.version += 1
    segment.updated_at = now()


async def _rename(session: AsyncSession, segment: Segment, name: str) -> None:
    try:
        async with savepoint(session):
            segment.name, segment.name_normalized = name, normalized(name)
            await session.flush()
    except IntegrityError:
        raise await name_taken(session, name) from None


async def _redefine(
    session: AsyncSession, who: Principal, segment: Segment, definition: Audience, catalog: Catalog
) -> bool:
    """Make a definition the segment's next version; says whether it is another than the present one."""
    approved = await approve(session, definition, catalog, "/definition")
    present = await session.get_one(SegmentVersion, (segment.id, segment.definition_version))
    if write_tree(approved) == present.definition:
        return False
    # Two changes must not close a cycle together.
    await session.execute(select(func.pg_advisory_xact_lock(_REFERENCES_LOCK)))
    await check_cycle(session, segment.id, approved, "/definition")
    segment.definition_version += 1
    add_version(session, who, segment.id, segment.definition_version, approved)
    return True
