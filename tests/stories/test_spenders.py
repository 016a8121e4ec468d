"""High spenders, occasional and seasonal shoppers are found from behavior and used: over HTTP alone, a real worker.

The segments are those of the library, taken as they are, and then those of the scores of two models. Light customers
who could be heavy ones are found beside them.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ..analytics.test_season import CUSTOMERS, OCCASIONAL, SEASONAL, days_of
from ..calling import Api
from ..live import Service
from .members import adopted, built, has_members
from .test_campaign import NDJSON
from .test_campaign import load as load_all
from .test_full_price import chosen, computed

pytestmark = pytest.mark.xdist_group("live")
TODAY = datetime.now(UTC)


def ago(days: int) -> datetime:
    return TODAY - timedelta(days=days)


def order(name: str, at: datetime, amount: str, number: int = 0) -> dict[str, Any]:
    """An order of a customer of the shop; the same one is told only once."""
    return {
        "customer": {"system": "shop", "external_id": name},
        "kind": "order.placed",
        "occurred_at": at.isoformat(),
        "source": "shop",
        "source_id": f"{name}-{at:%Y%m%d}-{number}",
        "amount": {"amount": amount, "currency": "EUR"},
    }


async def load(api: Api, lines: list[dict[str, Any]]) -> None:
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = await api.send("POST", "/v1/touchpoints/batch", content=content, headers=NDJSON, expect=200)
    assert json.loads(answer.text.splitlines()[-1])["summary"]["rejected"] == 0


async def seasons(api: Api) -> tuple[datetime, datetime, datetime]:
    """Days in the last two winters, and in the summer between, as the library says when they were."""
    [entry] = (await api.get("/v1/segments/library?key=seasonal&season=winter", expect=200))["data"]
    last, former, between = entry["definition"]["all"]
    days = [date.fromisoformat(window["from"]) + timedelta(days=40) for window in (last, former, between)]
    first, second, third = (datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days)
    return first, second, third


async def shop(api: Api) -> dict[str, str]:
    """Customers and what they bought."""
    last_winter, winter_before, summer = await seasons(api)
    orders = [
        *(order("Rich", ago(30 * month), "80.00") for month in range(1, 9)),
        order("Olga", ago(200), "20.00"),
        order("Olga", ago(100), "25.00"),
        order("Light", ago(50), "180.00"),
        *(order("Many", ago(20 * number), "9.00", number) for number in range(1, 13)),
        order("Skier", last_winter, "15.00"),
        order("Skier", winter_before, "15.00"),
        *(order("Regular", at, "15.00") for at in (last_winter, winter_before, summer, summer + timedelta(days=9))),
        order("Once", winter_before, "15.00"),
    ]
    ids = {}
    for name in sorted({line["customer"]["external_id"] for line in orders} | {"Silent"}):
        named = {"display_name": name, "external_ids": [{"system": "shop", "external_id": name}]}
        ids[name] = (await api.post("/v1/customers", named, expect=201))["id"]
    await load(api, orders)
    await load(api, orders)  # an import that is sent twice changes nothing
    return ids


async def test_shoppers_are_known_by_what_they_do(tmp_path: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        ids = await shop(api)
        high, _ = await adopted(api, "high-spenders", amount=500)
        await has_members(api, high, "Rich")
        occasional, _ = await adopted(api, "occasional", days=250)
        seasonal, entry = await adopted(api, "seasonal", season="winter")
        light, _ = await adopted(api, "light-with-potential")
        await has_members(api, seasonal, "Skier")
        await has_members(api, light, "Light")
        winters = {day.year for day in await seasons(api)}
        assert all(str(year) in entry["definition_text"] for year in winters), "it says which winters are meant"
        found = [row["display_name"] for row in (await api.get(f"/v1/segments/{occasional}/members"))["data"]]
        assert {"Olga", "Light"} <= set(found) and not {"Rich", "Many", "Silent"} & set(found)
        await they_are_used(api, ids)
        await they_follow(api, ids, high, occasional)


async def they_are_used(api: Api, ids: dict[str, str]) -> None:
    """An offer for each; what a customer is decided says which of them it is in."""
    for priority, (code, eligibility) in enumerate(
        {
            "THANKS": 'in_segment("High spenders")',
            "SKI": 'in_segment("Seasonal shoppers")',
            "MORE": 'in_segment("Light, with potential") and not in_segment("High spenders")',
        }.items()
    ):
        offer = {"code": code, "name": code, "status": "live", "priority": priority, "eligibility": eligibility}
        await api.post("/v1/offers", {**offer, "channels": {"web": {"title": code}}}, expect=201)
    for name, codes in {"Rich": ["THANKS"], "Skier": ["SKI"], "Light": ["MORE"], "Many": [], "Silent": []}.items():
        wish = {"customer_id": ids[name], "channel": "web", "limit": 5}
        made = await api.post("/v1/decisions", wish, expect=201)
        assert [offer["code"] for offer in made["chosen"]] == codes, name
    page = await api.post(
        "/v1/customers/search",
        {"audience": 'in_segment("High spenders") or in_segment("Seasonal shoppers")'},
        expect=200,
    )
    assert sorted(customer["display_name"] for customer in page["data"]) == ["Rich", "Skier"]


async def they_follow(api: Api, ids: dict[str, str], high: str, occasional: str) -> None:
    """One large order, and who bought now and then is a high spender; one more, and no occasional buyer."""
    await api.post("/v1/touchpoints", order("Olga", TODAY - timedelta(minutes=1), "455.00"), expect=201)
    await has_members(api, high, "Olga", "Rich")
    why = await api.get(f"/v1/segments/{high}/explain/{ids['Olga']}", expect=200)
    assert why["explanation"]["value"] == {"amount": "500.00", "currency": "EUR"}
    before = (await api.get(f"/v1/segments/{occasional}"))["member_count"]
    page = await api.get(f"/v1/segments/{occasional}/members", expect=200)
    assert "Olga" not in [row["display_name"] for row in page["data"]] and before == len(page["data"])


HIGH = range(CUSTOMERS - CUSTOMERS // 5, CUSTOMERS)
"""A fifth of all, who spend ten times as much as the others at each purchase."""


def shopper(number: int) -> str:
    return f"Shopper {number:02}"


def two_years() -> list[dict[str, Any]]:
    """Orders of Christmas shoppers, of some who come twice a year, and of those who come every week."""
    random, told = Random(8), []
    for number in range(CUSTOMERS):
        for day in days_of(number, random):
            at = datetime(2024, 1, 1, 17, tzinfo=UTC) - timedelta(days=day)
            made = order(shopper(number), at, "50.00" if number in HIGH else "5.00")
            told.append({**made, "amount": {**made["amount"], "currency": "USD"}})
    return told


async def names_in(api: Api, segment: dict[str, Any]) -> set[str]:
    members = await api.get(f"/v1/segments/{await built(api, segment)}/members?limit=200", expect=200)
    return {row["display_name"] for row in members["data"]}


async def test_shoppers_are_known_by_their_scores(tmp_path: Path) -> None:
    names = [*map(shopper, range(CUSTOMERS)), "Newcomer"]
    people = [{"display_name": name, "external_ids": [{"system": "shop", "external_id": name}]} for name in names]
    async with Service(tmp_path) as service, service.caller() as api:
        await load_all(api, "/v1/customers/batch", people)
        await load_all(api, "/v1/touchpoints/batch", two_years())
        for model, currency in (("season", None), ("rfm", "USD")):
            run = await computed(api, model, as_of="2024-01-01", currency=currency)
            assert (run["state"], run["row_count"]) == ("published", CUSTOMERS), run
        seasonal = await names_in(api, {"name": "Seasonal", "definition": 'season.class = "seasonal"'})
        occasional = await names_in(api, {"name": "Occasional", "definition": 'season.class = "occasional"'})
        high = await names_in(api, {"name": "High", "definition": "rfm.monetary = 5"})
        assert seasonal <= set(map(shopper, SEASONAL)) and len(seasonal) >= len(SEASONAL) - 2
        assert occasional <= set(map(shopper, OCCASIONAL)) and len(occasional) >= len(OCCASIONAL) - 2
        assert high == set(map(shopper, HIGH))
        for priority, (code, eligibility) in enumerate(
            {
                "THANKS": 'in_segment("High")',
                "GIFTS": 'in_segment("Seasonal") and season.peak_month = 12',
                "COME-BACK": 'in_segment("Occasional")',
            }.items()
        ):
            offer = {"code": code, "name": code, "status": "live", "priority": priority, "eligibility": eligibility}
            await api.post("/v1/offers", {**offer, "channels": {"web": {"title": code}}}, expect=201)
        told = {min(high): ["THANKS"], min(seasonal): ["GIFTS"], min(occasional): ["COME-BACK"]}
        told |= {shopper(max(OCCASIONAL) + 1): [], "Newcomer": []}
        for name, codes in told.items():
            assert (await chosen(api, name))[0] == codes, name
