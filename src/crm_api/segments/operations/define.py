"""Defining a segment."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import LANGUAGE_VERSION, Audience, Catalog, print_text, write_tree
from ...core.clock import now
from ...core.ids import new_id
from ...core.text import normalized
from ...core.trail import emit, record
from ..models import Segment, SegmentVersion
from ..problems import SegmentNameTaken
from ..schemas import SegmentCreate
from .approve import approve


async def define(session: AsyncSession, who: Principal, wish: SegmentCreate, catalog: Catalog) -> UUID:
    """Save an audience under a name; nobody is in the segment before its first build.

    Errors: InvalidAudience, SegmentNameTaken.
    """
    definition = await approve(session, wish.definition, catalog, "/definition")
    at = now()
    row = insert(Segment).values(
        id=new_id(),
        name=wish.name,
        name_normalized=normalized(wish.name),
        description=wish.description,
        definition_version=1,
        status="draft",
        current_build=0,
        version=1,
        created_at=at,
        updated_at=at,
    )
    unique = row.on_conflict_do_nothing(index_elements=["name_normalized"], index_where=text("archived_at IS NULL"))
    made: UUID | None = await session.scalar(unique.returning(Segment.id))
    if made is None:
        raise await name_taken(session, wish.name)
    add_version(session, who, made, 1, definition)
    record(session, who.client_id, "segment.defined", ("segment", made))
    emit(session, "segment.defined", {"id": str(made), "name": wish.name})
    return made


def add_version(session: AsyncSession, who: Principal, segment_id: UUID, number: int, definition: Audience) -> None:
    """Keep what a segment means from now on."""
    session.add(
        SegmentVersion(
            segment_id=segment_id,
            number=number,
            definition=write_tree(definition),
            definition_text=print_text(definition),
            language_version=LANGUAGE_VERSION,
            created_by=who.client_id,
            created_at=now(),
        )
    )


async def name_taken(session: AsyncSession, name: str) -> SegmentNameTaken:
    """Make the problem of a name that another segment has."""
    owner = await session.scalar(
        select(Segment.id).where(Segment.name_normalized == normalized(name), Segment.archived_at.is_(None))
    )
    return SegmentNameTaken(f"Another segment is called {name}", existing_id=None if owner is None else str(owner))
