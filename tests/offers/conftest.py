"""Offers and customers to decide about."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ..calling import Api

Offered = Callable[..., Awaitable[dict[str, Any]]]
Registered = Callable[..., Awaitable[str]]

EMAIL = {"email": {"title": "Hello", "body": "For you.", "url": "https://shop.example/"}}


@pytest.fixture
def offer(api: Api) -> Offered:
    """Make a live offer by e-mail: `await offer("CODE", priority=3)` answers it."""

    async def offer(code: str, **wish: Any) -> dict[str, Any]:
        body = {"code": code, "name": f"Offer {code}", "status": "live", "channels": EMAIL, **wish}
        made: dict[str, Any] = await api.post("/v1/offers", body, expect=201)
        return made

    return offer


@pytest.fixture
def register(api: Api) -> Registered:
    """Register a customer: `await register("Ann", country="DE")` answers its id."""

    async def register(name: str, *, country: str | None = None, **fields: Any) -> str:
        addresses = [] if country is None else [{"city": "Town", "country": country}]
        made = await api.post("/v1/customers", {"display_name": name, "addresses": addresses, **fields}, expect=201)
        return str(made["id"])

    return register
