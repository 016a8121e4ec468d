"""Growth potential through the whole loop: order lines read, compared by a worker, asked for."""

import orjson

from ..calling import Api
from .working import Compute, in_ranges_of, load, register

CUSTOMERS = 36
MODEL = "growth"
DAIRY = 'Milk, "fresh"'
"""As people call categories: what CSV has to quote."""


def order(customer: str, on: str, kind: str = "order.placed", **paid: str) -> bytes:
    """An order of some products, by what was paid for each."""
    items = [{"sku": sku, "quantity": "1", "paid_amount": amount} for sku, amount in paid.items()]
    told = {"customer_id": customer, "kind": kind, "occurred_at": f"{on}T12:00:00Z", "items": items}
    told["amount"] = {"amount": f"{sum(map(float, paid.values())):.2f}", "currency": "USD"}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def orders(customers: list[str]) -> list[bytes]:
    """Half a year and another one: customer n spends n dollars on bread, all but each sixth two on milk, too."""
    told = []
    for number, customer in enumerate(customers):
        milk = {"milk": "2.00"} if number % 6 else {}
        told += [order(customer, on, bread=f"{number + 1}.00", **milk) for on in ("2023-03-01", "2023-09-01")]
    return told


async def trade(api: Api) -> list[str]:
    """Customers who buy in one currency, and what they buy as products."""
    customers = await register(api, CUSTOMERS)
    for sku, category in (("bread", "Bakery"), ("milk", DAIRY)):
        product = {"name": sku, "category": category, "department": "Food"}
        await api.put(f"/v1/products/by-sku/{sku}", product, expect=201)
    await load(api, "touchpoints", orders(customers))
    return customers


async def test_who_lags_behind_and_what_others_buy_besides(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    returned = order(customers[35], "2023-09-02", "order.refunded", bread="30.00")
    gone = (await register(api, 1))[0]
    await load(api, "touchpoints", [returned, order(gone, "2023-10-01", "order.refunded", bread="3.00")])
    run = await compute(model=MODEL)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(7), model=MODEL)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    page = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 200}))["data"]
    scores = {score["customer_id"]: score for score in page}
    first, last = scores[customers[0]], scores[customers[35]]
    assert (first["growth_class"], first["spend"]["amount"]) == ("light", "1.00")
    assert (first["white_space_count"], first["white_space"]["amount"], first["top_white_space"]) == (1, "2.00", DAIRY)
    assert float(first["gap"]["amount"]) == float(first["peer_spend"]["amount"]) - 1.0
    assert (last["spend"]["amount"], last["observation_count"]) == ("8.00", 3), "what came back counts no longer"
    assert scores[customers[34]]["growth_class"] == "heavy"
    assert scores[customers[34]]["gap"]["amount"] == "0.00"
    assert (scores[gone]["status"], scores[gone]["growth_class"]) == ("insufficient_data", None)
    wanted = {"definition": f'growth.class = "light" and growth.top_white_space = {orjson.dumps(DAIRY).decode()}'}
    assert (await api.post("/v1/segments/preview", wanted, expect=200))["count"] == 2
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert (backtest["cut_on"], backtest["until"]) == ("2023-07-03", "2024-01-01")
    assert "stayed heavy" in backtest["title"]
    assert max(row["predicted"] for row in backtest["calibration"]) < 38, "in dollars, not in cents"


async def test_departments_are_left_out(api: Api, compute: Compute) -> None:
    [customer, *_] = await trade(api)
    await api.put("/v1/products/by-sku/gas", {"name": "Gas", "department": "FUEL", "category": "Gas"}, expect=201)
    await load(api, "touchpoints", [order(customer, "2023-10-01", gas="70.00", rope="4.00")])
    await compute(model=MODEL, without_departments=["FUEL"])
    [first] = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 1}))["data"]
    assert (first["spend"]["amount"], first["observation_count"]) == ("5.00", 2), "rope is in no department, and counts"


async def test_too_few_to_be_compared_are_told_so(api: Api, compute: Compute) -> None:
    await load(api, "touchpoints", orders(await register(api, 3)))
    run = await compute(model=MODEL)
    assert (run["state"], run["row_count"]) == ("insufficient_data", 3)
    assert "3 customers bought" in run["problem"]["detail"]
