"""The typed calls about offers and decisions, against the service itself."""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.access import SCOPES
from crm_api.client import ApiClient
from crm_api.client import offers as calls

from ..calling import Api
from .conftest import EMAIL, Registered

WISH = {"name": "A", "status": "live", "channels": EMAIL, "eligibility": {"field": "country", "eq": "DE"}}


async def lines() -> AsyncIterator[bytes]:
    yield b'{"sku":"1"}\n{"sku":"2"}\n'


async def test_from_offer_to_decision(
    app: FastAPI, api: Api, credentials: tuple[str, str], register: Registered
) -> None:
    ann = await register("Ann", country="DE")
    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        made = await calls.put_offer(client, "A", WISH)
        assert (made.result, made.version) == ("created", 1)
        other = await calls.make_offer(client, {**WISH, "code": "B", "priority": 2}, idempotency_key="k")
        assert (await calls.replace_products(client, made.id, lines)).summary.product_count == 2
        assert [each.sku for each in (await calls.list_products(client, made.id)).data] == ["1", "2"]
        assert (await calls.change_offer(client, made.id, {"priority": 3})).priority == 3
        assert (await calls.get_offer(client, other.id)).eligibility is not None
        assert [each.code for each in (await calls.list_offers(client, status="live")).data] == ["A", "B"]
        decision = await calls.decide(client, {"customer_id": ann, "channel": "email"}, idempotency_key="k")
        assert [each.code for each in decision.chosen] == ["A"]
        assert await calls.get_decision(client, ann, decision.id) == decision
        assert (await calls.list_decisions(client, ann)).data == [decision]
