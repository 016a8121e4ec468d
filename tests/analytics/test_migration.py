"""How customers moved between two runs of a model: counted by where they were and where they are."""

from collections.abc import Awaitable, Callable
from typing import Any

from ..calling import Api, problem
from .conftest import Computing, scored, unscored
from .working import Compute, purchases, record, register

Publish = Callable[..., Awaitable[Computing]]
PATH = "/v1/scores/rfm/migration"


def moves(migration: dict[str, Any], value: str) -> list[tuple[Any, Any, int]]:
    [found] = [each for each in migration["data"] if each["value"] == value]
    return [(move["before"], move["after"], move["customer_count"]) for move in found["moves"]]


async def test_customers_are_counted_by_where_they_went(api: Api, publish: Publish, customers: list[str]) -> None:
    await api.get(PATH, expect=problem("nothing-published", 404))
    ana, ben, cem, dai, eva = customers
    first = await publish([scored(ana, 5), scored(ben, 5), scored(cem, 2), unscored(dai)])
    alone = await api.get(PATH, expect=problem("nothing-published", 404))
    assert first.run["id"] in alone["detail"]
    second = await publish([scored(ana, 5), scored(ben, 3), unscored(dai), scored(eva, 1)])
    found = await api.get(PATH)
    assert (found["run_id"], found["against_run_id"]) == (second.run["id"], first.run["id"])
    assert [each["value"] for each in found["data"]] == ["recency_score", "frequency_score", "monetary_score"]
    assert moves(found, "monetary_score") == [(2, None, 1), (5, 3, 1), (5, 5, 1), (None, 1, 1)]
    assert [each["moved_count"] for each in found["data"]] == [1, 1, 1]
    back = {"run_id": first.run["id"], "against_run_id": second.run["id"]}
    assert moves(await api.get(PATH, params=back), "recency_score") == [
        (1, None, 1),
        (3, 5, 1),
        (5, 5, 1),
        (None, 2, 1),
    ]
    third = await publish([scored(ana, 4)])
    assert (await api.get(PATH))["against_run_id"] == second.run["id"]
    assert (await api.get(PATH, params={"run_id": second.run["id"]}))["against_run_id"] == first.run["id"]
    assert third.run["id"] not in {found["run_id"], found["against_run_id"]}


async def test_a_run_that_was_not_published_is_compared_with_none(
    api: Api, publish: Publish, customers: list[str]
) -> None:
    run = await publish([scored(customers[0])])
    await api.get("/v1/scores/lifetime_value/migration", expect=problem("model-not-found", 404))
    for name in ("run_id", "against_run_id"):
        await api.get(PATH, params={name: customers[0]}, expect=problem("run-not-found", 404))
    waiting = await api.post("/v1/analytics/runs", {"model": "rfm", "parameters": {"currency": "EUR"}}, expect=202)
    unpublished = {"run_id": run.run["id"], "against_run_id": waiting["id"]}
    await api.get(PATH, params=unpublished, expect=problem("nothing-published", 404))


async def test_every_customer_of_a_real_pair_of_runs_is_in_one_move(api: Api, compute: Compute) -> None:
    customers = await register(api, 30)
    await record(api, customers, purchases(29))
    before = await compute(as_of="2023-07-01")
    await record(api, customers, [(29, "order.placed", "2023-08-01T09:00:00Z", "99.00")])
    after = await compute()
    found = await api.get(PATH)
    scores = {
        run["id"]: {
            score["customer_id"]: score["monetary_score"]
            for score in (await api.get("/v1/scores/rfm", params={"run_id": run["id"], "limit": 200}))["data"]
        }
        for run in (before, after)
    }
    told = [(scores[before["id"]].get(each), scores[after["id"]].get(each)) for each in customers]
    counted = {move: told.count(move) for move in set(told) if move != (None, None)}
    assert {(was, is_now): count for was, is_now, count in moves(found, "monetary_score")} == counted
    assert sum(counted.values()) == len({customer for of_run in scores.values() for customer in of_run})
