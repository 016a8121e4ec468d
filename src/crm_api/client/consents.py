"""Typed calls about consents, purposes and suppressed addresses."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ..privacy.purpose_schemas import PurposePage, PurposePut, PurposeRead
from ..privacy.schemas import ConsentPage, ConsentRecorded, StandingPage
from ..privacy.suppression_schemas import SuppressionPage, SuppressionPut
from .session import ApiClient, Chunks, Param


async def record_consent(
    api: ApiClient, consent: Mapping[str, Any], *, idempotency_key: str | None = None
) -> ConsentRecorded:
    """Record what a customer said. Errors: ApiProblem `purpose-unknown`, `customer-unknown`."""
    answer = await api.post("/v1/consents", dict(consent), idempotency_key=idempotency_key)
    return ConsentRecorded.model_validate(answer)


def load_consents(api: ApiClient, chunks: Chunks, *, atomic: bool = False) -> AsyncIterator[dict[str, Any]]:
    """Load NDJSON; yields a line for each problem, in order, and the summary last."""
    return api.stream_batch("/v1/consents/batch", chunks, params={"atomic": "true"} if atomic else None)


async def list_consents(api: ApiClient, **params: Param) -> ConsentPage:
    """Read a page of the ledger; `params` are the query parameters of the operation."""
    return ConsentPage.model_validate(await api.get("/v1/consents", params))


async def read_consents(api: ApiClient, customer_id: UUID | str) -> StandingPage:
    """Read what counts now for a customer, for every purpose on every channel."""
    return StandingPage.model_validate(await api.get(f"/v1/customers/{customer_id}/consents"))


async def put_purpose(api: ApiClient, name: str, wish: Mapping[str, Any]) -> PurposePut:
    """Declare a purpose, or describe the one there is anew; `result` says which."""
    return PurposePut.model_validate(await api.put(f"/v1/purposes/{name}", dict(wish)))


async def get_purpose(api: ApiClient, name: str) -> PurposeRead:
    """Read a purpose. Errors: ApiProblem `purpose-not-found`."""
    return PurposeRead.model_validate(await api.get(f"/v1/purposes/{name}"))


async def list_purposes(api: ApiClient, **params: Param) -> PurposePage:
    """List purposes in order of their names."""
    return PurposePage.model_validate(await api.get("/v1/purposes", params))


async def suppress(api: ApiClient, kind: str, address: str, detail: str | None = None) -> SuppressionPut:
    """Leave an address alone; `result` says whether it was already."""
    return SuppressionPut.model_validate(await api.put(_path(kind, address), {"detail": detail}))


async def lift(api: ApiClient, kind: str, address: str, reason: str) -> None:
    """Let an address be written to again. Errors: ApiProblem `suppression-not-found`."""
    await api.send("DELETE", _path(kind, address), params={"reason": reason})


async def list_suppressions(api: ApiClient, **params: Param) -> SuppressionPage:
    """Read a page of suppressed addresses, by kind and address."""
    return SuppressionPage.model_validate(await api.get("/v1/suppressions", params))


def _path(kind: str, address: str) -> str:
    return f"/v1/suppressions/{kind}/{quote(address, safe='@')}"
