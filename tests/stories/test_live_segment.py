"""A visitor looks at bikes and is in a segment by it, and whoever listens hears of it: over HTTP, a real worker."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ..calling import Api
from ..live import Service
from .test_campaign import ended

pytestmark = pytest.mark.xdist_group("live")
BIKES = {"touchpoint": "page.viewed", "where": {"field": "campaign", "eq": "bikes"}}
SEGMENT = {"name": "Looks at bikes", "definition": {"count": BIKES, "last": "P14D", "gte": 2}}
BOTH = ["segment.entered", "segment.exited"]


async def heard(api: Api, after: int) -> tuple[list[dict[str, Any]], int]:
    """The next news of memberships, within the promised seconds and some patience for a busy machine."""
    async with asyncio.timeout(20):
        while True:
            page = await api.get("/v1/events", params={"after": after, "type": BOTH})
            after = page["next_after"]
            if page["data"]:
                return page["data"], after
            await asyncio.sleep(0.1)


async def test_a_page_view_moves_a_customer_into_a_segment_and_the_event_arrives(tmp_path: Path) -> None:
    async with Service(tmp_path) as service, service.caller() as api:
        ann, ben = [
            (await api.post("/v1/customers", {"display_name": name}, expect=201))["id"] for name in ("Ann", "Ben")
        ]
        segment = await api.post("/v1/segments", SEGMENT, expect=201)
        build = await api.send("POST", f"/v1/segments/{segment['id']}/builds", expect=202)
        await ended(api, build.headers["location"])
        start = (await api.get("/v1/events", params={"after": "latest"}))["next_after"]

        async def look(customer: str) -> None:
            now = datetime.now(UTC).isoformat()
            body = {"customer_id": customer, "kind": "page.viewed", "occurred_at": now, "campaign": "bikes"}
            await api.post("/v1/touchpoints", body, expect=201)

        await look(ben)
        await look(ann)
        await look(ann)
        [event], position = await heard(api, start)
        assert (event["type"], event["customer_id"]) == ("segment.entered", ann)
        members = await api.get(f"/v1/segments/{segment['id']}/members")
        assert [member["display_name"] for member in members["data"]] == ["Ann"]

        service.kill_worker()
        await api.post(f"/v1/customers/{ann}/archive", expect=200)
        await look(ben)
        await service.start_worker()
        told: list[dict[str, Any]] = []
        while len(told) < 2:
            more, position = await heard(api, position)
            told += more
        assert sorted((each["type"], each["customer_id"]) for each in told) == [
            ("segment.entered", ben),
            ("segment.exited", ann),
        ]
        changes = await api.get(f"/v1/segments/{segment['id']}/changes")
        assert [each["change"] for each in changes["data"]].count("entered") == 2
        mine = await api.get(f"/v1/customers/{ann}/segments/history")
        assert mine["data"][0]["left_at"] is not None
