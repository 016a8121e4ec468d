"""Runs about some of the customers, and scores that have become older than was promised."""

from datetime import timedelta
from uuid import UUID

import orjson
import pytest
from sqlalchemy import update

from crm_api.analytics.models import AnalyticsPlan, AnalyticsRun
from crm_api.core.clock import now
from crm_api.core.db import Database

from ..calling import Api, problem
from .test_growth import orders
from .working import Compute, in_ranges_of, load, purchases, record, register

CUSTOMERS = 12


async def trade(api: Api) -> list[str]:
    """Customers who bought; each third is tagged."""
    wishes = [{"kind": "organization", "organization_name": f"Shop {number}"} for number in range(CUSTOMERS)]
    for number in range(0, CUSTOMERS, 3):
        wishes[number]["tags"] = ["club"]
    customers = [(await api.post("/v1/customers", wish, expect=201))["id"] for wish in wishes]
    assert customers == sorted(customers)
    await record(api, customers, purchases(CUSTOMERS))
    return customers


@pytest.mark.parametrize("audience", ['tags has "club"', {"field": "tags", "has": "club"}])
async def test_a_run_is_about_its_audience(api: Api, compute: Compute, audience: object) -> None:
    customers = await trade(api)
    everybody = await compute()
    assert (everybody["audience"], everybody["audience_text"]) == (None, None)
    run = await compute(audience=audience)
    assert run["state"] == "published", run
    assert run["audience"] == {"field": "tags", "has": "club"}
    assert run["audience_text"] == 'tags has "club"'
    assert everybody["row_count"] == CUSTOMERS
    page = await api.get("/v1/scores/rfm", params={"limit": 200})
    assert [score["customer_id"] for score in page["data"]] == customers[::3]
    small = await compute(in_ranges_of(2), audience=audience)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    outside = (await api.get(f"/v1/customers/{customers[1]}/scores"))["data"][0]
    assert (outside["model"], outside["status"]) == ("rfm", "insufficient_data")
    assert "not in its audience" in outside["reason"]
    explained = await api.get(f"/v1/customers/{customers[1]}/scores/rfm/explain")
    assert (explained["inputs"], explained["touchpoints"]) == (None, []), "the run read nothing of this customer"


async def test_order_lines_are_those_of_the_audience(api: Api, compute: Compute) -> None:
    customers = await trade(api)
    await load(api, "touchpoints", orders(customers))
    run = await compute(model="growth", audience='tags has "club"')
    lines = (await api.send("GET", f"/v1/analytics/runs/{run['id']}/lines", expect=200)).text.splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == set(customers[::3])


@pytest.mark.parametrize("audience", [{"field": "tag", "has": "club"}, 'in_segment("none")'])
async def test_an_audience_is_refused_when_it_is_asked_for(api: Api, audience: object) -> None:
    wish = {"model": "rfm", "parameters": {"currency": "EUR"}, "audience": audience}
    refused = await api.post("/v1/analytics/runs", wish, expect=problem("invalid-audience", 422))
    assert refused["errors"][0]["pointer"].startswith("/audience")
    assert (await api.get("/v1/analytics/runs"))["data"] == []


async def age(database: Database, run_id: str, days: int) -> None:
    """Let a run have ended some days ago."""
    async with database.session() as session:
        moved = update(AnalyticsRun).where(AnalyticsRun.id == UUID(run_id))
        await session.execute(moved.values(finished_at=now() - timedelta(days=days)))


async def states(api: Api, customer: str) -> list[set[str]]:
    """The states of all scores: on a page, of a customer, in a stream."""
    page = await api.get("/v1/scores/rfm", params={"limit": 200})
    [one, *_] = (await api.get(f"/v1/customers/{customer}/scores"))["data"]
    stream = await api.send("GET", "/v1/scores/rfm", headers={"Accept": "application/x-ndjson"}, expect=200)
    assert (page["run"]["stale_since"] is None) is (stream.headers.get("Scores-Stale-Since") is None)
    assert ("planned" in (one["reason"] or "")) is (one["status"] == "stale")
    profile = await api.get(f"/v1/customers/{customer}/profile", params={"parts": "scores"})
    assert profile["scores"]["data"][0] == one
    streamed = {orjson.loads(line)["status"] for line in stream.text.splitlines()}
    return [{score["status"] for score in page["data"]}, {one["status"]}, streamed]


async def test_scores_older_than_their_plan_promises_are_stale(api: Api, database: Database, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    await record(api, customers, purchases(CUSTOMERS - 1))
    await record(api, customers, [(CUSTOMERS - 1, "order.refunded", "2023-02-02T10:00:00Z", "1.00")])
    before, run = await compute(), await compute()
    await age(database, run["id"], 5)
    await age(database, before["id"], 9)
    fresh = [{"ok", "insufficient_data"}, {"ok"}, {"ok", "insufficient_data"}]
    stale = [{"stale", "insufficient_data"}, {"stale"}, {"stale", "insufficient_data"}]
    assert await states(api, customers[0]) == fresh, "without a plan nothing is promised"
    await api.put("/v1/analytics/plans/rfm", {"parameters": {"currency": "USD"}}, expect=200)
    assert await states(api, customers[0]) == stale
    csv = await api.send("GET", "/v1/scores/rfm", headers={"Accept": "text/csv"}, expect=200)
    assert csv.headers["Scores-Stale-Since"].endswith("Z")
    assert "stale" not in csv.text, "the bytes are those that the run has the hash of"
    older = await api.get("/v1/scores/rfm", params={"run_id": before["id"]})
    assert older["data"][0]["status"] == "ok", "who names an old run knows that it is old"
    await age(database, run["id"], 1)
    assert await states(api, customers[0]) == fresh, "one run may be late"
    await age(database, run["id"], 5)
    async with database.session() as session:
        await session.execute(update(AnalyticsPlan).values(enabled=False))
    assert await states(api, customers[0]) == fresh
