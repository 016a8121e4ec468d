"""Backtests: kept with their run, drawn, and compared before a run takes the place of another."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from crm_api.analytics.rules import worse_by

from ..calling import Api, problem
from .conftest import Computing, Start, scored
from .test_lifetime_value import CUSTOMERS, MODEL, trade
from .working import Compute, record, register

Publish = Callable[..., Awaitable[Computing]]
VEGA_LITE, SVG = ({"Accept": kind} for kind in ("application/vnd.vegalite.v5+json", "image/svg+xml"))


def backtest(loss: float | None, name: str = "error") -> dict[str, Any]:
    told = {"status": "ok", "title": "Well done", "figures": {"auc": 0.8}, "calibration": [{"bin": 1, "observed": 2.5}]}
    return told if loss is None else {**told, "loss": loss, "loss_name": name}


async def current(api: Api) -> Any:
    return (await api.get("/v1/scores/rfm"))["run"]["id"]


@pytest.fixture
def judged(start: Start, customers: list[str]) -> Callable[[float | None], Awaitable[Computing]]:
    """Compute a run with this loss."""

    async def judged(loss: float | None, **more: Any) -> Computing:
        run = await start()
        lines = [scored(customers[0])]
        await run.send(0, lines)
        await run.publish(lines, backtest=backtest(loss), **more)
        await run.report("PUT", "result", result={})
        return run

    return judged


async def test_a_worker_judges_its_method_and_draws_it(api: Api, compute: Compute) -> None:
    customers = await register(api, CUSTOMERS)
    await record(api, customers, trade(CUSTOMERS))
    run = await compute(**MODEL, backtest_days=120)
    path = f"/v1/analytics/runs/{run['id']}/backtest"
    found = await api.get(path)
    assert (found["status"], found["cut_on"], found["until"]) == ("ok", "2023-09-03", "2024-01-01")
    assert found["figures"]["observed_purchases"] > 20
    assert abs(found["figures"]["purchase_bias"]) < 0.5
    assert sum(row["count"] for row in found["calibration"]) == found["figures"]["customer_count"]
    assert 0 < found["loss"] < 1, "better than going on as before"
    drawn = await api.send("GET", f"{path}/picture", headers=VEGA_LITE, expect=200)
    assert drawn.headers["content-type"] == VEGA_LITE["Accept"]
    specification = orjson.loads(drawn.content)
    assert specification["title"]["text"] == found["title"]
    assert "purchases foretold" in found["title"]
    assert len(specification["data"]["values"]) == len(found["calibration"])
    picture = await api.send("GET", f"{path}/picture", headers=SVG, expect=200)
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "script" not in picture.headers["content-security-policy"]
    assert picture.text.startswith("<svg")
    assert found["title"] in picture.text
    assert run["timing"]["draw_seconds"] > 0


async def test_what_was_not_judged_has_no_backtest(api: Api, publish: Publish, customers: list[str]) -> None:
    run = await publish([scored(customers[0])])
    for path in ("backtest", "backtest/picture"):
        await api.get(f"{run.path}/{path}", expect=problem("backtest-not-found", 404))
        unknown = f"/v1/analytics/runs/{customers[0]}/{path}"
        await api.get(unknown, expect=problem("run-not-found", 404))


async def test_a_worse_run_waits_and_is_approved(
    api: Api, judged: Callable[[float | None], Awaitable[Computing]]
) -> None:
    before = await judged(0.5)
    worse = await judged(0.6)
    waiting = await worse.read()
    assert (waiting["state"], waiting["is_current"]) == ("awaiting_approval", False)
    assert "20.0% worse" in waiting["approval"]["reason"]
    assert waiting["approval"]["worse_by"] == pytest.approx(0.2)
    assert waiting["approval"]["current_run_id"] == before.run["id"]
    assert await current(api) == before.run["id"]
    [told] = (await api.get("/v1/events", params={"type": "analytics.approval_wanted"}))["data"]
    assert (told["data"]["run_id"], "20.0% worse" in told["data"]["reason"]) == (worse.run["id"], True)
    approved = await api.post(f"{worse.path}/approve", {"note": "so be it"})
    assert (approved["state"], approved["is_current"]) == ("published", True)
    assert (approved["approval"]["decision"], approved["approval"]["note"]) == ("approved", "so be it")
    assert await current(api) == worse.run["id"]
    again = await api.post(f"{worse.path}/approve", {}, expect=problem("nothing-to-approve", 409))
    assert "published" in again["detail"]


async def test_a_rejected_run_never_becomes_current(
    api: Api, judged: Callable[[float | None], Awaitable[Computing]]
) -> None:
    before = await judged(0.5)
    unjudged = await judged(None)
    assert "no backtest" in (await unjudged.read())["approval"]["reason"]
    rejected = await api.post(f"{unjudged.path}/reject", {})
    assert (rejected["state"], rejected["approval"]["decision"]) == ("rejected", "rejected")
    await api.post(f"{unjudged.path}/approve", {}, expect=problem("nothing-to-approve", 409))
    assert await current(api) == before.run["id"]
    better = await judged(0.4)
    assert await current(api) == better.run["id"]


async def test_a_run_that_waited_too_long_is_superseded(
    api: Api, judged: Callable[[float | None], Awaitable[Computing]]
) -> None:
    await judged(0.5)
    worse, better = await judged(0.7), await judged(0.5)
    await api.post(f"{worse.path}/approve", {}, expect=problem("run-superseded", 409))
    assert (await worse.read())["state"] == "awaiting_approval"
    assert await current(api) == better.run["id"]


@pytest.mark.parametrize(
    ("loss", "current", "share"), [(0.5, 0.5, None), (0.505, 0.5, None), (0.51, 0.5, 0.02), (0.4, 0.5, None)]
)
def test_a_little_worse_is_tolerated(loss: float, current: float, share: float | None) -> None:
    assert worse_by(loss, current) == (None if share is None else pytest.approx(share))
