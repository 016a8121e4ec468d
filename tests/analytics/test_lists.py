"""Models about products through the whole loop: order lines read, lists made by a worker, asked for."""

from datetime import timedelta
from random import Random
from typing import Any

import orjson
from sqlalchemy import update

from crm_api.analytics.models import AnalyticsRun
from crm_api.core.db import Database

from ..calling import Api, problem
from .working import AS_OF, Compute, in_ranges_of, load, register

CUSTOMERS = 60
PRODUCTS = {
    "bread": ("BAKERY", "2.00"),
    "butter": ("DAIRY", "3.00"),
    "milk": ("DAIRY", "1.00"),
    "cheese": ("DAIRY", "9.00"),
    "soap": ("DRUG", "2.00"),
    "gas": ("FUEL", "50.00"),
}
FEW = {"min_customers": 2, "without_departments": ["FUEL"], "backtest_days": 100}


def orders(customers: list[str]) -> list[bytes]:
    """Half of the customers buy bread with butter every week or two, the other half milk with soap; cheese now and then
    by those of the bread. Everybody fills up.
    """
    random, told = Random(3), []
    for number, customer in enumerate(customers):
        staples = ("bread", "butter") if number % 2 else ("milk", "soap")
        for week in range(1, 52, 1 + number % 2):
            month, day = divmod(week * 7, 30)
            skus = {"gas", *staples} - ({random.choice(staples)} if random.random() < 0.2 else set())
            if number % 2 and number > 20 and week % 12 == 1:
                skus.add("cheese")
            told.append(order(customer, f"2023-{min(month + 1, 12):02}-{day % 28 + 1:02}T12:00:00Z", sorted(skus)))
    return told


def order(customer: str, at: str, skus: list[str]) -> bytes:
    items = [
        {"sku": sku, "quantity": "1", "paid_amount": PRODUCTS[sku][1], "list_amount": PRODUCTS[sku][1]} for sku in skus
    ]
    total = sum(float(PRODUCTS[sku][1]) for sku in skus)
    told: dict[str, Any] = {"customer_id": customer, "kind": "order.placed", "occurred_at": at, "items": items}
    told["amount"] = {"amount": f"{total:.2f}", "currency": "USD"}
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


async def shop(api: Api) -> tuple[list[str], dict[str, str]]:
    """Ids of customers who bought, and of the products by SKU."""
    customers = await register(api, CUSTOMERS)
    ids = {}
    for sku, (category, _) in PRODUCTS.items():
        product = {"sku": sku, "name": sku.capitalize(), "department": category, "category": category}
        ids[sku] = (await api.post("/v1/products", product, expect=201))["id"]
    await load(api, "touchpoints", orders(customers))
    return customers, ids


async def recommended(api: Api, customer: str, **params: Any) -> Any:
    return await api.get(f"/v1/customers/{customer}/recommendations", params=params, expect=200)


async def is_stale_when_plans_are_missed(api: Api, database: Database, customer: str) -> None:
    """What is listed is still answered; the list says how old it is."""
    plan = {"parameters": {"currency": "USD"}, "at": "02:00", "enabled": True}
    await api.put("/v1/analytics/plans/discover", plan, expect=200)
    async with database.session() as session:
        await session.execute(
            update(AnalyticsRun)
            .where(AnalyticsRun.model == "discover")
            .values(finished_at=AnalyticsRun.finished_at - timedelta(days=3))
        )
    found = await recommended(api, customer)
    assert [each["status"] for each in found["lists"]] == ["insufficient_data", "stale"]
    assert "planned for every day" in found["lists"][1]["reason"] and found["data"]


