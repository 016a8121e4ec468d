"""What will appeal: products are recommended from purchases and browsing, cross-sell and up-sell told apart, and decide
offers. Over HTTP alone, with a real worker, which is killed in the middle of the second run.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ..calling import Api
from ..live import Service
from .members import built, has_members
from .test_campaign import NDJSON

pytestmark = pytest.mark.xdist_group("live")
PRODUCTS = {
    "city-bike": ("BIKES", "500.00"),
    "race-bike": ("BIKES", "2100.00"),
    "light": ("PARTS", "30.00"),
    "lock": ("PARTS", "40.00"),
    "helmet": ("CLOTHES", "80.00"),
    "tent": ("CAMPING", "200.00"),
    "stove": ("CAMPING", "60.00"),
    "oil": ("CARE", "6.00"),
    "tube": ("CARE", "5.00"),
    "bar": ("FOOD", "2.00"),
    "gel": ("FOOD", "2.00"),
}
SUPPLIES = ("oil", "tube", "bar", "gel")
RIDERS = [f"Rider {number:03}" for number in range(130)]
CAMPERS = [f"Camper {number:02}" for number in range(20)]
SPORTY = RIDERS[:60]
"""They wear a helmet and bought the race bike too."""
NOW = datetime.now(UTC) - timedelta(minutes=1)
DISCOVER = {"min_customers": 5, "kinds": ["order.placed", "product.viewed"]}


def told(name: str, days_ago: int, *skus: str, kind: str = "order.placed") -> dict[str, Any]:
    """What a customer bought, or looked at, so many days ago."""
    prices = [PRODUCTS[sku][1] if kind == "order.placed" else "0.00" for sku in skus]
    items = [{"sku": sku, "quantity": "1", "paid_amount": paid} for sku, paid in zip(skus, prices, strict=True)]
    return {
        "customer": {"system": "shop", "external_id": name},
        "kind": kind,
        "occurred_at": (NOW - timedelta(days=days_ago)).isoformat(),
        "source": "shop",
        "source_id": f"{name}-{days_ago}-{skus[0]}",
        "amount": {"amount": f"{sum(map(float, prices)):.2f}", "currency": "EUR"},
        "items": items,
    }


def trade() -> list[dict[str, Any]]:
    """A year of a bike shop."""
    lines = []
    for number, name in enumerate(RIDERS):
        lines.append(told(name, 300 - number, "city-bike", "light", "lock"))
        lines += [told(name, 350 - 28 * month - number % 28, *SUPPLIES) for month in range(12)]
        if name in SPORTY:
            lines += [told(name, 280 - number, "helmet"), told(name, 20 + number, "race-bike")]
    lines += [told(name, 100 + number, "tent", "stove", "bar") for number, name in enumerate(CAMPERS)]
    lines.append(told("Nora", 40, "city-bike", "light", "lock"))
    lines += [told("Vera", 3, sku, kind="product.viewed") for sku in ("city-bike", "light", "lock")]
    return [*lines, told("Karl", 40, "tent")]


async def shop(api: Api) -> dict[str, str]:
    """Products, customers and what they did."""
    for sku, (category, _) in PRODUCTS.items():
        await api.post("/v1/products", {"sku": sku, "name": sku.title(), "category": category}, expect=201)
    names = [*RIDERS, *CAMPERS, "Nora", "Vera", "Karl"]
    people = [{"display_name": name, "external_ids": [{"system": "shop", "external_id": name}]} for name in names]
    await batch(api, "customers", people)
    await batch(api, "touchpoints", trade())
    ids = {}
    for name in ("Nora", "Vera", "Karl", RIDERS[0]):
        found = await api.get("/v1/customers", params={"filter": f'display_name = "{name}"'}, expect=200)
        ids[name] = found["data"][0]["id"]
    return ids


async def batch(api: Api, what: str, lines: list[dict[str, Any]]) -> None:
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = await api.send("POST", f"/v1/{what}/batch", content=content, headers=NDJSON, expect=200)
    assert json.loads(answer.text.splitlines()[-1])["summary"]["rejected"] == 0


async def started(api: Api, model: str, **parameters: Any) -> dict[str, Any]:
    as_of = (NOW.astimezone(ZoneInfo("America/New_York")) + timedelta(days=1)).date().isoformat()
    wish = {"model": model, "parameters": {"as_of": as_of, "currency": "EUR", **parameters}}
    run: dict[str, Any] = await api.post("/v1/analytics/runs", wish, expect=202)
    return run


async def published(api: Api, run: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while run["state"] in ("queued", "running"):
            await asyncio.sleep(0.1)
            run = await api.get(f"/v1/analytics/runs/{run['id']}", expect=200)
    assert run["state"] == "published", run
    return run


async def recommended(api: Api, customer_id: str, *kinds: str) -> dict[str, list[str]]:
    """What is recommended to a customer, by kind."""
    found = await api.get(f"/v1/customers/{customer_id}/recommendations", params={"kind": kinds}, expect=200)
    by_kind: dict[str, list[str]] = {}
    for place in found["data"]:
        assert place["reasons"] and place["run_id"] and place["computed_at"]
        by_kind.setdefault(place["kind"], []).append(place["item"])
    return by_kind


async def offered(api: Api, customer_id: str) -> set[str]:
    made = await api.post("/v1/decisions", {"customer_id": customer_id, "channel": "web", "limit": 5}, expect=201)
    return {offer["code"] for offer in made["chosen"]}


async def test_each_is_offered_what_will_appeal(tmp_path: Path) -> None:
    async with Service(tmp_path, worker="tests.analytics.live_worker") as service, service.caller() as api:
        ids = await shop(api)
        first = await published(api, await started(api, "discover", **DISCOVER))
        await published(api, await started(api, "buy_again"))
        await published(api, await started(api, "related_products", min_customers=5))
        await they_are_recommended(api, ids, first)
        await they_are_used(api, ids)
        await a_killed_worker_changes_nothing(service, api, ids, first)


async def they_are_recommended(api: Api, ids: dict[str, str], run: dict[str, Any]) -> None:
    """Who bought and who only looked are told the same; who is hardly known is told nothing, and why."""
    for name in ("Nora", "Vera"):
        found = await recommended(api, ids[name], "cross_sell", "up_sell")
        assert "helmet" in found["cross_sell"], name
        assert found["up_sell"] == ["race-bike"], name
        assert not {"tent", "stove"} & set(found["cross_sell"][:3]), name
    assert "race-bike" not in {
        item for items in (await recommended(api, ids[RIDERS[0]])).values() for item in items[:4]
    }
    assert set((await recommended(api, ids[RIDERS[0]], "buy_again"))["buy_again"]) >= set(SUPPLIES)
    karl = await api.get(f"/v1/customers/{ids['Karl']}/recommendations", expect=200)
    assert karl["data"] == []
    [_, discover] = karl["lists"]
    assert (discover["status"], discover["run_id"]) == ("insufficient_data", run["id"])
    assert "Fewer than 3" in discover["reason"]
    helmet = await api.get("/v1/products/by-sku/helmet", expect=200)
    near = await api.get(f"/v1/products/{helmet['id']}/related", params={"limit": 1}, expect=200)
    assert [place["name"] for place in near["data"]] == ["Race-Bike"]


async def they_are_used(api: Api, ids: dict[str, str]) -> None:
    """Segments and offers ask for what is listed."""
    wanted = await built(api, {"name": "Wants a helmet", "definition": 'discover.cross_sell = "helmet"'})
    await has_members(api, wanted, "Nora", "Vera", *RIDERS[60:], *CAMPERS)
    for code, eligibility in (
        ("HELMET", 'in_segment("Wants a helmet")'),
        ("RACER", 'discover.up_sell = "race-bike"'),
    ):
        offer = {"code": code, "name": code, "status": "live", "eligibility": eligibility}
        await api.post("/v1/offers", {**offer, "channels": {"web": {"title": code}}}, expect=201)
    assert await offered(api, ids["Nora"]) == await offered(api, ids["Vera"]) == {"HELMET", "RACER"}
    assert await offered(api, ids["Karl"]) == set()


async def a_killed_worker_changes_nothing(
    service: Service, api: Api, ids: dict[str, str], first: dict[str, Any]
) -> None:
    """Nora buys the helmet. While the new run is not whole she is told what the old one says; then something else."""
    await api.post("/v1/touchpoints", told("Nora", 0, "helmet"), expect=201)
    run = await started(api, "discover", **DISCOVER)
    async with asyncio.timeout(60):
        while ((await api.get(f"/v1/jobs/{run['job_id']}", expect=200))["progress"] or 0) < 0.3:
            await asyncio.sleep(0.02)
    service.kill_worker()
    assert "helmet" in (await recommended(api, ids["Nora"], "cross_sell"))["cross_sell"]
    page = await api.get("/v1/scores/discover", params={"limit": 1}, expect=200)
    assert page["run"]["id"] == first["id"]
    await service.start_worker()
    await published(api, run)
    assert "helmet" not in (await recommended(api, ids["Nora"], "cross_sell")).get("cross_sell", [])
    async with asyncio.timeout(30):
        while await offered(api, ids["Nora"]) != {"RACER"}:
            await asyncio.sleep(0.2)
