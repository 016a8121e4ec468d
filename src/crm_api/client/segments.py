"""Typed calls about segments and their members."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from ..jobs.schemas import JobRead
from ..segments.explain_schemas import SegmentExplanation
from ..segments.library_schemas import SegmentLibrary
from ..segments.schemas import (
    MemberPage,
    SegmentPage,
    SegmentPreview,
    SegmentRead,
    SegmentsOfCustomerPage,
    SegmentVersionPage,
)
from .session import NDJSON, ApiClient, Param

Definition = Mapping[str, Any] | str
"""An audience, as a tree or as text."""
Read = TypeVar("Read", bound=BaseModel)


def _sent(definition: Definition) -> Any:
    return definition if isinstance(definition, str) else dict(definition)


def _read(model: type[Read], answer: Any) -> Read:
    """Read an answer that holds an audience: its nodes are strict, and only JSON lets their ids and dates be text."""
    return model.model_validate_json(orjson.dumps(answer))


async def define_segment(
    api: ApiClient,
    name: str,
    definition: Definition,
    *,
    description: str | None = None,
    idempotency_key: str | None = None,
) -> SegmentRead:
    """Save an audience under a name. Errors: ApiProblem `invalid-audience`, `segment-name-taken`."""
    body = {"name": name, "description": description, "definition": _sent(definition)}
    return _read(SegmentRead, await api.post("/v1/segments", body, idempotency_key=idempotency_key))


async def preview_segment(api: ApiClient, definition: Definition) -> SegmentPreview:
    """Count whom a definition means now, and see some of them."""
    return _read(SegmentPreview, await api.post("/v1/segments/preview", {"definition": _sent(definition)}))


async def list_library(api: ApiClient, **params: Param) -> SegmentLibrary:
    """Read the segments to adopt; `params` are the query parameters of the operation."""
    return _read(SegmentLibrary, await api.get("/v1/segments/library", params))


async def get_segment(api: ApiClient, segment_id: UUID | str) -> SegmentRead:
    """Read a segment."""
    return _read(SegmentRead, await api.get(f"/v1/segments/{segment_id}"))


async def list_segments(api: ApiClient, **params: Any) -> SegmentPage:
    """List segments, the newest first; `params` are the query parameters of the operation."""
    return _read(SegmentPage, await api.get("/v1/segments", params))


async def list_versions(api: ApiClient, segment_id: UUID | str, **params: Any) -> SegmentVersionPage:
    """List what a segment meant over time, the newest first."""
    return _read(SegmentVersionPage, await api.get(f"/v1/segments/{segment_id}/versions", params))


async def change_segment(
    api: ApiClient, segment_id: UUID | str, patch: Mapping[str, Any], *, if_match: str | None = None
) -> SegmentRead:
    """Change a segment by a merge patch. Errors: those of defining, `segment-cycle`, `version-mismatch`."""
    return _read(SegmentRead, await api.patch(f"/v1/segments/{segment_id}", dict(patch), if_match=if_match))


async def archive_segment(api: ApiClient, segment_id: UUID | str) -> SegmentRead:
    """Put a segment away."""
    return _read(SegmentRead, await api.post(f"/v1/segments/{segment_id}/archive"))


async def build_segment(api: ApiClient, segment_id: UUID | str, *, idempotency_key: str | None = None) -> JobRead:
    """Have the members found anew; the job can be watched."""
    path = f"/v1/segments/{segment_id}/builds"
    return JobRead.model_validate(await api.post(path, idempotency_key=idempotency_key))


async def list_members(api: ApiClient, segment_id: UUID | str, **params: Any) -> MemberPage:
    """Read a page of members."""
    return MemberPage.model_validate(await api.get(f"/v1/segments/{segment_id}/members", params))


def stream_members(api: ApiClient, segment_id: UUID | str, *, accept: str = NDJSON) -> AsyncIterator[bytes]:
    """Download all members as NDJSON or CSV."""
    return api.stream_out(f"/v1/segments/{segment_id}/members", None, accept)


async def explain_segment(
    api: ApiClient, segment_id: UUID | str, customer_id: UUID | str, *, version: int | None = None
) -> SegmentExplanation:
    """Read why a customer is in a segment, or is not, by a version of the definition; without one, by the newest."""
    path = f"/v1/segments/{segment_id}/explain/{customer_id}"
    return SegmentExplanation.model_validate(await api.get(path, {"version": version}))


async def list_segments_of_customer(api: ApiClient, customer_id: UUID | str, **params: Any) -> SegmentsOfCustomerPage:
    """List the segments that a customer is in."""
    return SegmentsOfCustomerPage.model_validate(await api.get(f"/v1/customers/{customer_id}/segments", params))
