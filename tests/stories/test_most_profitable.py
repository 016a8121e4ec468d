"""Most profitable first: who will bring most is told by lifetime value, and served first.

Over HTTP alone, with a real worker: two years of orders are loaded, a run estimates what each customer is worth in the
year to come, with an interval; the best are a segment and get an offer of their own. Costs are no part of it yet.
"""

from pathlib import Path

import pytest

from ..analytics.test_lifetime_value import CUSTOMERS, trade
from ..live import Service
from .members import built
from .test_campaign import load
from .test_full_price import chosen, computed

pytestmark = pytest.mark.xdist_group("live")


async def test_who_will_bring_most_is_served_first(tmp_path: Path) -> None:
    people = [
        {"display_name": f"Buyer {number:03}", "external_ids": [{"system": "shop", "external_id": str(number)}]}
        for number in range(CUSTOMERS)
    ]
    orders = [
        {
            "customer": {"system": "shop", "external_id": str(number)},
            "kind": kind,
            "occurred_at": at,
            "source": "shop",
            "source_id": str(place),
            "amount": {"amount": amount, "currency": "USD"},
        }
        for place, (number, kind, at, amount) in enumerate(trade(CUSTOMERS))
    ]
    async with Service(tmp_path) as service, service.caller() as api:
        await load(api, "/v1/customers/batch", people)
        await load(api, "/v1/touchpoints/batch", orders)
        run = await computed(api, "lifetime_value", as_of="2024-01-01", horizon_days=365)
        assert run["state"] == "published", run
        page = await api.get("/v1/scores/lifetime_value", params={"limit": 200, "status": "ok"})
        ranked = sorted(page["data"], key=lambda score: -float(score["lifetime_value"]["amount"]))
        assert all(float(score["value_low"]["amount"]) <= float(score["value_high"]["amount"]) for score in ranked), (
            "each says how sure it is"
        )
        bar = ranked[9]["lifetime_value"]["amount"]
        best = {"name": "Ten best", "definition": f"lifetime_value.value >= {bar} USD"}
        segment = await built(api, best)
        members = (await api.get(f"/v1/segments/{segment}/members?limit=200", expect=200))["data"]
        assert len(members) == 10
        names = {row["display_name"] for row in members}
        offer = {"code": "CONCIERGE", "name": "Concierge", "status": "live", "priority": 9}
        offer |= {"eligibility": 'in_segment("Ten best")', "channels": {"web": {"title": "Concierge"}}}
        await api.post("/v1/offers", offer, expect=201)
        others = {person["display_name"] for person in people} - names
        assert (await chosen(api, min(names)))[0] == ["CONCIERGE"]
        codes, decision = await chosen(api, min(others))
        assert codes == []
        assert "CONCIERGE" in str(decision), "and the decision says why not"
