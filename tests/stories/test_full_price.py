"""Full price: who buys without discounts is not given one; and who is worth most is served first.

Over HTTP alone, with a real worker: orders are loaded, runs tell full-price buyers and the value of each customer, the
scores become a segment and conditions of offers, and decisions keep the discount from who does not need it.
"""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from ..calling import Api
from ..live import Service
from .members import built
from .test_campaign import ended, load

pytestmark = pytest.mark.xdist_group("live")
PATIENCE = {f"Shopper {number:03}": (number % 3) / 2 for number in range(120)}
"""Of each shopper the share of lines bought at list price: none, half, all."""
PROUD, HALF, THRIFTY = "Shopper 002", "Shopper 001", "Shopper 000"


def people() -> list[dict[str, Any]]:
    names = [*PATIENCE, "Newcomer"]
    return [{"display_name": name, "external_ids": [{"system": "shop", "external_id": name}]} for name in names]


def orders() -> list[dict[str, Any]]:
    """Two orders a month of three lines at 10 dollars list price, or 8 where there was a discount."""
    random, told = Random(3), []
    for name, share in PATIENCE.items():
        for number in range(24):
            paid = ["10.00" if random.random() < share else "8.00" for _ in range(3)]
            items = [{"sku": "tea", "quantity": "1", "paid_amount": each, "list_amount": "10.00"} for each in paid]
            order = {"customer": {"system": "shop", "external_id": name}, "kind": "order.placed", "items": items}
            order |= {"occurred_at": f"2025-{number // 2 + 1:02}-{5 + number % 2 * 14:02}T12:00:00Z", "source": "shop"}
            order |= {"source_id": f"{name}-{number}"}
            told.append({**order, "amount": {"amount": f"{sum(map(float, paid)):.2f}", "currency": "USD"}})
    return told


async def computed(api: Api, model: str, **parameters: Any) -> dict[str, Any]:
    """Have a model computed by the worker; one without money takes `currency=None`."""
    asked = {"as_of": "2026-01-01", "currency": "USD", **parameters}
    wish = {"model": model, "parameters": {name: value for name, value in asked.items() if value is not None}}
    started = await api.send("POST", "/v1/analytics/runs", wish, expect=202)
    job = await ended(api, started.headers["location"])
    found: dict[str, Any] = await api.get(f"/v1/analytics/runs/{job['result']['run_id']}")
    return found


async def chosen(api: Api, name: str) -> tuple[list[str], dict[str, Any]]:
    """Decide for a customer; answers what is offered, and the whole decision."""
    [found] = (await api.post("/v1/customers/search", {"audience": f'display_name = "{name}"'}, expect=200))["data"]
    wish = {"customer_id": found["id"], "channel": "web", "limit": 5}
    made = await api.post("/v1/decisions", wish, expect=201)
    return [offer["code"] for offer in made["chosen"]], made


async def test_who_buys_at_list_price_is_given_no_discount(tmp_path: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        await load(api, "/v1/customers/batch", people())
        await load(api, "/v1/touchpoints/batch", orders())
        run = await computed(api, "price_sensitivity")
        assert run["state"] == "published", run
        proud = {"name": "Full price", "definition": 'price_sensitivity.class = "full_price_buyer"'}
        segment = await built(api, proud)
        members = await api.get(f"/v1/segments/{segment}/members?limit=200", expect=200)
        found = {row["display_name"] for row in members["data"]}
        # Of those who buy half at list price one in twenty is expected above the interval of 90%, by chance.
        assert {name for name, share in PATIENCE.items() if share == 1} <= found
        assert not {name for name, share in PATIENCE.items() if share == 0} & found
        assert len(found) <= 45
        for code, eligibility in {
            "TEN-OFF": 'not in_segment("Full price")',
            "NEW-TEA": 'in_segment("Full price")',
        }.items():
            offer = {"code": code, "name": code, "status": "live", "priority": 0, "eligibility": eligibility}
            await api.post("/v1/offers", {**offer, "channels": {"web": {"title": code}}}, expect=201)
        told = {name: (await chosen(api, name))[0] for name in (PROUD, HALF, THRIFTY, "Newcomer")}
        assert told == {PROUD: ["NEW-TEA"], HALF: ["TEN-OFF"], THRIFTY: ["TEN-OFF"], "Newcomer": ["TEN-OFF"]}
        await who_is_worth_most_is_served_first(api)


async def who_is_worth_most_is_served_first(api: Api) -> None:
    """Who spends most is told by the same orders, and served first: in order of value now and of what could come."""
    run = await computed(api, "divisions")
    assert run["state"] == "published", run
    page = await api.get("/v1/scores/divisions", params={"limit": 200})
    by_value = sorted(page["data"], key=lambda score: -float(score["actual"]["amount"]))
    assert {score["actual_value"] for score in by_value[:40]} == {"high"}
    assert {score["actual_value"] for score in by_value[-40:]} == {"low"}
    offer = {"code": "CONCIERGE", "name": "Concierge", "status": "live", "priority": 9}
    offer |= {"eligibility": 'divisions.actual_value = "high"', "channels": {"web": {"title": "Concierge"}}}
    await api.post("/v1/offers", offer, expect=201)
    assert (await chosen(api, PROUD))[0] == ["CONCIERGE", "NEW-TEA"]
    assert (await chosen(api, THRIFTY))[0] == ["TEN-OFF"]
