"""Churn without a contract through the whole loop: estimated by a worker, judged, asked for."""

from datetime import date

import pytest

from ..calling import Api
from .test_lifetime_value import trade
from .working import AS_OF, Compute, in_ranges_of, record, register

CUSTOMERS = 150


async def test_who_left_is_found_judged_and_asked_for(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    facts = trade(CUSTOMERS)
    await record(api, customers, facts)
    run = await compute(model="churn", horizon_days=120)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(13), model="churn", horizon_days=120)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    scores = (await api.get("/v1/scores/churn", params={"limit": 200}))["data"]
    assert len(scores) == CUSTOMERS
    last = {number: date.fromisoformat(at[:10]) for number, _, at, _ in facts}
    for number, score in enumerate(scores):
        assert abs(score["days_since_purchase"] - (date.fromisoformat(AS_OF) - last[number]).days) <= 1
        assert 0 <= score["churn_probability"] <= 1
    ranked = sorted(scores, key=lambda score: -score["expected_purchases"])
    quartiles = [score["churn_quartile"] for score in ranked]
    assert quartiles == sorted(quartiles)
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert (backtest["cut_on"], backtest["until"]) == ("2023-09-03", "2024-01-01")
    assert backtest["figures"]["auc"] > 0.7
    assert backtest["loss"] == pytest.approx(1 - backtest["figures"]["auc"])
    assert "did not buy" in backtest["title"]
    wanted = {"definition": "churn.quartile = 4 and churn.probability > 0.5"}
    counted = (await api.post("/v1/segments/preview", wanted, expect=200))["count"]
    assert counted == sum(score["churn_quartile"] == 4 and score["churn_probability"] > 0.5 for score in scores) > 0