async def test_lists_are_the_same_from_any_ranges_and_say_why(api: Api, compute: Compute, database: Database) -> None:
    customers, ids = await shop(api)
    nobody = (await register(api, 1))[0]
    none = await recommended(api, customers[0])
    assert (none["data"], [each["status"] for each in none["lists"]]) == ([], ["insufficient_data"] * 2)
    assert "published yet" in none["lists"][0]["reason"]
    run = await compute(model="discover", min_products=1, **FEW)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(7), model="discover", min_products=1, **FEW)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    again = await compute(model="buy_again", without_departments=["FUEL"])
    assert again["state"] == "insufficient_data", "too few pairs to learn from"
    light = customers[1]  # bread and butter, never cheese
    [cheese] = (await recommended(api, light, kind=["cross_sell", "up_sell"], limit=1))["data"]
    assert (cheese["kind"], cheese["item"], cheese["name"]) == ("up_sell", "cheese", "Cheese")
    assert cheese["product_id"] == ids["cheese"]
    assert cheese["reasons"][0]["item"] in ("bread", "butter")
    assert (cheese["run_id"], cheese["model"]) == (small["id"], "discover")
    everything = (await recommended(api, light))["data"]
    assert "gas" not in {place["item"] for place in everything}, "nothing is learned from what is left out"
    assert not {place["item"] for place in everything} & {"bread", "butter"}
    empty = await recommended(api, nobody)
    assert (empty["data"], empty["lists"][1]["run_id"]) == ([], small["id"])
    assert AS_OF in empty["lists"][1]["reason"]
    await api.get(
        "/v1/customers/0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77/recommendations",
        expect=problem("customer-not-found", 404),
    )
    await is_stale_when_plans_are_missed(api, database, light)
    found = await api.post("/v1/segments/preview", {"definition": 'discover.up_sell = "cheese"'}, expect=200)
    pages = await api.get("/v1/scores/discover", params={"item": "cheese", "kind": "up_sell", "limit": 200})
    assert found["count"] == len(pages["data"]) > 3
    first = await api.get("/v1/scores/discover", params={"limit": 7})
    rest = await api.get("/v1/scores/discover", params={"limit": 200, "cursor": first["next_cursor"]})
    places = [(row["customer_id"], row["rank"]) for row in first["data"] + rest["data"]]
    assert places == sorted(set(places)) and len(places) == run["row_count"]


async def test_what_is_bought_again_comes_with_its_chance(api: Api, compute: Compute) -> None:
    customers, _ = await shop(api)
    # Twenty more of everything make enough pairs to learn from.
    more = await register(api, 160)
    await load(api, "touchpoints", orders(more))
    run = await compute(model="buy_again", horizon_days=7, never_listed=["milk"])
    assert run["state"] == "published", run
    places = (await recommended(api, customers[0], kind="buy_again"))["data"]
    assert places and "milk" not in {place["item"] for place in places}
    assert [place["rank"] for place in places] == list(range(1, len(places) + 1))
    chances = [place["buy_probability"] for place in places]
    assert chances == sorted(chances, reverse=True) and all(0 <= chance <= 1 for chance in chances)
    assert "days" in places[0]["reasons"][0]["text"]
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest", expect=200)
    assert backtest["figures"]["pair_count"] > 500 and "foretold" in backtest["title"]
    scores = (await api.get(f"/v1/customers/{customers[0]}/scores", expect=200))["data"]
    assert {"buy_again", "discover"}.isdisjoint(score["model"] for score in scores), "lists are asked for by themselves"


async def test_related_products_and_rules_are_about_products(api: Api, compute: Compute) -> None:
    _, ids = await shop(api)
    path = f"/v1/products/{ids['bread']}/related"
    assert (await api.get(path, expect=200))["status"] == "insufficient_data"
    run = await compute(model="related_products", **FEW)
    assert run["state"] == "published", run
    near = await api.get(path, expect=200)
    assert (near["status"], near["item"], near["run_id"]) == ("ok", "bread", run["id"])
    assert [place["item"] for place in near["data"]][:2] == ["butter", "cheese"]
    assert near["data"][0]["product_id"] == ids["butter"]
    gas = await api.get(f"/v1/products/{ids['gas']}/related", expect=200)
    assert (gas["status"], gas["data"]) == ("insufficient_data", [])


