"""Tastes that may reveal something: off without a named purpose, and only of those who agreed to it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from crm_api.app import create_app
from crm_api.client import ApiClient
from crm_api.core.db import Database
from crm_api.settings import Settings
from workers.hands import SCOPES

from ..calling import Api, problem
from .conftest import given
from .test_plans import tick
from .test_taste import ASKED, CUSTOMERS, SUBJECTS, trade
from .working import AS_OF, work

MODEL = "sensitive_taste"
OFF = problem("sensitive-taste", 403)
FIELD = f'{MODEL}.avoids has "garden"'


class Allowed:
    """The service as a deployment starts it that names a purpose, and a worker of it."""

    def __init__(self, api: Api, hands: ApiClient) -> None:
        self.api, self._hands = api, hands

    async def compute(self) -> Any:
        wish = {"model": MODEL, "parameters": {"as_of": AS_OF, **given({**ASKED, "model": None})}}
        return await self.work(await self.api.post("/v1/analytics/runs", wish, expect=202))

    async def work(self, run: dict[str, Any]) -> Any:
        await work(self._hands, run)
        return await self.api.get(f"/v1/analytics/runs/{run['id']}")


@pytest.fixture
async def allowed(api: Api, settings: Settings, credentials: tuple[str, str]) -> AsyncIterator[Allowed]:
    app = create_app(settings.model_copy(update={"sensitive_taste_purpose": "diet"}))
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://crm.test", timeout=60) as client,
        ApiClient("http://crm.test", *credentials, transport=ASGITransport(app), scope=" ".join(SCOPES)) as hands,
    ):
        yield Allowed(Api(client, api.headers), hands)


async def consent(api: Api, customer: str, channel: str = "email", state: str = "granted") -> None:
    said = {"customer_id": customer, "channel": channel, "purpose": "diet", "state": state, "source": "form"}
    await api.post("/v1/consents", said, expect=201)


async def told(api: Api) -> dict[str, str]:
    """Opinions on the garden."""
    page = await api.get(f"/v1/scores/{MODEL}", params={"subject": "garden", "limit": 200}, expect=200)
    return {score["customer_id"]: score["opinion"] for score in page["data"]}


async def preview(api: Api) -> int:
    found: int = (await api.post("/v1/segments/preview", {"definition": FIELD}, expect=200))["count"]
    return found


@pytest.mark.parametrize(
    "subject", [{"departments": ["MEAT"]}, {"subject": "vegan_food"}, {"categories": ["BABY FOOD"]}]
)
async def test_what_may_reveal_something_is_no_ordinary_taste(
    api: Api, allowed: Allowed, subject: dict[str, Any]
) -> None:
    subjects = [SUBJECTS[0], {"subject": "other", "product_types": ["X"], **subject}]
    for caller in (api, allowed.api):
        refused = await caller.post(
            "/v1/analytics/runs", {"model": "taste", "parameters": {"subjects": subjects}}, expect=OFF
        )
        assert "CRM_SENSITIVE_TASTE_PURPOSE" in refused["detail"]
        await caller.put("/v1/analytics/plans/taste", {"parameters": {"subjects": subjects}}, expect=OFF)
        await caller.put("/v1/analytics/plans/affinity", {"parameters": {"subjects": subjects}}, expect=OFF)


async def test_without_a_purpose_it_is_off(api: Api) -> None:
    asked = {"parameters": {"subjects": SUBJECTS}}
    refused = await api.post("/v1/analytics/runs", {"model": MODEL, **asked}, expect=OFF)
    assert "CRM_SENSITIVE_TASTE_PURPOSE" in refused["detail"]
    await api.put(f"/v1/analytics/plans/{MODEL}", asked, expect=OFF)
    await api.get(f"/v1/scores/{MODEL}", expect=OFF)
    await api.post("/v1/segments/preview", {"definition": FIELD}, expect=problem("invalid-audience", 422))
    fields = await api.get("/v1/fields", params={"limit": 200})
    assert [field["name"] for field in fields["data"] if "taste" in field["name"]] == [
        "taste.avoids",
        "taste.buys",
        "taste.computed_at",
        "taste.likes",
        "taste.run_id",
    ]


async def test_a_purpose_has_to_be_declared(allowed: Allowed) -> None:
    asked = {"model": MODEL, "parameters": {"subjects": SUBJECTS}}
    refused = await allowed.api.post("/v1/analytics/runs", asked, expect=OFF)
    assert "'diet'" in refused["detail"]


async def test_only_who_agreed_is_told_of(api: Api, allowed: Allowed) -> None:
    customers = await trade(api)
    await api.put("/v1/purposes/diet", {"label": "Meals that suit", "needs_consent": True}, expect=201)
    for customer in customers[:-2]:
        await consent(api, customer)
    await consent(api, customers[1], "letter", "withdrawn")
    run = await allowed.compute()
    assert (run["state"], run["row_count"]) == ("published", 2 * (CUSTOMERS - 3)), run
    opinions = await told(allowed.api)
    assert set(opinions) == {*customers[:-2]} - {customers[1]}
    assert [opinions[customer] for customer in customers[2:20]] == ["avoids"] * 18
    assert await preview(allowed.api) == 19

    await consent(api, customers[0], state="withdrawn")
    assert customers[0] not in await told(allowed.api), "who takes it back is told of no more, without a new run"
    assert await preview(allowed.api) == 18
    path = "/v1/customers/{}/scores"
    for caller, customer, count in ((allowed.api, 0, 0), (allowed.api, 2, 2), (api, 2, 0)):
        entries = (await caller.get(path.format(customers[customer])))["data"]
        theirs = [each for each in entries if each["model"] == MODEL and each["subject"]]
        assert len(theirs) == count
        profile = await caller.get(f"/v1/customers/{customers[customer]}/profile", params={"parts": "scores"})
        assert len([each for each in profile["scores"]["data"] if each in theirs]) == count
    lines = (await allowed.api.send("GET", f"/v1/scores/{MODEL}", headers={"Accept": "text/csv"}, expect=200)).text
    assert customers[0] not in lines
    assert lines.count("\n") == 1 + 2 * (CUSTOMERS - 4)
    explain = f"/v1/customers/{customers[2]}/scores/{MODEL}/explain"
    assert len((await allowed.api.get(explain))["scores"]) == 2

    await api.get(f"/v1/scores/{MODEL}", expect=OFF)
    await api.get(explain, expect=OFF)
    await api.post("/v1/segments/preview", {"definition": FIELD}, expect=problem("invalid-audience", 422))


async def test_a_plan_whose_audience_means_nothing_any_more_fails_and_goes_on(
    api: Api, allowed: Allowed, hands: ApiClient, database: Database
) -> None:
    """The deployment names the purpose no more, so that the field is gone; a plan that asked for it says so each day,
    and all is well once the purpose is back.
    """
    await trade(api)
    await api.put("/v1/purposes/diet", {"label": "Meals that suit", "needs_consent": True}, expect=201)
    plan = {"parameters": {"currency": "USD"}, "audience": f"not {FIELD}"}
    await allowed.api.put("/v1/analytics/plans/rfm", plan, expect=200)
    for day in (1, 2):
        runs = await tick(api, database)
        assert len(runs) == day
        await work(hands, runs[0])
        failed = await api.get(f"/v1/analytics/runs/{runs[0]['id']}")
        assert (failed["state"], failed["problem"]["code"]) == ("failed", "job-failed")
        assert "invalid-audience: " in failed["problem"]["detail"]
        assert f"{MODEL}.avoids" in failed["problem"]["detail"]
    await api.get("/v1/scores/rfm", expect=problem("nothing-published", 404))
    [later] = (await api.get("/v1/analytics/plans"))["data"]
    assert (later["enabled"], later["last_run_id"]) == (True, failed["id"])
    run = await allowed.work((await tick(allowed.api, database))[0])
    assert (run["state"], run["row_count"]) == ("published", CUSTOMERS), run
