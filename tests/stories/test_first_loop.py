"""From a year of a grocer's trade to an offer with reasons: load, score, segment, decide, look at the timeline.

Everything goes through the public API of a running service with a running worker.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from crm_api.cli.campaign import play
from crm_api.cli.completejourney import DataMissing, folder
from crm_api.cli.load import load_year
from crm_api.cli.output import Format, Output

from ..calling import Api
from ..live import Service

PUBLISHED_SCORES = {
    "recency": [500, 513, 415, 615, 426],
    "frequency": [477, 517, 492, 484, 499],
    "monetary": [494, 494, 493, 494, 494],
}
"""Households by score, 1 to 5, at 2018-01-01 in New York."""
CHAMPIONS = {"all": [{"field": "rfm.recency", "gte": 4}, {"field": "rfm.monetary", "gte": 5}]}
pytestmark = pytest.mark.xdist_group("live")


async def finished(api: Api, path: str, seconds: float = 120) -> dict[str, Any]:
    """Wait for a job as any caller would: by asking."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job: dict[str, Any] = await api.get(path)
        if job["state"] in ("succeeded", "failed", "cancelled"):
            assert job["state"] == "succeeded", job
            return job
    raise AssertionError(f"{path} did not end in {seconds} s")


async def counted(api: Api, definition: dict[str, Any]) -> int:
    """Ask how many customers a definition means."""
    return int((await api.post("/v1/segments/preview", {"definition": definition}))["count"])


@pytest.fixture(scope="module")
def year() -> Path:
    """The folder of the grocer's year."""
    try:
        return folder()
    except DataMissing as missing:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


async def test_from_baskets_to_a_decided_offer(tmp_path: Path, year: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        await load_and_load_again(service)
        await score(api)
        await send_to_high_spenders(service)
        await segment_and_decide(api)


async def load_and_load_again(service: Service) -> None:
    """The whole year is there, to the cent, and a second load changes nothing."""
    async with service.client() as client:
        report = await load_year(client, Output(Format.json), checks=True)
        assert report.is_complete, report.facts()
        again = await load_year(client, Output(Format.json))
    facts = again.facts()["parts"]
    assert sum(part.get("created", 0) for part in facts.values()) == 0, facts


async def score(api: Api) -> None:
    """A run feeds out through the API, is computed by the worker, and comes back; its scores are fields."""
    wish = {"model": "rfm", "parameters": {"as_of": "2018-01-01", "currency": "USD"}}
    started = await api.send("POST", "/v1/analytics/runs", wish, expect=202)
    await finished(api, started.headers["location"])
    for name, counts in PUBLISHED_SCORES.items():
        found = [await counted(api, {"field": f"rfm.{name}", "eq": value}) for value in range(1, 6)]
        assert found == counts, name


async def send_to_high_spenders(service: Service) -> None:
    """The demo's campaign lands in the outbox, once to each of the 494 who agreed; saying it again sends nothing."""
    async with service.client() as client:
        for _ in range(2):
            counts = await play(client, Output(Format.json))
            assert counts["planned"] == 494 == counts["sent"] + counts["skipped"]
            assert counts["reasons"] == {"no_consent": counts["skipped"]}
            assert 30 < counts["skipped"] < 70
            assert len(list((service.folder / "outbox").glob("*.eml"))) == counts["sent"]


async def segment_and_decide(api: Api) -> None:
    """Champions are a segment; one of them is decided an offer, and told why; the timeline shows what led there."""
    segment = await api.post("/v1/segments", {"name": "Champions", "definition": CHAMPIONS}, expect=201)
    build = await api.send("POST", f"/v1/segments/{segment['id']}/builds", expect=202)
    await finished(api, build.headers["location"])
    members = await api.send(
        "GET", f"/v1/segments/{segment['id']}/members", headers={"Accept": "application/x-ndjson"}, expect=200
    )
    ids = [json.loads(line)["customer_id"] for line in members.text.splitlines()]
    assert len(ids) == await counted(api, CHAMPIONS) > 100
    offer = {
        "code": "champions",
        "name": "A thank-you",
        "status": "live",
        "priority": 1_000,
        "eligibility": {"segment": segment["id"]},
        "channels": {"email": {"title": "Thank you for a year"}},
    }
    await api.post("/v1/offers", offer, expect=201)
    decision = await api.post("/v1/decisions", {"customer_id": ids[0], "channel": "email"}, expect=201)
    assert [chosen["code"] for chosen in decision["chosen"]] == ["champions"]
    assert "eligible" in [reason["code"] for reason in decision["chosen"][0]["reasons"]]
    assert decision["rejected"], "the coupons of 2017 are rejected, with reasons"
    assert all(offer["reasons"] for offer in decision["rejected"])
    timeline = await api.get(f"/v1/customers/{ids[0]}/timeline?kind=order.placed&limit=5&expand=items")
    times = [touchpoint["occurred_at"] for touchpoint in timeline["data"]]
    assert times == sorted(times, reverse=True)
    assert timeline["data"][0]["items"]
