"""Reading scores: pages, streams, one customer, older runs, and as fields of an audience."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import select

from crm_api.analytics.fields import score_fields
from crm_api.analytics.outputs import OF_CUSTOMERS
from crm_api.audience import Catalog, Moment, condition, read_tree
from crm_api.core.db import Database
from crm_api.customers.models import Customer

from ..calling import Api, problem
from .conftest import Computing, Start, scored, unscored

Publish = Callable[..., Awaitable[Computing]]
CSV, NDJSON = {"Accept": "text/csv"}, {"Accept": "application/x-ndjson"}


async def test_a_score_tells_where_it_comes_from(api: Api, publish: Publish, customers: list[str]) -> None:
    run = await publish([scored(customers[0], 4, "-0.05")], as_of="2018-01-01")
    page = await api.get("/v1/scores/rfm")
    computed_at = (await run.read())["finished_at"]
    assert page["data"] == [
        {
            "customer_id": customers[0],
            "model": "rfm",
            "run_id": run.run["id"],
            "as_of": "2018-01-01",
            "computed_at": computed_at,
            "status": "ok",
            "reason": None,
            "observation_count": 2,
            "recency_score": 4,
            "frequency_score": 4,
            "monetary_score": 4,
            "recency_days": 10,
            "order_count": 2,
            "amount": {"amount": "-0.05", "currency": "EUR"},
        }
    ]
    assert page["run"] == {
        "id": run.run["id"],
        "model": "rfm",
        "as_of": "2018-01-01",
        "computed_at": computed_at,
        "stale_since": None,
    }
    assert (await api.get(f"/v1/customers/{customers[0]}/scores"))["data"][:1] == page["data"]
    line = (await api.send("GET", "/v1/scores/rfm", headers=NDJSON, expect=200)).text
    assert orjson.loads(line) == page["data"][0]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"recency_score": 5}, [4]),
        ({"recency_score": [1, 5], "monetary_score": [5, 4]}, [4]),
        ({"frequency_score": [2, 3]}, [1, 2]),
        ({"status": "insufficient_data"}, [3]),
        ({"status": "ok", "recency_score": 1}, [0]),
    ],
)
async def test_scores_are_filtered_by_value(
    api: Api, publish: Publish, customers: list[str], filters: dict[str, Any], found: list[int]
) -> None:
    lines = [scored(customer, number + 1) for number, customer in enumerate(customers)]
    lines[3] = unscored(customers[3])
    await publish(lines)
    expected = [customers[number] for number in found]
    page = await api.get("/v1/scores/rfm", params=filters)
    assert [score["customer_id"] for score in page["data"]] == expected
    streamed = (await api.send("GET", "/v1/scores/rfm", params=filters, headers=CSV, expect=200)).text.splitlines()
    assert [line.split(",")[2] for line in streamed[1:]] == expected
    objects = (await api.send("GET", "/v1/scores/rfm", params=filters, headers=NDJSON, expect=200)).text.splitlines()
    assert [orjson.loads(line) for line in objects] == page["data"]


async def test_a_stream_is_cut_by_ids(api: Api, publish: Publish, customers: list[str]) -> None:
    await publish([scored(customer) for customer in customers])
    bounds = {"customer_from": customers[1], "customer_before": customers[3]}
    streamed = (await api.send("GET", "/v1/scores/rfm", params=bounds, headers=CSV, expect=200)).text.splitlines()
    assert [line.split(",")[2] for line in streamed[1:]] == customers[1:3]
    assert len((await api.get("/v1/scores/rfm", params=bounds))["data"]) == 2


async def test_pages_stay_with_the_run_they_began_with(api: Api, publish: Publish, customers: list[str]) -> None:
    first_run = await publish([scored(customer, 1) for customer in customers])
    first = await api.get("/v1/scores/rfm", params={"limit": 2})
    await publish([scored(customer, 5) for customer in customers])
    rest = await api.get("/v1/scores/rfm", params={"limit": 2, "cursor": first["next_cursor"]})
    last = await api.get("/v1/scores/rfm", params={"limit": 2, "cursor": rest["next_cursor"]})
    everything = [*first["data"], *rest["data"], *last["data"]]
    assert [score["customer_id"] for score in everything] == customers
    assert {score["recency_score"] for score in everything} == {1}
    assert rest["run"]["id"] == first_run.run["id"]
    assert last["next_cursor"] is None


async def test_older_runs_are_read_by_id_and_by_date(
    api: Api, publish: Publish, start: Start, customers: list[str]
) -> None:
    old = await publish([scored(customers[0], 1)], as_of="2017-01-01")
    await publish([scored(customers[0], 2)], as_of="2018-01-01")
    again = await publish([scored(customers[0], 3)], as_of="2017-01-01")
    assert (await api.get("/v1/scores/rfm", params={"as_of": "2018-01-01"}))["data"][0]["recency_score"] == 2
    assert (await api.get("/v1/scores/rfm", params={"as_of": "2017-01-01"}))["run"]["id"] == again.run["id"]
    assert (await api.get("/v1/scores/rfm", params={"run_id": old.run["id"]}))["data"][0]["recency_score"] == 1
    await api.get("/v1/scores/rfm", params={"as_of": "2016-01-01"}, expect=problem("nothing-published", 404))
    running = {"run_id": (await start()).run["id"]}
    await api.get("/v1/scores/rfm", params=running, expect=problem("nothing-published", 404))
    unknown = {"run_id": customers[0]}
    await api.get("/v1/scores/rfm", params=unknown, expect=problem("run-not-found", 404))
    both = {"run_id": old.run["id"], "as_of": "2017-01-01"}
    await api.get("/v1/scores/rfm", params=both, expect=problem("invalid-request", 422))


async def test_a_customer_without_a_score_is_told_why(api: Api, publish: Publish, customers: list[str]) -> None:
    path = f"/v1/customers/{customers[4]}/scores"
    [none_yet, *_] = (await api.get(path))["data"]
    assert (none_yet["status"], none_yet["run_id"]) == ("insufficient_data", None)
    assert "No run" in none_yet["reason"]
    run = await publish([scored(customers[0]), unscored(customers[1])], as_of="2018-01-01")
    [not_seen, *_] = (await api.get(path))["data"]
    assert (not_seen["status"], not_seen["run_id"]) == ("insufficient_data", run.run["id"])
    assert "2018-01-01" in not_seen["reason"]
    assert (not_seen["amount"], not_seen["recency_score"]) == (None, None)
    [refunded, *_] = (await api.get(f"/v1/customers/{customers[1]}/scores"))["data"]
    assert (refunded["status"], refunded["reason"]) == ("insufficient_data", "No purchase, only refunds.")
    unknown = f"/v1/customers/{run.run['id']}/scores"
    await api.get(unknown, expect=problem("customer-not-found", 404))


async def test_currencies_have_their_own_digits(api: Api, publish: Publish, customers: list[str]) -> None:
    for currency, amount in (("JPY", "1230"), ("JPY", "-5"), ("KWD", "0.001"), ("KWD", "-12.345")):
        await publish([scored(customers[0], amount=amount, currency=currency)], currency=currency)
        score = (await api.get("/v1/scores/rfm"))["data"][0]
        assert score["amount"] == {"amount": amount, "currency": currency}
        line = (await api.send("GET", "/v1/scores/rfm", headers=NDJSON)).text
        assert orjson.loads(line) == score


@pytest.mark.parametrize("params", [{"recency_score": 6}, {"recency_score": "high"}, {"status": "fine"}, {"x": 1}])
async def test_a_wrong_filter_is_refused(api: Api, params: dict[str, Any]) -> None:
    await api.get("/v1/scores/rfm", params=params, expect=problem("invalid-request", 422))


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        ({"field": "rfm.recency", "gte": 4}, [3, 4]),
        ({"field": "rfm.frequency", "in": [1, 2]}, [0, 1]),
        ({"field": "rfm.monetary", "eq": 5}, [4]),
        ({"field": "rfm.recency_days", "lte": 10}, [0, 1, 3, 4]),
        ({"field": "rfm.order_count", "between": [1, 2]}, [0, 1, 3, 4]),
        ({"field": "rfm.amount", "gte": {"amount": "3.00", "currency": "EUR"}}, [3, 4]),
        ({"field": "rfm.amount", "gte": {"amount": "3.00", "currency": "USD"}}, []),
        ({"not": {"field": "rfm.recency", "gte": 4}}, [0, 1, 2]),
        ({"field": "rfm.recency", "known": True}, [0, 1, 3, 4]),
        ({"field": "rfm.recency", "known": False}, [2]),
    ],
)
async def test_scores_of_the_current_run_are_fields_of_an_audience(
    database: Database, publish: Publish, customers: list[str], tree: dict[str, Any], found: list[int]
) -> None:
    await publish([scored(customer, 1) for customer in customers])
    lines = [scored(customer, number + 1, f"{number}.99") for number, customer in enumerate(customers)]
    lines[2] = unscored(customers[2])
    await publish(lines)
    wanted = condition(
        read_tree(tree), Catalog(score_fields(None)), Moment(datetime.now(UTC), ZoneInfo("America/New_York"))
    )
    statement = select(Customer.customer_id).where(wanted).order_by(Customer.customer_id)
    async with database.session() as session:
        assert [str(each) for each in await session.scalars(statement)] == [customers[number] for number in found]


def test_fields_say_what_changes_them() -> None:
    fields = list(score_fields("diet"))
    assert {field.source for field in fields} == {"score"}
    named = {name for field in fields for name in field.depends_on}
    assert named == {"consent", *(f"score:{model}" for model in OF_CUSTOMERS)}


async def test_fields_tell_which_run_says_so_and_when(api: Api, publish: Publish, customers: list[str]) -> None:
    first = await publish([scored(customers[0])])
    run = await publish([scored(customers[0]), scored(customers[1])])

    async def count(definition: str) -> int:
        found: int = (await api.post("/v1/segments/preview", {"definition": definition}, expect=200))["count"]
        return found

    assert await count("rfm.computed_at within last 2 days") == 2
    assert await count("rfm.computed_at < 2020-01-01") == 0
    assert await count("rfm.computed_at is known") == 2
    assert await count(f'rfm.run_id = "{run.run["id"]}"') == 2
    assert await count(f'rfm.run_id = "{first.run["id"]}"') == 0
    fields = {field["name"]: field for field in (await api.get("/v1/fields", params={"source": "score"}))["data"]}
    assert (fields["rfm.computed_at"]["type"], fields["rfm.run_id"]["type"]) == ("datetime", "choice")
    offer = {"code": "FRESH", "name": "Fresh", "status": "live", "channels": {"web": {"title": "Fresh"}}}
    offer |= {"eligibility": f'rfm.computed_at within last 2 days and rfm.run_id = "{run.run["id"]}"'}
    await api.post("/v1/offers", offer, expect=201)
    for customer, codes in ((customers[0], ["FRESH"]), (customers[2], [])):
        wish = {"customer_id": customer, "channel": "web", "limit": 5}
        decided = await api.post("/v1/decisions", wish, expect=201)
        assert [chosen["code"] for chosen in decided["chosen"]] == codes
