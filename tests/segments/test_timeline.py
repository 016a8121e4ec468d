"""Entries into segments and exits in a customer's timeline, read from the memberships."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.segments.models import Membership, Segment
from crm_api.touchpoints.models import Touchpoint

from ..calling import Api
from .conftest import Builder, Register

GERMANS = {"field": "country", "eq": "DE"}
MOVES = ["segment.entered", "segment.exited"]
START = datetime(2026, 1, 1, tzinfo=UTC)


async def timeline(api: Api, customer_id: str, query: str = "") -> list[dict[str, Any]]:
    """Read a timeline to its end, page by page."""
    found: list[dict[str, Any]] = []
    path = f"/v1/customers/{customer_id}/timeline?{query}"
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get(f"{path}&cursor={cursor}" if cursor else path, expect=200)
        found += page["data"]
        cursor = page["next_cursor"]
    return found


def kinds(items: list[dict[str, Any]]) -> list[str]:
    """Name what happened."""
    return [item["kind"] for item in items]


async def touch(api: Api, customer_id: str, **more: Any) -> None:
    """Record a page view."""
    at = datetime.now(UTC).isoformat()
    body = {"customer_id": customer_id, "kind": "page.viewed", "occurred_at": at, **more}
    await api.post("/v1/touchpoints", body, expect=201)


async def test_a_timeline_shows_when_a_customer_came_and_went(
    api: Api, builder: Builder, register: Register, database: Database
) -> None:
    ann = await register("Ann", country="DE")
    await touch(api, ann)
    segment = await builder.define("Germans", GERMANS)
    await builder.build(segment)
    await touch(api, ann, channel="web")
    changed = {"addresses": [{"city": "Wien", "country": "AT"}]}
    await api.patch(f"/v1/customers/{ann}", changed, expect=200)
    assert await builder.catch_up() != {}

    shown = await timeline(api, ann)
    assert kinds(shown) == ["segment.exited", "page.viewed", "segment.entered", "page.viewed"]
    left, _, entered, _ = shown
    [member] = (await api.get(f"/v1/customers/{ann}/segments/history", expect=200))["data"]
    assert (entered["occurred_at"], left["occurred_at"]) == (member["entered_at"], member["left_at"])
    assert (entered["subject"], entered["source"], entered["source_id"]) == ("Germans", "segments", segment)
    assert (entered["properties"], left["properties"]) == (
        {"segment_id": segment, "build": 1},
        {"segment_id": segment, "build": 2},
    )
    assert entered["id"] != left["id"]
    assert shown[0] == await api.get(f"/v1/customers/{ann}/timeline/{left['id']}", expect=200) | {"items": None}
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Touchpoint)) == 2, "no touchpoint is written"
    listed = await api.get("/v1/touchpoints", expect=200)
    assert kinds(listed["data"]) == ["page.viewed"] * 2


async def test_filters_choose_entries_and_exits_as_they_choose_touchpoints(
    api: Api, builder: Builder, register: Register
) -> None:
    ann = await register("Ann", country="DE")
    await builder.build(await builder.define("Germans", GERMANS))
    await touch(api, ann, channel="web", source="shop")
    for query, expected in {
        "kind=segment.entered": ["segment.entered"],
        "kind=segment.exited": [],
        "kind=page.viewed": ["page.viewed"],
        "kind=segment.entered&kind=page.viewed": ["page.viewed", "segment.entered"],
        "source=segments": ["segment.entered"],
        "channel=web": ["page.viewed"],
        "direction=inbound": [],
        "campaign=spring": [],
        "occurred_until=2020-01-01T00:00:00Z": [],
        "occurred_from=2020-01-01T00:00:00Z&expand=items": ["page.viewed", "segment.entered"],
    }.items():
        assert kinds(await timeline(api, ann, query)) == expected, query
    assert [item["items"] for item in await timeline(api, ann, "expand=items")] == [[], []]


async def test_a_build_that_is_not_published_is_not_shown(api: Api, builder: Builder, register: Register) -> None:
    people = [await register(f"Person {number}", country="DE") for number in range(5)]
    job = await builder.request(await builder.define("Germans", GERMANS))
    await builder.worker.step(job)
    assert [await timeline(api, person) for person in people] == [[]] * 5
    await builder.finish(job)
    assert [kinds(await timeline(api, person)) for person in people] == [["segment.entered"]] * 5


async def plant(session: AsyncSession, customer_id: str, segment_id: str, *, intervals: int) -> None:
    """Give a customer memberships that share their instants with one another and with touchpoints."""
    for number in range(intervals):
        at = START + timedelta(hours=number // 2)
        row = {
            "customer_id": customer_id,
            "segment_id": segment_id,
            "entered_build": 2 * number + 1,
            "left_build": 2 * number + 2,
            "entered_at": at,
            "left_at": at + timedelta(hours=1),
        }
        await session.execute(insert(Membership).values(row))
        segment = await session.get_one(Segment, segment_id)
        segment.current_build = 2 * intervals


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_have_no_gap_and_nothing_twice(
    limit: int, api: Api, builder: Builder, register: Register, database: Database
) -> None:
    ann = await register("Ann", country="DE")
    segment = await builder.define("Germans", GERMANS)
    await builder.build(segment)
    async with database.session() as session:
        await session.execute(Membership.__table__.delete())  # type: ignore[attr-defined]
        await plant(session, ann, segment, intervals=6)
    for number in range(5):
        await touch(api, ann, occurred_at=(START + timedelta(hours=number)).isoformat())
    whole = await timeline(api, ann, "limit=200")
    assert len(whole) == 12 + 5
    order = [(-datetime.fromisoformat(item["occurred_at"]).timestamp(), item["id"]) for item in whole]
    assert order == sorted(order)
    assert await timeline(api, ann, f"limit={limit}") == whole

    first = await api.get(f"/v1/customers/{ann}/timeline?limit={limit}", expect=200)
    await touch(api, ann)  # what comes on top later moves nothing below
    rest = f"/v1/customers/{ann}/timeline?limit={limit}&cursor={first['next_cursor']}"
    assert (await api.get(rest, expect=200))["data"] == whole[limit : 2 * limit]


async def test_who_may_not_read_segments_is_told_that_something_is_left_out(
    api: Api, anonymous: Api, credentials: tuple[str, str], builder: Builder, register: Register
) -> None:
    ann = await register("Ann", country="DE")
    await builder.build(await builder.define("Germans", GERMANS))
    await touch(api, ann)
    reader = anonymous.bearing(await anonymous.token(*credentials, "touchpoints:read"))
    path = f"/v1/customers/{ann}/timeline"
    page = await reader.get(path, expect=200)
    assert kinds(page["data"]) == ["page.viewed"]
    assert page["withheld"] == [{"kinds": MOVES, "scope": "segments:read"}]
    assert (await reader.get(f"{path}?kind=segment.entered", expect=200))["data"] == []
    assert (await reader.get(f"{path}?kind=page.viewed", expect=200))["withheld"] == []
    whole = await api.get(path, expect=200)
    assert (kinds(whole["data"]), whole["withheld"]) == (["page.viewed", "segment.entered"], [])
    entered = whole["data"][1]["id"]
    await api.get(f"{path}/{entered}", expect=200)
    await reader.get(f"{path}/{entered}", expect=404)


async def test_a_customer_without_anything_has_an_empty_timeline_and_nobody_has_none(
    api: Api, register: Register
) -> None:
    ann = await register("Ann")
    page = await api.get(f"/v1/customers/{ann}/timeline", expect=200)
    assert page == {"data": [], "next_cursor": None, "withheld": []}
    await api.get(f"/v1/customers/{new_id()}/timeline", expect=404)
