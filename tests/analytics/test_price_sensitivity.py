"""Price sensitivity through the whole loop: order lines read, judged by a worker, asked for."""

from random import Random

import orjson

from ..calling import Api
from .working import Compute, in_ranges_of, load, register

CUSTOMERS = 130
MODEL = "price_sensitivity"


def orders(customers: list[str], shares: list[float]) -> list[bytes]:
    """A year of orders of four lines; a line costs its list price with the customer's own probability."""
    random, told = Random(5), []
    for customer, share in zip(customers, shares, strict=True):
        for month in range(1, 13):
            paid = ["2.00" if random.random() < share else "1.50" for _ in range(4)]
            items = [{"sku": "a", "quantity": "1", "paid_amount": each, "list_amount": "2.00"} for each in paid]
            items.append({"sku": "gas", "quantity": "10.5", "paid_amount": "20.00", "list_amount": "20.00"})
            total = sum(float(item["paid_amount"]) for item in items)
            order = {"customer_id": customer, "kind": "order.placed", "occurred_at": f"2023-{month:02}-11T12:00:00Z"}
            order |= {"amount": {"amount": f"{total:.2f}", "currency": "USD"}, "items": items}
            told.append(orjson.dumps(order, option=orjson.OPT_APPEND_NEWLINE))
    return told


async def test_who_buys_at_list_price_is_told_from_who_waits(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    await api.put("/v1/products/by-sku/gas", {"name": "Gas", "department": "FUEL"}, expect=201)
    random = Random(9)
    shares = [random.betavariate(1.5, 1.5) for _ in customers]
    await load(api, "touchpoints", orders(customers, shares))
    run = await compute(model=MODEL, without_departments=["FUEL"], backtest_days=200)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(17), model=MODEL, without_departments=["FUEL"], backtest_days=200)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    scores = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 200}))["data"]
    assert {score["observation_count"] for score in scores} == {48}, "lines of the department left out do not count"
    for score, share in zip(scores, shares, strict=True):
        if share > 0.9:
            assert score["price_class"] == "full_price_buyer"
        if share < 0.1:
            assert score["price_class"] == "discount_buyer"
        given, listed = (float(score[name]["amount"]) for name in ("discount", "list"))
        assert (listed, round(given / listed, 6)) == (96.0, score["discount_rate"])
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert backtest["loss"] < 0.6
    assert "list price" in backtest["title"]
    wanted = {"definition": 'price_sensitivity.class = "full_price_buyer"'}
    found = (await api.get(f"/v1/scores/{MODEL}", params={"price_class": "full_price_buyer", "limit": 200}))["data"]
    assert (await api.post("/v1/segments/preview", wanted, expect=200))["count"] == len(found) > 10


async def test_lines_are_fed_whole(api: Api, compute: Compute) -> None:
    [customer] = await register(api, 1)
    await load(api, "touchpoints", orders([customer], [1.0])[:1])
    run = await compute()
    text = (await api.send("GET", f"/v1/analytics/runs/{run['id']}/lines", expect=200)).text
    header, *lines = text.split()
    assert header.startswith("customer_id,kind,occurred_us,currency,sku,quantity_thousandths,paid_minor,list_minor")
    assert sorted(lines)[:2] == [f"{customer},order.placed,1673438400000000,USD,a,1000,200,200,,,"] * 2
    assert f"{customer},order.placed,1673438400000000,USD,gas,10500,2000,2000,,," in lines
