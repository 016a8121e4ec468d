"""Typed calls about offers, the products they cover, and decisions."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from ..offers.decision_schemas import DecisionPage, DecisionRead
from ..offers.schemas import OfferPage, OfferProductPage, OfferRead, OfferUpserted, ProductsReplaced
from .session import ApiClient, Chunks

Read = TypeVar("Read", bound=BaseModel)


def _read(model: type[Read], answer: Any) -> Read:
    """Read an answer that holds an audience: its nodes are strict, and only JSON lets their ids and dates be text."""
    return model.model_validate_json(orjson.dumps(answer))


async def make_offer(api: ApiClient, wish: Mapping[str, Any], *, idempotency_key: str | None = None) -> OfferRead:
    """Make an offer. Errors: ApiProblem `invalid-audience`, `offer-code-taken`."""
    return _read(OfferRead, await api.post("/v1/offers", dict(wish), idempotency_key=idempotency_key))


async def put_offer(
    api: ApiClient, code: str, wish: Mapping[str, Any], *, if_match: str | None = None
) -> OfferUpserted:
    """Make the offer of a code, or replace the one there is; `result` says which."""
    return _read(OfferUpserted, await api.put(f"/v1/offers/by-code/{code}", dict(wish), if_match=if_match))


async def get_offer(api: ApiClient, offer_id: UUID | str) -> OfferRead:
    """Read an offer."""
    return _read(OfferRead, await api.get(f"/v1/offers/{offer_id}"))


async def list_offers(api: ApiClient, **params: Any) -> OfferPage:
    """List offers in order of their codes; `params` are the query parameters of the operation."""
    return _read(OfferPage, await api.get("/v1/offers", params))


async def change_offer(
    api: ApiClient, offer_id: UUID | str, patch: Mapping[str, Any], *, if_match: str | None = None
) -> OfferRead:
    """Change an offer by a merge patch. Errors: ApiProblem `invalid-audience`, `version-mismatch`."""
    return _read(OfferRead, await api.patch(f"/v1/offers/{offer_id}", dict(patch), if_match=if_match))


async def replace_products(api: ApiClient, offer_id: UUID | str, lines: Chunks) -> ProductsReplaced:
    """Make NDJSON lines `{"sku": …}` the products that an offer covers. Errors: ApiProblem `invalid-products`."""
    path = f"/v1/offers/{offer_id}/products"
    [answer] = [line async for line in api.stream_batch(path, lines, method="PUT")]
    return ProductsReplaced.model_validate(answer)


async def list_products(api: ApiClient, offer_id: UUID | str, **params: Any) -> OfferProductPage:
    """Read a page of the products that an offer covers."""
    return OfferProductPage.model_validate(await api.get(f"/v1/offers/{offer_id}/products", params))


async def decide(api: ApiClient, wish: Mapping[str, Any], *, idempotency_key: str | None = None) -> DecisionRead:
    """Have it decided which offers a customer gets: `decide(api, {"customer_id": id, "channel": "email"})`.

    Errors: ApiProblem `customer-not-found`, `customer-archived`.
    """
    return DecisionRead.model_validate(await api.post("/v1/decisions", dict(wish), idempotency_key=idempotency_key))


async def get_decision(api: ApiClient, customer_id: UUID | str, decision_id: UUID | str) -> DecisionRead:
    """Read a decision as it was made."""
    return DecisionRead.model_validate(await api.get(f"/v1/customers/{customer_id}/decisions/{decision_id}"))


async def list_decisions(api: ApiClient, customer_id: UUID | str, **params: Any) -> DecisionPage:
    """List what was decided for a customer, the newest first."""
    return DecisionPage.model_validate(await api.get(f"/v1/customers/{customer_id}/decisions", params))
