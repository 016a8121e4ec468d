"""Typed calls about customers and the fields declared for them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ..customers.action_schemas import Action
from ..customers.field_schemas import FieldPage, FieldRead
from ..customers.schemas import CustomerPage, CustomerRead, CustomerUpserted
from ..jobs.schemas import JobRead
from ..profile.schemas import ProfileRead
from .session import NDJSON, ApiClient, Chunks, Param

CSV = "text/csv"
_PATH = "/v1/customers"


async def register_customer(
    api: ApiClient, customer: Mapping[str, Any], *, idempotency_key: str | None = None
) -> CustomerRead:
    """Register a customer. Errors: ApiProblem `contact-point-taken`, `external-id-taken`, with `existing_id`."""
    return CustomerRead.model_validate(await api.post(_PATH, dict(customer), idempotency_key=idempotency_key))


async def upsert_customer(
    api: ApiClient, system: str, external_id: str, customer: Mapping[str, Any], *, if_match: str | None = None
) -> CustomerUpserted:
    """Register or change the customer another system knows by an id. Errors: ApiProblem `contact-point-taken`."""
    path = _by(system, external_id)
    return CustomerUpserted.model_validate(await api.put(path, dict(customer), if_match=if_match))


async def get_customer(api: ApiClient, customer_id: UUID | str) -> CustomerRead:
    """Read a customer. Errors: ApiProblem `customer-not-found`."""
    return CustomerRead.model_validate(await api.get(f"{_PATH}/{customer_id}"))


async def get_profile(api: ApiClient, customer_id: UUID | str, *, parts: Sequence[str] | None = None) -> ProfileRead:
    """Read everything about a customer, or some parts of it. Errors: ApiProblem `customer-not-found`."""
    params = {"parts": None if parts is None else ",".join(parts)}
    return ProfileRead.model_validate(await api.get(f"{_PATH}/{customer_id}/profile", params))


async def get_customer_by(api: ApiClient, system: str, external_id: str) -> CustomerRead:
    """Read the customer another system knows by an id. Errors: ApiProblem `customer-not-found`."""
    return CustomerRead.model_validate(await api.get(_by(system, external_id)))


async def change_customer(
    api: ApiClient, customer_id: UUID | str, patch: Mapping[str, Any], *, version: int | None = None
) -> CustomerRead:
    """Change a customer by a merge patch. Errors: ApiProblem `version-mismatch`, when `version` is not the present."""
    if_match = None if version is None else f'"{version}"'
    return CustomerRead.model_validate(await api.patch(f"{_PATH}/{customer_id}", dict(patch), if_match=if_match))


async def archive_customer(api: ApiClient, customer_id: UUID | str) -> CustomerRead:
    """Leave a customer out of lists and audiences."""
    return CustomerRead.model_validate(await api.post(f"{_PATH}/{customer_id}/archive"))


async def restore_customer(api: ApiClient, customer_id: UUID | str) -> CustomerRead:
    """Take a customer back from the archive."""
    return CustomerRead.model_validate(await api.post(f"{_PATH}/{customer_id}/restore"))


async def list_customers(api: ApiClient, **params: Param) -> CustomerPage:
    """Read a page of customers; `params` are the query parameters of the operation."""
    return CustomerPage.model_validate(await api.get(_PATH, params))


async def search_customers(api: ApiClient, audience: Mapping[str, Any] | str | None, **wish: Any) -> CustomerPage:
    """Read a page of the customers an audience means; `wish` holds sort, limit, cursor, count, archived."""
    return CustomerPage.model_validate(await api.post(f"{_PATH}/search", {"audience": audience, **wish}))


async def act_on_customers(
    api: ApiClient,
    audience: Mapping[str, Any] | str,
    action: Action,
    *,
    idempotency_key: str | None = None,
    **wish: Any,
) -> JobRead:
    """Tag, archive or restore whom an audience means; `wish` holds add_tags, remove_tags, dry_run. The job can be
    watched.
    """
    body = {"audience": audience, "action": action, **wish}
    return JobRead.model_validate(await api.post(f"{_PATH}/actions", body, idempotency_key=idempotency_key))


def load_customers(
    api: ApiClient, chunks: Chunks, *, content_type: str = NDJSON, atomic: bool = False
) -> AsyncIterator[dict[str, Any]]:
    """Load NDJSON or CSV; yields a line for each problem, in order, and the summary last."""
    return api.stream_batch(f"{_PATH}/batch", chunks, content_type, params={"atomic": "true"} if atomic else None)


def stream_customers(api: ApiClient, *, accept: str = CSV, **params: Param) -> AsyncIterator[bytes]:
    """Download all customers of a filter, as CSV or NDJSON; `params` are the query parameters of the operation."""
    return api.stream_out(_PATH, params, accept)


async def declare_field(api: ApiClient, field: Mapping[str, Any]) -> FieldRead:
    """Declare a custom field. Errors: ApiProblem `field-key-taken`."""
    return FieldRead.model_validate(await api.post("/v1/fields", dict(field)))


async def list_fields(api: ApiClient, **params: Param) -> FieldPage:
    """Read a page of the field catalog; `params` are the query parameters of the operation."""
    return FieldPage.model_validate(await api.get("/v1/fields", params))


def _by(system: str, external_id: str) -> str:
    return f"{_PATH}/by/{quote(system, safe='')}/{quote(external_id, safe='')}"
