"""Divisions through the whole loop: one set of order lines, three ways to divide the customers, each a field."""

from ..calling import Api
from .test_growth import DAIRY, order, trade
from .working import Compute, in_ranges_of, load

MODEL = "divisions"


async def test_customers_stand_in_three_divisions_at_once(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    lover = customers[1]
    await load(api, "touchpoints", [order(lover, f"2023-10-{day:02}", milk="2.00") for day in range(1, 31)])
    asked = {"model": MODEL, "need_level": "category", "min_lines": 2}
    run = await compute(**asked)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(7), **asked)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    page = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 200}))["data"]
    scores = {score["customer_id"]: score for score in page}
    assert (scores[lover]["need"], scores[lover]["actual"]["amount"]) == (DAIRY, "64.00")
    assert scores[lover]["need_index"] > 1.25
    assert scores[customers[2]]["need"] == "broad"
    few = scores[customers[0]]
    assert (few["need"], few["need_index"]) == (None, None), "one line tells no need, and yet a value"
    assert (few["actual_value"], few["potential_value"], few["potential"]["amount"]) == ("low", "high", "2.00")
    assert scores[customers[35]]["actual_value"] == "high"
    wanted = {"definition": 'divisions.actual_value = "low" and divisions.potential_value = "high"'}
    assert (await api.post("/v1/segments/preview", wanted, expect=200))["count"] > 0
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert "kept their need" in backtest["title"]
