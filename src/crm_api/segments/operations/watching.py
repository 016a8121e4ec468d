"""What a segment waits for: writes of its topics, and the passing of time."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...audience import Audience, Moment, read_tree, rolling_windows
from .. import live_queries
from ..models import SegmentVersion
from ..queries import Customers


async def meaning(session: AsyncSession, segment_id: UUID, version: int | None) -> Audience:
    """Read what a segment means in a version."""
    return read_tree((await session.get_one(SegmentVersion, (segment_id, version))).definition)


async def note_windows(
    session: AsyncSession, segment_id: UUID, tree: Audience, part: Customers, moment: Moment
) -> None:
    """Note when windows of hours and minutes move over what customers did."""
    for kind, text in sorted(rolling_windows(tree)):
        await session.execute(live_queries.windows_end(segment_id, kind, text, part, moment))


async def watch(session: AsyncSession, segment_id: UUID, topics: Collection[str]) -> bool:
    """Have writes marked that a segment depends on; says whether some were not marked before.

    What it depended on before is marked until its next version is published.
    """
    await session.execute(live_queries.LOCK_TOPICS)
    added = await session.execute(live_queries.WATCH, {"segment_id": segment_id, "topics": sorted(topics)})
    await session.execute(live_queries.WATCH_TOPICS, {"topics": sorted(topics)})
    return bool(added.all())


async def keep_watching(session: AsyncSession, segment_id: UUID, topics: Collection[str]) -> None:
    """Have nothing else marked for a segment any more; nothing at all once it is archived."""
    await session.execute(live_queries.LOCK_TOPICS)
    await session.execute(live_queries.WATCH_NO_MORE, {"segment_id": segment_id, "topics": sorted(topics)})
    await session.execute(live_queries.UNWATCHED_TOPICS)
