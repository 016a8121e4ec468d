"""Plans: a model runs by itself when its time has come, once, with what was asked."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from crm_api.analytics.models import AnalyticsPlan
from crm_api.analytics.rules import next_time
from crm_api.core.clock import now
from crm_api.core.db import Database

from ..calling import Api, problem

NEW_YORK = ZoneInfo("America/New_York")
PLAN = {"parameters": {"currency": "EUR", "horizon_days": 90}, "at": "03:30"}


async def tick(api: Api, database: Database, late: timedelta = timedelta(seconds=1)) -> list[dict[str, Any]]:
    """Let all plans come due, and a worker do what there is to do; answers the runs there are then."""
    async with database.session() as session:
        due = update(AnalyticsPlan).where(AnalyticsPlan.next_at.is_not(None))
        await session.execute(due.values(next_at=now() - late))
    for job in (await api.post("/v1/jobs/claim", {"worker": "tests", "limit": 5, "hands": []}))["data"]:
        if job["kind"] == "analytics-plan":
            while not (await api.post(f"/v1/jobs/{job['id']}/steps", {"lease_id": job["lease_id"]}))["done"]:
                pass
    runs: list[dict[str, Any]] = (await api.get("/v1/analytics/runs"))["data"]
    return runs


async def test_a_planned_model_is_run_when_its_time_has_come(api: Api, database: Database) -> None:
    plan = await api.put("/v1/analytics/plans/lifetime_value", PLAN)
    assert plan["parameters"] == {
        "currency": "EUR",
        "kinds": ["order.placed", "order.refunded"],
        "horizon_days": 90,
        "discount_rate": 0.1,
        "interval": 0.8,
        "unit": "day",
        "backtest_days": 90,
    }
    due = datetime.fromisoformat(plan["next_at"])
    assert (due.astimezone(NEW_YORK).hour, due.astimezone(NEW_YORK).minute) == (3, 30)
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(hours=25)
    assert (await api.get("/v1/analytics/plans"))["data"] == [plan]
    assert (await api.get("/v1/analytics/runs"))["data"] == []
    [run] = await tick(api, database, late=timedelta(days=3))
    assert (run["model"], run["state"], run["created_by"]) == ("lifetime_value", "queued", "tests")
    assert run["as_of"] == datetime.now(NEW_YORK).date().isoformat()
    assert run["parameters"]["horizon_days"] == 90
    [after] = (await api.get("/v1/analytics/plans"))["data"]
    assert (after["last_run_id"], after["next_at"]) == (run["id"], plan["next_at"])


async def test_a_day_is_left_out_while_a_run_is_under_way(api: Api, database: Database) -> None:
    await api.put("/v1/analytics/plans/lifetime_value", PLAN)
    [run] = await tick(api, database)
    assert len(await tick(api, database)) == 1
    await api.post(f"{run['job']}/cancel")
    assert len(await tick(api, database)) == 2


async def test_planned_runs_are_about_the_audience_of_the_plan(api: Api, database: Database) -> None:
    asked = {"parameters": {"currency": "EUR"}, "audience": 'tags has "club"'}
    plan = await api.put("/v1/analytics/plans/rfm", asked)
    assert (plan["audience"], plan["audience_text"]) == ({"field": "tags", "has": "club"}, 'tags has "club"')
    assert (await api.get("/v1/analytics/plans"))["data"] == [plan]
    [run] = await tick(api, database)
    assert (run["audience"], run["audience_text"]) == (plan["audience"], plan["audience_text"])
    everybody = await api.put("/v1/analytics/plans/rfm", {"parameters": {"currency": "EUR"}})
    assert (everybody["audience"], everybody["audience_text"]) == (None, None)
    await api.post(f"{run['job']}/cancel")
    assert [each["audience"] for each in await tick(api, database)] == [None, plan["audience"]]
    wrong = {**asked, "audience": {"field": "tag", "has": "club"}}
    refused = await api.put("/v1/analytics/plans/rfm", wrong, expect=problem("invalid-audience", 422))
    assert refused["errors"][0]["pointer"].startswith("/audience")


async def test_a_plan_that_is_not_enabled_starts_nothing(api: Api, database: Database) -> None:
    await api.put("/v1/analytics/plans/rfm", {"parameters": {"currency": "EUR"}})
    changed = await api.put("/v1/analytics/plans/rfm", {"parameters": {"currency": "EUR"}, "enabled": False})
    assert (changed["enabled"], changed["next_at"], changed["at"]) == (False, None, "02:00")
    assert await tick(api, database) == []


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"parameters": {"currency": "EUR", "as_of": "2026-01-01"}}, "/parameters/as_of"),
        ({"parameters": {"currency": "EUR", "horizon_days": 90}}, "/parameters/horizon_days"),
        ({"parameters": {"currency": "EUR"}, "at": "24:00"}, "/at"),
        ({"parameters": {"currency": "EUR"}, "cron": "* * * * *"}, "/cron"),
    ],
)
async def test_a_wrong_plan_is_pointed_at(api: Api, wish: dict[str, Any], pointer: str) -> None:
    refused = await api.put("/v1/analytics/plans/rfm", wish, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer
    await api.put("/v1/analytics/plans/astrology", wish, expect=problem("not-found", 404))


@pytest.mark.parametrize(
    ("after", "at", "expected"),
    [
        ("2026-01-31T06:59:00+00:00", "02:00", "2026-01-31T07:00:00+00:00"),
        ("2026-01-31T07:00:00+00:00", "02:00", "2026-02-01T07:00:00+00:00"),
        ("2026-03-08T06:00:00+00:00", "02:30", "2026-03-08T07:30:00+00:00"),  # the clock skips it
        ("2026-11-01T04:00:00+00:00", "01:30", "2026-11-01T05:30:00+00:00"),  # it comes twice
        ("2026-11-01T05:30:00+00:00", "01:30", "2026-11-02T06:30:00+00:00"),
    ],
)
def test_the_next_time_follows_the_clock_of_the_business(after: str, at: str, expected: str) -> None:
    assert next_time(at, NEW_YORK, datetime.fromisoformat(after)) == datetime.fromisoformat(expected)