async def test_rules_are_read_as_page_and_as_stream(api: Api, compute: Compute) -> None:
    await shop(api)
    asked = {"model": "association", "min_support": 0.05, "without_departments": ["FUEL"], "backtest_days": 100}
    run = await compute(**asked)
    assert run["state"] == "published", run
    small = await compute(in_ranges_of(7), **asked)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    page = await api.get("/v1/scores/association", params={"then_item": "butter"}, expect=200)
    assert ["bread"] in [rule["if_items"] for rule in page["data"]]
    rule = next(rule for rule in page["data"] if rule["if_items"] == ["bread"])
    assert rule["lift"] > 1.3 and rule["confidence"] > 0.7 and "customer_id" not in rule
    text = (await api.send("GET", "/v1/scores/association", headers={"Accept": "text/csv"}, expect=200)).text
    assert text.splitlines()[0].startswith("as_of,run_id,rank,if_items,then_item,support,confidence,lift")
    assert len(text.splitlines()) == run["row_count"] + 1
    lines = (
        await api.send("GET", "/v1/scores/association", headers={"Accept": "application/x-ndjson"}, expect=200)
    ).text.splitlines()
    assert {tuple(orjson.loads(line)["if_items"]) for line in lines} >= {("bread",), ("butter",)}
    none = await compute(**asked | {"min_support": 1})
    assert (none["state"], "No rule" in none["problem"]["detail"]) == ("insufficient_data", True)


async def test_names_of_any_kind_come_back_as_they_are(api: Api, compute: Compute) -> None:
    """Runs are compared by the hash of their text: what the worker writes is what the database writes again."""
    names = ['say "cheese", please', "Käse 🧀", "a\\b", " leading", "NULL", "[1]", "\u2028 mit Umbruch"]
    for number, name in enumerate(names):
        product = {"name": f"Odd {number}", "category": name}
        await api.put(f"/v1/products/by-sku/odd-{number}", product, expect=201)
    customers = await register(api, 30)
    lines = []
    for number, customer in enumerate(customers):
        for month in (2, 11):
            skus = [f"odd-{(number + step) % len(names)}" for step in range(4)]
            told = {"customer_id": customer, "kind": "order.placed", "occurred_at": f"2023-{month:02}-03T12:00:00Z"}
            told["items"] = [{"sku": sku, "quantity": "1", "paid_amount": "1.00"} for sku in skus]
            told["amount"] = {"amount": "4.00", "currency": "USD"}
            lines.append(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
    await load(api, "touchpoints", lines)
    stored = {product["category"] for product in (await api.get("/v1/products", params={"limit": 50}))["data"]}
    rules = await compute(model="association", level="category", min_support=0.01)
    assert rules["state"] == "published", rules
    found = (await api.get("/v1/scores/association", params={"limit": 200}, expect=200))["data"]
    assert {item for rule in found for item in (*rule["if_items"], rule["then_item"])} == stored
    near = await compute(model="related_products", level="category", min_customers=1)
    assert near["state"] == "published", near
    page = await api.get("/v1/scores/related_products", params={"limit": 200}, expect=200)
    assert {row["item"] for row in page["data"]} == stored
    assert [(row["item"], row["rank"]) for row in page["data"]] == sorted(
        [(row["item"], row["rank"]) for row in page["data"]], key=lambda place: (place[0].encode(), place[1])
    )


async def test_the_archived_and_other_currencies_are_in_no_list(api: Api, compute: Compute) -> None:
    customers, _ = await shop(api)
    await api.post(f"/v1/customers/{customers[1]}/archive", expect=200)
    run = await compute(model="discover", min_products=1, **FEW)
    assert run["state"] == "published", run
    gone = await recommended(api, customers[1])
    assert gone["data"] == [] and "archived" in gone["lists"][1]["reason"]
    euros = order(customers[0], "2023-05-05T12:00:00Z", ["milk"]).replace(b"USD", b"EUR")
    await load(api, "touchpoints", [euros])
    refused = await compute(model="discover", min_products=1, **FEW)
    assert refused["state"] == "failed" and "EUR" in refused["problem"]["detail"], refused
