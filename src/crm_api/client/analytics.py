"""Typed calls about runs and scores: for those who want one, and for the workers that compute it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from ..analytics.recommendation_schemas import Recommendations, RelatedProducts
from ..analytics.schemas import CustomerRange, PartStored, RunPage, RunRead, RunWork
from ..analytics.score_schemas import PAGES, CustomerScores, ScorePage
from .session import ApiClient

CSV = "text/csv"
Feed = Literal["facts", "contracts", "lines", "addresses"]
"""What a run can be computed from: touchpoints, those of contracts with what was agreed, the lines of orders, or main
addresses.
"""


async def start_run(
    api: ApiClient, model: str, parameters: Mapping[str, Any], *, idempotency_key: str | None = None
) -> RunRead:
    """Have a model computed; the run's `job_id` can be watched."""
    body = {"model": model, "parameters": dict(parameters)}
    return RunRead.model_validate(await api.post("/v1/analytics/runs", body, idempotency_key=idempotency_key))


async def get_run(api: ApiClient, run_id: UUID | str) -> RunRead:
    """Read a run."""
    return RunRead.model_validate(await api.get(f"/v1/analytics/runs/{run_id}"))


async def list_runs(
    api: ApiClient, *, model: str | None = None, state: str | None = None, limit: int = 50, cursor: str | None = None
) -> RunPage:
    """List runs, the newest first."""
    params = {"model": model, "state": state, "limit": limit, "cursor": cursor}
    return RunPage.model_validate(await api.get("/v1/analytics/runs", params))


async def list_scores(api: ApiClient, model: str, **params: Any) -> ScorePage:
    """Read a page of what a model says of customers or of products, rows of its own type; `params` are the query
    parameters of the operation. Errors: KeyError for a model there is not.
    """
    return PAGES[model].model_validate(await api.get(f"/v1/scores/{model}", params))


def stream_scores(api: ApiClient, model: str, *, accept: str = CSV, **params: Any) -> AsyncIterator[bytes]:
    """Download all scores of a run of a model, as CSV or NDJSON."""
    return api.stream_out(f"/v1/scores/{model}", params, accept)


async def get_scores(api: ApiClient, customer_id: UUID | str) -> CustomerScores:
    """Read what each model says of a customer."""
    return CustomerScores.model_validate(await api.get(f"/v1/customers/{customer_id}/scores"))


async def get_recommendations(
    api: ApiClient, customer_id: UUID | str, *, kind: Sequence[str] = (), limit: int = 20
) -> Recommendations:
    """Read what the current runs recommend to a customer, with reasons."""
    params: dict[str, Any] = {"kind": list(kind), "limit": limit}
    return Recommendations.model_validate(await api.get(f"/v1/customers/{customer_id}/recommendations", params))


async def get_related(api: ApiClient, product_id: UUID | str, *, limit: int = 20) -> RelatedProducts:
    """Read what is bought by the customers of a product."""
    return RelatedProducts.model_validate(await api.get(f"/v1/products/{product_id}/related", {"limit": limit}))


async def begin_run(api: ApiClient, run_id: UUID | str, lease_id: UUID, *, customers: int) -> RunWork:
    """Begin to work on a run, in ranges of so many customers. Errors: ApiProblem `lease-lost`, `watermark-open`."""
    body = {"lease_id": str(lease_id), "customers": customers}
    return RunWork.model_validate(await api.put(f"/v1/analytics/runs/{run_id}/work", body))


def stream_feed(api: ApiClient, run_id: UUID | str, feed: Feed, customers: CustomerRange) -> AsyncIterator[bytes]:
    """Download what a run is computed from, of a range of customers, as CSV in no order."""
    bounds = {"customer_from": customers.first, "customer_before": customers.before}
    wanted = {name: None if bound is None else str(bound) for name, bound in bounds.items()}
    return api.stream_out(f"/v1/analytics/runs/{run_id}/{feed}", wanted, CSV)


async def send_rows(api: ApiClient, run_id: UUID | str, lease_id: UUID, part: int, rows: bytes) -> PartStored:
    """Send a part of the rows as CSV; sent again it replaces itself. Errors: ApiProblem `lease-lost`."""
    params: dict[str, str | int] = {"lease_id": str(lease_id), "part": part}
    path = f"/v1/analytics/runs/{run_id}/rows"
    answer = await api.send("PUT", path, params=params, content=rows, headers={"Content-Type": CSV})
    return PartStored.model_validate_json(answer.content)


async def publish_run(api: ApiClient, run_id: UUID | str, lease_id: UUID, report: Mapping[str, Any]) -> RunRead:
    """Make a run current; `report` says what was computed. Errors: ApiProblem `lease-lost`, `output-mismatch`."""
    body = {"lease_id": str(lease_id), **report}
    path = f"/v1/analytics/runs/{run_id}/publish"
    return RunRead.model_validate(await api.post(path, body, idempotency_key=str(lease_id)))
