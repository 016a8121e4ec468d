"""The two steps of an export: it is made and read as often as need be, then acknowledged."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.trail import emit, record
from ...jobs.kinds import JobKind
from ...jobs.operations import enqueue
from .. import queries
from ..models import AdvertisingAudience, AdvertisingExport
from ..problems import AdvertisingExportClosed, AdvertisingExportNotFound, AdvertisingExportNotReady
from .open import locked

_UNSYNCHRONIZED = {"synchronize_session": False}


async def request_export(session: AsyncSession, who: Principal, kind: JobKind, audience_id: UUID) -> int:
    """Queue the next export, which takes the place of one that was not acknowledged, and answer its number; while one
    is being made, the number of that one. Errors: AdvertisingAudienceNotFound.
    """
    audience = await locked(session, audience_id)
    last = await session.get(AdvertisingExport, (audience_id, audience.last_export))
    if last is not None and last.status == "running":
        return last.number
    if last is not None and last.status == "ready":
        last.status = "replaced"
    number = audience.last_export + 1
    job = await enqueue(session, kind, {"audience_id": str(audience_id), "number": number}, by=who.client_id)
    audience.last_export = number
    export = AdvertisingExport(
        audience_id=audience_id,
        number=number,
        status="running",
        job_id=job.id,
        created_at=now(),
        created_by=who.client_id,
    )
    session.add(export)
    _record(session, who, "requested", export)
    return number


async def begin_reading(session: AsyncSession, who: Principal, audience_id: UUID, number: int) -> None:
    """Note that the identifiers of an export go out. Errors: those of `_open_export`."""
    _, export = await _open_export(session, audience_id, number)
    if export.read_at is None:
        export.read_at = now()
        _record(session, who, "read", export)


async def acknowledge(session: AsyncSession, who: Principal, audience_id: UUID, number: int) -> None:
    """Take what an export said for what the destination has. Acknowledging again changes nothing.

    Errors: those of `_open_export`.
    """
    audience, export = await _open_export(session, audience_id, number, even_acknowledged=True)
    if export.status != "acknowledged":
        export.status, export.acknowledged_at = "acknowledged", now()
        audience.acknowledged_export = number
        await session.execute(queries.removed(audience_id, number), execution_options=_UNSYNCHRONIZED)
        _record(session, who, "acknowledged", export)
        counts = {"addition_count": export.addition_count, "removal_count": export.removal_count}
        emit(session, "advertising-export.acknowledged", {"audience_id": str(audience_id), "number": number, **counts})


async def _open_export(
    session: AsyncSession, audience_id: UUID, number: int, *, even_acknowledged: bool = False
) -> tuple[AdvertisingAudience, AdvertisingExport]:
    """Answer the export that can be read and acknowledged now, locked by its audience.

    Errors: AdvertisingAudienceNotFound, AdvertisingExportNotFound, AdvertisingExportNotReady, AdvertisingExportClosed.
    """
    audience = await locked(session, audience_id)
    export = await session.get(AdvertisingExport, (audience_id, number))
    if export is None:
        raise AdvertisingExportNotFound(f"The audience has no export {number}")
    if export.status == "running":
        raise AdvertisingExportNotReady(f"Watch /v1/jobs/{export.job_id}", headers={"Retry-After": "2"})
    if export.status != "ready" and not (even_acknowledged and export.status == "acknowledged"):
        raise AdvertisingExportClosed(f"The export is {export.status}", export_status=export.status)
    return audience, export


def _record(session: AsyncSession, who: Principal, what: str, export: AdvertisingExport) -> None:
    told = {
        "number": export.number,
        "addition_count": export.addition_count,
        "removal_count": export.removal_count,
    }
    whose = ("advertising_audience", export.audience_id)
    record(session, who.client_id, f"advertising-export.{what}", whose, changes=told)
