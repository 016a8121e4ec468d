"""Typed calls about advertising audiences: open, export, hand over, acknowledge, end."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from ..advertising.schemas import (
    AdvertisingAudienceRead,
    AdvertisingExportRead,
    AdvertisingIdentifierRead,
    IdentifierKind,
    PhoneForm,
)
from .session import ApiClient

_PATH = "/v1/advertising-audiences"


async def open_audience(
    api: ApiClient,
    segment_id: UUID | str,
    destination: str,
    purpose: str,
    identifiers: Sequence[IdentifierKind],
    *,
    phone_form: PhoneForm = "digits",
    idempotency_key: str | None = None,
) -> AdvertisingAudienceRead:
    """Give a segment an audience. Errors: ApiProblem `purpose-unknown`, `segment-not-found`, `segment-archived`."""
    body = {
        "destination": destination,
        "purpose": purpose,
        "identifiers": list(identifiers),
        "phone_form": phone_form,
    }
    path = f"/v1/segments/{segment_id}/advertising-audiences"
    return AdvertisingAudienceRead.model_validate(await api.post(path, body, idempotency_key=idempotency_key))


async def end_audience(api: ApiClient, audience_id: UUID | str) -> AdvertisingAudienceRead:
    """Let the next export remove everybody."""
    return AdvertisingAudienceRead.model_validate(await api.post(f"{_PATH}/{audience_id}/end"))


async def request_export(api: ApiClient, audience_id: UUID | str) -> AdvertisingExportRead:
    """Have the next export made; its `job_id` tells when it is ready."""
    return AdvertisingExportRead.model_validate(await api.post(f"{_PATH}/{audience_id}/exports"))


async def get_export(api: ApiClient, audience_id: UUID | str, number: int) -> AdvertisingExportRead:
    """Read how far an export is and how much it holds."""
    return AdvertisingExportRead.model_validate(await api.get(f"{_PATH}/{audience_id}/exports/{number}"))


async def stream_identifiers(
    api: ApiClient, audience_id: UUID | str, number: int
) -> AsyncIterator[AdvertisingIdentifierRead]:
    """Read the lines of an export. Errors: ApiProblem `advertising-export-not-ready`, `advertising-export-closed`."""
    async for line in api.stream_lines(f"{_PATH}/{audience_id}/exports/{number}/identifiers"):
        yield AdvertisingIdentifierRead.model_validate(line)


async def acknowledge_export(api: ApiClient, audience_id: UUID | str, number: int) -> AdvertisingExportRead:
    """Say that the destination has what the export said."""
    return AdvertisingExportRead.model_validate(await api.post(f"{_PATH}/{audience_id}/exports/{number}/acknowledge"))
