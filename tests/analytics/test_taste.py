"""Taste through the whole loop: order lines read, opinions told by a worker, several of each customer, asked for."""

from random import Random
from typing import Any

import orjson
import pytest

from ..calling import Api, problem
from .conftest import Start
from .working import Compute, in_ranges_of, load, register

MODEL = "taste"
CUSTOMERS = 130
SUBJECTS = [
    {"subject": "garden", "departments": ["GARDEN CENTER"]},
    {"subject": "books", "categories": ["NOVELS"], "product_types": ["ATLAS"]},
]
PRODUCTS = {
    "rake": {"department": "GARDEN CENTER"},
    "novel": {"department": "MEDIA", "category": "NOVELS"},
    "atlas": {"department": "MEDIA", "category": "MAPS", "product_type": "ATLAS"},
    "nail": {"department": "HARDWARE"},
    "gas": {"department": "FUEL"},
}
ASKED: dict[str, Any] = {
    "model": MODEL,
    "currency": None,
    "subjects": SUBJECTS,
    "among": {"departments": ["GARDEN CENTER", "MEDIA", "HARDWARE"]},
    "backtest_days": 120,
}


async def trade(api: Api) -> list[str]:
    """A year of orders of six lines; the first 20 customers buy nothing for the garden, the next 20 little else."""
    customers = await register(api, CUSTOMERS)
    for sku, place in PRODUCTS.items():
        await api.put(f"/v1/products/by-sku/{sku}", {"name": sku, **place}, expect=201)
    random, told = Random(5), []
    for number, customer in enumerate(customers):
        share = 0.0 if number < 20 else 0.9 if number < 40 else random.betavariate(4, 8)
        for month in range(1, 13):
            other = ["novel", "atlas", "nail", "nail", "gas", "unregistered"]
            skus = [*("rake" if random.random() < share else random.choice(other) for _ in range(5)), "gas"]
            items = [{"sku": sku, "quantity": "1", "paid_amount": "2.00", "list_amount": "2.00"} for sku in skus]
            order = {"customer_id": customer, "kind": "order.placed", "occurred_at": f"2023-{month:02}-11T12:00:00Z"}
            order |= {"amount": {"amount": "12.00", "currency": "USD"}, "items": items}
            told.append(orjson.dumps(order, option=orjson.OPT_APPEND_NEWLINE))
    await load(api, "touchpoints", told)
    return customers


async def test_who_leaves_something_out_is_told_from_who_loves_it(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    run = await compute(**ASKED)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(17), **ASKED)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    page = await api.get(f"/v1/scores/{MODEL}", params={"subject": "garden", "limit": 200})
    opinions = {score["customer_id"]: score["opinion"] for score in page["data"]}
    assert [opinions[customer] for customer in customers[:20]] == ["avoids"] * 20
    assert [opinions[customer] for customer in customers[20:40]] == ["likes"] * 20
    assert "avoids" not in {opinions[customer] for customer in customers[40:]}
    theirs = [
        each for each in (await api.get(f"/v1/customers/{customers[0]}/scores"))["data"] if each["model"] == MODEL
    ]
    assert [each["subject"] for each in theirs] == ["books", "garden"]
    assert theirs[0]["observation_count"] == theirs[1]["observation_count"] < 72, "gas and unregistered do not count"
    explained = await api.get(f"/v1/customers/{customers[0]}/scores/{MODEL}/explain")
    assert (explained["scores"], explained["inputs"]["paid"]) == (theirs, None)
    for text, count in (('taste.avoids has "garden"', 20), ('not taste.avoids has "Garden"', CUSTOMERS - 20)):
        assert (await api.post("/v1/segments/preview", {"definition": text}, expect=200))["count"] == count
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert backtest["loss"] < 0.4
    assert backtest["title"].startswith("Of 20 things said to be avoided 0% were bought later; of all others ")


