"""A segment is pushed to an advertising audience as hashed identifiers, follows who comes, goes and withdraws consent,
and is withdrawn: over HTTP, a real worker.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from ..calling import Api
from ..live import Service
from .test_campaign import ended

pytestmark = pytest.mark.xdist_group("live")
BUYERS = {"name": "Bought lights", "definition": 'count(order.placed where campaign = "lights") >= 1'}
PEOPLE = ("ann", "ben", "cat")


async def register(api: Api, name: str) -> str:
    """Register a customer who agreed to be advertised to by their e-mail address."""
    body = {
        "display_name": name.title(),
        "contact_points": [{"kind": "email", "value": f" {name.title()}@Example.com"}],
    }
    customer = (await api.post("/v1/customers", body, expect=201))["id"]
    said = {"customer_id": customer, "channel": "email", "purpose": "ads", "state": "granted", "source": "web"}
    await api.post("/v1/consents", said, expect=201)
    return str(customer)


async def buy(api: Api, customer: str) -> None:
    """Let a customer buy lights."""
    amount = {"amount": "12.00", "currency": "EUR"}
    order = {"kind": "order.placed", "occurred_at": "2026-01-31T09:30:00Z", "campaign": "lights", "amount": amount}
    await api.post("/v1/touchpoints", {"customer_id": customer, **order}, expect=201)


async def entered(api: Api, segment: str, customer: str) -> None:
    """Wait until a customer is in a segment."""
    async with asyncio.timeout(30):
        while customer not in [
            each["customer_id"] for each in (await api.get(f"/v1/segments/{segment}/members"))["data"]
        ]:
            await asyncio.sleep(0.1)


class Platform:
    """An advertising platform: knows people by the hashes of their addresses, and does as it is told."""

    def __init__(self) -> None:
        self.knows = {hashlib.sha256(f"{name}@example.com".encode()).hexdigest(): name for name in PEOPLE}
        self.audience: set[str] = set()

    def upload(self, lines: list[dict[str, Any]]) -> None:
        """Add and remove."""
        for line in lines:
            name = self.knows[line["sha256"]]
            self.audience = self.audience | {name} if line["change"] == "addition" else self.audience - {name}


async def push(api: Api, audience: str, platform: Platform) -> dict[str, Any]:
    """Make an export, hand it over, and acknowledge it."""
    made = await api.send("POST", f"/v1/advertising-audiences/{audience}/exports", expect=202)
    await ended(api, made.headers["location"])
    export = f"/v1/advertising-audiences/{audience}/exports/{made.json()['number']}"
    lines = (await api.send("GET", f"{export}/identifiers", expect=200)).text.splitlines()
    platform.upload([orjson.loads(line) for line in lines])
    done: dict[str, Any] = await api.post(f"{export}/acknowledge", expect=200)
    return done


async def test_a_segment_is_pushed_to_an_advertising_audience_and_withdrawn(tmp_path: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        await api.put("/v1/purposes/ads", {"label": "Advertising at partners", "needs_consent": True}, expect=201)
        ann, ben, cat = [await register(api, name) for name in PEOPLE]
        await buy(api, ann)
        await buy(api, ben)
        segment = (await api.post("/v1/segments", BUYERS, expect=201))["id"]
        build = await api.send("POST", f"/v1/segments/{segment}/builds", expect=202)
        await ended(api, build.headers["location"])
        wish = {"destination": "Social network", "purpose": "ads", "identifiers": ["email", "phone"]}
        audience = (await api.post(f"/v1/segments/{segment}/advertising-audiences", wish, expect=201))["id"]

        platform = Platform()
        await push(api, audience, platform)
        assert platform.audience == {"ann", "ben"}

        said = {"customer_id": ben, "channel": "email", "purpose": "ads", "state": "withdrawn", "source": "web"}
        await api.post("/v1/consents", said, expect=201)
        await buy(api, cat)
        await entered(api, segment, cat)
        done = await push(api, audience, platform)
        assert (done["addition_count"], done["removal_count"]) == (1, 1)
        assert platform.audience == {"ann", "cat"}

        await api.post(f"/v1/advertising-audiences/{audience}/end", expect=200)
        await push(api, audience, platform)
        assert platform.audience == set()
