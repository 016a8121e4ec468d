"""Lifetime value through the whole loop: read, estimated by a worker, stored, published, asked for."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest

from crm_api.analytics import wire
from crm_api.analytics.methods import lifetime_value, purchases
from crm_api.analytics.outputs import LIFETIME_VALUE

from ..calling import Api, problem
from .working import AS_OF, Compute, Fact, in_ranges_of, record, register

MODEL = {"model": "lifetime_value"}
CUSTOMERS = 150


def trade(customers: int, seed: int = 7) -> list[Fact]:
    """Two years of customers who buy at rates of their own, and leave at some time."""
    random, facts = Random(seed), []
    for number in range(customers):
        at = datetime(2022, 1, 1, 12, tzinfo=UTC) + timedelta(days=random.randrange(300))
        rate, leaves, mean = random.gammavariate(0.8, 0.03), random.betavariate(0.8, 2.5), random.gammavariate(6, 5)
        while at < datetime(2024, 1, 1, tzinfo=UTC):
            facts.append((number, "order.placed", at.isoformat(), f"{random.gammavariate(6, mean / 6) + 1:.2f}"))
            if random.random() < leaves:
                break
            at += timedelta(days=1 + random.expovariate(rate))
    return facts


def expected(customers: list[str], facts: list[Fact]) -> pl.DataFrame:
    """Rows of the same facts without any service."""
    rows = [
        (customers[number], kind, datetime.fromisoformat(at), int(str(amount).replace(".", "")), "USD")
        for number, kind, at, amount in facts
    ]
    schema = ["customer_id", "kind", "occurred_at", "amount", "currency"]
    feed = pl.DataFrame(rows, schema=schema, orient="row")
    asked = lifetime_value.Parameters(date.fromisoformat(AS_OF))
    days = purchases.customer_days(wire.dated(feed, "America/New_York", asked.as_of, "USD"), asked.as_of)
    histories = purchases.histories(days, asked.as_of)
    fitted = lifetime_value.fit(histories, asked)
    return wire.Rows(LIFETIME_VALUE, lifetime_value.score(histories, fitted, asked), "USD").whole()


async def streamed(api: Api) -> str:
    answer = await api.send("GET", "/v1/scores/lifetime_value", headers={"Accept": "text/csv"}, expect=200)
    return answer.text


async def test_a_worker_estimates_what_the_api_knows_in_any_ranges(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    facts = trade(CUSTOMERS - 2)
    facts.append((CUSTOMERS - 2, "order.refunded", "2023-05-05T12:00:00Z", "9.99"))
    await record(api, customers, facts)
    run = await compute(**MODEL)
    assert run["state"] == "published", run
    wanted = expected(customers, facts)
    cut = "".join(line.split(",", 2)[2] + "\n" for line in (await streamed(api)).splitlines())
    assert cut == wanted.write_csv()
    assert (run["row_count"], run["quality"]["customers_scored"]) == (CUSTOMERS - 1, CUSTOMERS - 2)
    small = await compute(in_ranges_of(11), **MODEL)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    await _reads_of_one(api, customers, run)


async def _reads_of_one(api: Api, customers: list[str], run: dict[str, Any]) -> None:
    """The page, the stream of objects and the customer's own scores say the same."""
    page = (await api.get("/v1/scores/lifetime_value", params={"limit": 3}))["data"]
    [none_yet, score, *_] = (await api.get(f"/v1/customers/{customers[0]}/scores"))["data"]
    assert (none_yet["model"], none_yet["status"], none_yet["run_id"]) == ("rfm", "insufficient_data", None)
    assert score == page[0]
    assert score["expected_purchases"] > 0
    assert score["lifetime_value"]["currency"] == "USD"
    [refunded, never] = [
        (await api.get(f"/v1/customers/{each}/scores"))["data"][1] for each in customers[CUSTOMERS - 2 :]
    ]
    assert (refunded["status"], refunded["reason"]) == ("insufficient_data", lifetime_value.NO_PURCHASE)
    assert "2024-01-01" in never["reason"]
    profile = await api.get(f"/v1/customers/{customers[0]}/profile", params={"parts": "scores"})
    assert profile["scores"]["data"][1] == score
    assert run["parameters"]["horizon_days"] == 365


async def test_estimates_are_fields_of_audiences(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    await record(api, customers, trade(CUSTOMERS))
    await compute(**MODEL)
    scores = (await api.get("/v1/scores/lifetime_value", params={"limit": 200}))["data"]
    limit = sorted(float(score["lifetime_value"]["amount"]) for score in scores)[CUSTOMERS // 2]
    for text, wanted in (
        (f"lifetime_value.value >= {limit:.2f} USD", lambda score: float(score["lifetime_value"]["amount"]) >= limit),
        (
            "lifetime_value.alive_probability < 0.5",
            lambda score: score["alive_probability"] is not None and score["alive_probability"] < 0.5,
        ),
        ("lifetime_value.expected_purchases > 2", lambda score: score["expected_purchases"] > 2),
    ):
        counted = await api.post("/v1/segments/preview", {"definition": text}, expect=200)
        assert counted["count"] == sum(map(wanted, scores)), text
        assert 0 < counted["count"] < CUSTOMERS, text


async def test_what_cannot_be_told_is_a_state_and_publishes_nothing(api: Api, compute: Compute) -> None:
    customers = await register(api, 30)
    once: list[Fact] = [(number, "order.placed", "2023-05-05T12:00:00Z", "1.00") for number in range(30)]
    await record(api, customers, once)
    run = await compute(**MODEL)
    assert run["state"] in ("insufficient_data", "not_identified"), run
    assert run["problem"]["detail"]
    await api.get("/v1/scores/lifetime_value", expect=problem("nothing-published", 404))


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [({"horizon_days": 6}, "horizon_days"), ({"unit": "week"}, "unit"), ({"quantiles": 5}, "quantiles")],
)
async def test_a_wrong_parameter_is_pointed_at(api: Api, parameters: dict[str, Any], pointer: str) -> None:
    wish = {**MODEL, "parameters": {"currency": "EUR", **parameters}}
    refused = await api.post("/v1/analytics/runs", wish, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == f"/parameters/{pointer}"