async def test_who_buys_far_more_than_others_is_told(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    asked = {**ASKED, "model": "affinity"}
    run = await compute(**asked)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(17), **asked)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    scores = (await api.get("/v1/scores/affinity", params={"subject": "garden", "limit": 200}))["data"]
    levels = {score["customer_id"]: score["level"] for score in scores}
    assert {levels[customer] for customer in customers[:20]} == {"weak"}
    assert {levels[customer] for customer in customers[20:40]} == {"strong"}
    for score in scores:
        assert (score["affinity_index"] >= 150) == (score["level"] == "strong")
    count = sum(level == "strong" for level in levels.values())
    wish = {"definition": 'affinity.strong has "garden"'}
    assert (await api.post("/v1/segments/preview", wish, expect=200))["count"] == count < 80
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert backtest["loss"] < 0.8
    assert backtest["title"].startswith("Later shares were missed by ")


async def test_pages_go_through_all_rows_of_a_customer(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    await compute(**ASKED)
    pairs, cursor = [], None
    while True:
        page = await api.get(f"/v1/scores/{MODEL}", params={"limit": 51, **({"cursor": cursor} if cursor else {})})
        pairs += [(score["customer_id"], score["subject"]) for score in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pairs == [(customer, subject) for customer in customers for subject in ("books", "garden")]
    text = (await api.send("GET", f"/v1/scores/{MODEL}", headers={"Accept": "text/csv"}, expect=200)).text
    assert text.startswith("as_of,run_id,customer_id,subject,opinion,avoid_probability")
    assert [tuple(line.split(",")[2:4]) for line in text.splitlines()[1:]] == pairs


def row(customer_id: str, subject: str, opinion: str = "buys") -> str:
    return f"{customer_id},{subject},{opinion},0.000000,0.100000,0.200000,3,20,ok,"


HEADER = (
    "customer_id,subject,opinion,avoid_probability,like_probability,share_rate,line_count,observation_count,"
    "status,reason\n"
)


async def test_rows_are_told_apart_by_customer_and_subject(api: Api, start: Start, customers: list[str]) -> None:
    run = await start(model=MODEL, currency=None, subjects=SUBJECTS)

    async def send(part: int, *rows: str, expect: Any = 200) -> Any:
        return await run.send(part, HEADER + "".join(f"{each}\n" for each in rows), expect=expect)

    refused = problem("invalid-request", 422)
    for name in ("Garden", "", "a b", "x" * 51):
        wrong = await send(0, row(customers[0], name), expect=refused)
        assert wrong["errors"][0]["pointer"] == "/0/subject"
    twice = await send(0, row(customers[0], "garden"), row(customers[0], "garden", "likes"), expect=refused)
    assert [(error["pointer"], error["code"]) for error in twice["errors"]] == [("/1/subject", "duplicate")]
    assert "customer and this subject" in twice["errors"][0]["detail"]
    await send(0, row(customers[0], "garden"), row(customers[1], "garden"))
    other = await send(1, row(customers[0], "garden"), expect=refused)
    assert [(error["pointer"], error["code"]) for error in other["errors"]] == [("/0/subject", "duplicate")]
    await send(1, row(customers[0], "books"))
    await send(0, row(customers[0], "garden", "likes"))
    told = [row(customers[0], "books"), row(customers[0], "garden", "likes")]
    await run.publish(told, header=HEADER)
    page = await api.get(f"/v1/scores/{MODEL}")
    assert [(each["subject"], each["opinion"]) for each in page["data"]] == [("books", "buys"), ("garden", "likes")]


@pytest.mark.parametrize(
    "subjects",
    [
        [],
        [{"subject": "garden"}],
        [{"subject": "Garden", "departments": ["GARDEN CENTER"]}],
        [{"subject": "garden", "departments": [""]}],
        [{"subject": "garden", "departments": ["A"]}, {"subject": "garden", "departments": ["B"]}],
    ],
)
async def test_subjects_that_say_nothing_are_refused(api: Api, subjects: list[dict[str, Any]]) -> None:
    wish = {"model": MODEL, "parameters": {"subjects": subjects}}
    await api.post("/v1/analytics/runs", wish, expect=problem("invalid-request", 422))
