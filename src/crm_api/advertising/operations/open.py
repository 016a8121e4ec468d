"""Opening an audience at a destination, and ending it."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.ids import new_id
from ...core.trail import emit, record
from ...privacy.models import Purpose
from ...privacy.rules import purpose_unknown
from ...segments.models import Segment
from ...segments.problems import SegmentArchived, SegmentNotFound
from ..models import AdvertisingAudience, AdvertisingExport
from ..problems import AdvertisingAudienceNotFound
from ..schemas import AdvertisingAudienceWish


async def open_audience(
    session: AsyncSession, who: Principal, segment_id: UUID, wish: AdvertisingAudienceWish
) -> AdvertisingAudience:
    """Give a segment an audience; nothing is handed over by it. Errors: SegmentNotFound, SegmentArchived,
    PurposeUnknown.
    """
    segment = await session.get(Segment, segment_id)
    if segment is None:
        raise SegmentNotFound(f"No segment has the id {segment_id}")
    if segment.archived_at is not None:
        raise SegmentArchived(f"{segment.name} was archived")
    declared = list(await session.scalars(select(Purpose.name)))
    if wish.purpose not in declared:
        raise purpose_unknown(wish.purpose, declared)
    audience = AdvertisingAudience(
        id=new_id(),
        segment_id=segment_id,
        destination=wish.destination,
        purpose=wish.purpose,
        identifiers=sorted(wish.identifiers),
        phone_form=wish.phone_form,
        last_export=0,
        acknowledged_export=0,
        created_at=now(),
        created_by=who.client_id,
        ended_at=None,
    )
    session.add(audience)
    told = {"segment_id": str(segment_id), **wish.model_dump()}
    record(session, who.client_id, "advertising-audience.opened", ("advertising_audience", audience.id), changes=told)
    emit(session, "advertising-audience.opened", {"id": str(audience.id), "segment_id": str(segment_id)})
    return audience


async def end_audience(session: AsyncSession, who: Principal, audience_id: UUID) -> None:
    """Let the next export take everybody out, and none put anybody in again. Ending again changes nothing.

    Errors: AdvertisingAudienceNotFound.
    """
    audience = await locked(session, audience_id)
    if audience.ended_at is None:
        audience.ended_at = now()
        last = await session.get(AdvertisingExport, (audience_id, audience.last_export))
        if last is not None and last.status == "ready":
            last.status = "replaced"  # one that is being made will find the audience ended
        record(session, who.client_id, "advertising-audience.ended", ("advertising_audience", audience_id))
        told = {"id": str(audience_id), "segment_id": str(audience.segment_id)}
        emit(session, "advertising-audience.ended", told)


async def locked(session: AsyncSession, audience_id: UUID) -> AdvertisingAudience:
    """Lock an audience for a change. Errors: AdvertisingAudienceNotFound."""
    audience = await session.get(AdvertisingAudience, audience_id, with_for_update=True)
    if audience is None:
        raise AdvertisingAudienceNotFound(f"No advertising audience has the id {audience_id}")
    return audience
