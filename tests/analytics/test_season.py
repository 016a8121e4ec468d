"""Seasons through the whole loop: purchases read, judged by a worker, asked for; money in any currency."""

from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from ..calling import Api
from .working import Compute, in_ranges_of, load, register

MODEL = "season"
CUSTOMERS = 90
SEASONAL, OCCASIONAL = range(10), range(10, 20)
YEARS = 730


def days_of(number: int, random: Random) -> list[int]:
    """Days before the first of January 2024 on which a customer buys: in December, twice a year, or any day."""
    if number in SEASONAL:
        return [200, 700, *(365 * year + day for year in (0, 1) for day in random.sample(range(1, 30), 14))]
    return [YEARS, *random.sample(range(1, YEARS), 6 if number in OCCASIONAL else 120)]


async def test_who_comes_in_a_season_is_told(api: Api, compute: Compute) -> None:
    customers, random, told = await register(api, CUSTOMERS), Random(8), []
    for number, customer in enumerate(customers):
        for day in days_of(number, random):
            at = datetime(2024, 1, 1, 17, tzinfo=UTC) - timedelta(days=day)
            order = {"customer_id": customer, "kind": "order.placed", "occurred_at": at.isoformat()}
            order |= {"amount": {"amount": "5.00", "currency": ("USD", "EUR")[day % 2]}}
            told.append(orjson.dumps(order, option=orjson.OPT_APPEND_NEWLINE))
        back = {"customer_id": customer, "kind": "order.refunded", "occurred_at": "2023-07-07T12:00:00Z"}
        told.append(orjson.dumps(back, option=orjson.OPT_APPEND_NEWLINE))
    await load(api, "touchpoints", told)
    run = await compute(model=MODEL, currency=None)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(13), model=MODEL, currency=None)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    scores = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 200}))["data"]
    classes = {score["customer_id"]: score["shopper_class"] for score in scores}
    assert {classes[customers[number]] for number in range(20, CUSTOMERS)} == {"regular"}
    assert {score["peak_month"] for score in scores if score["shopper_class"] == "seasonal"} == {12}
    for definition, expected in (
        ('season.class = "seasonal" and season.peak_month = 12', SEASONAL),
        ('season.class = "occasional"', OCCASIONAL),
    ):
        found = (await api.post("/v1/segments/preview", {"definition": definition}, expect=200))["count"]
        assert found == sum(classes[customers[number]] in definition for number in expected) >= 8
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert (backtest["status"], backtest["cut_on"]) == ("ok", "2023-01-01")
    assert backtest["loss"] < 1
    assert "seasonal shoppers later came" in backtest["title"]


async def test_without_earlier_years_there_is_nothing_to_judge_by(api: Api, compute: Compute) -> None:
    customers = await register(api, 12)
    orders = [
        {"customer_id": customer, "kind": "order.placed", "occurred_at": f"2023-{month:02}-{1 + number:02}T12:00:00Z"}
        for number, customer in enumerate(customers)
        for month in range(1, 13)
    ]
    await load(api, "touchpoints", [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in orders])
    run = await compute(model=MODEL, currency=None)
    assert (run["state"], run["row_count"]) == ("published", 12), run
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert (backtest["status"], backtest["loss"]) == ("insufficient_data", None)
