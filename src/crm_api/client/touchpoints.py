"""Typed calls about the timeline: what happened, one by one, as a batch, as pages and as streams."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ..touchpoints.schemas import TimelinePage, TouchpointPage, TouchpointRead, TouchpointRecorded
from .session import ApiClient, Chunks, Param, Params

CSV = "text/csv"
NDJSON = "application/x-ndjson"
_PATH = "/v1/touchpoints"


async def record_touchpoint(
    api: ApiClient, touchpoint: Mapping[str, Any], *, idempotency_key: str | None = None
) -> TouchpointRecorded:
    """Record what happened. Errors: ApiProblem `touchpoint-conflict`, `customer-unknown`."""
    body = dict(touchpoint)
    return TouchpointRecorded.model_validate(await api.post(_PATH, body, idempotency_key=idempotency_key))


def load_touchpoints(api: ApiClient, chunks: Chunks, *, atomic: bool = False) -> AsyncIterator[dict[str, Any]]:
    """Load NDJSON; yields a line for each problem, in order, and the summary last."""
    return api.stream_batch(f"{_PATH}/batch", chunks, params={"atomic": "true"} if atomic else None)


async def get_touchpoint(api: ApiClient, customer_id: UUID | str, touchpoint_id: UUID | str) -> TouchpointRead:
    """Read one touchpoint, with the lines of an order."""
    return TouchpointRead.model_validate(await api.get(f"/v1/customers/{customer_id}/timeline/{touchpoint_id}"))


async def read_timeline(
    api: ApiClient, customer_id: UUID | str, *, kinds: Sequence[str] = (), limit: int = 50, **params: Param
) -> TimelinePage:
    """Read a page of a customer's timeline, newest first, with entries into segments and exits if the token may read
    segments; `params` are the query parameters of the operation.
    """
    query: Params = {"kind": list(kinds) or None, "limit": limit, **params}
    return TimelinePage.model_validate(await api.get(f"/v1/customers/{customer_id}/timeline", query))


async def list_touchpoints(
    api: ApiClient, *, kinds: Sequence[str] = (), limit: int = 50, **params: Param
) -> TouchpointPage:
    """Read a page of the touchpoints of all customers; `params` are the query parameters of the operation."""
    query: Params = {"kind": list(kinds) or None, "limit": limit, **params}
    return TouchpointPage.model_validate(await api.get(_PATH, query))


async def search_touchpoints(api: ApiClient, **wish: Any) -> TouchpointPage:
    """Read a page of the touchpoints that `where`, `items` and `audience` mean, each a tree or a text."""
    return TouchpointPage.model_validate(await api.post(f"{_PATH}/search", wish))


def stream_touchpoints(
    api: ApiClient,
    *,
    fields: Sequence[str] = (),
    kinds: Sequence[str] = (),
    recorded_until: datetime | None = None,
    customer_from: UUID | None = None,
    customer_before: UUID | None = None,
    accept: str = CSV,
    **params: Param,
) -> AsyncIterator[bytes]:
    """Download the touchpoints of a range of customers, up to a watermark, as CSV or NDJSON.

    `fields` are the columns wanted, in their order; money is a decimal text, its currency a column of its own.
    """
    query: Params = {
        "fields": ",".join(fields) or None,
        "kind": list(kinds) or None,
        "recorded_until": None if recorded_until is None else recorded_until.isoformat(),
        "customer_from": None if customer_from is None else str(customer_from),
        "customer_before": None if customer_before is None else str(customer_before),
        **params,
    }
    return api.stream_out(_PATH, query, accept)
