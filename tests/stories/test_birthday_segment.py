"""Whose birthday is soon, on the customer's own calendar, leap day included: over HTTP, real worker, moved clock."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ..calling import Api
from ..live import Service
from ..moved import MovedClock
from .test_campaign import ended

pytestmark = pytest.mark.xdist_group("live")
PEOPLE = {
    "Aroha": ("1990-02-26", "Pacific/Auckland"),
    "Ben": ("1990-02-26", "America/Los_Angeles"),
    "Cleo": ("1990-02-26", None),  # no time zone: the business's, New York
    "Lea": ("2000-02-29", "America/New_York"),
    "Max": ("1985-07-20", "America/New_York"),
    "Nobody": (None, "America/New_York"),
}


async def adopted(api: Api) -> str:
    """Take the segment from the library, for the next seven days, and build it."""
    [entry] = (await api.get("/v1/segments/library?key=birthday-soon&ahead=7", expect=200))["data"]
    assert entry["definition_text"] == "birth_date anniversary within next 7 days"
    wish = {name: entry[name] for name in ("name", "description", "definition")}
    segment = await api.post("/v1/segments", wish, expect=201)
    build = await api.send("POST", f"/v1/segments/{segment['id']}/builds", expect=202)
    await ended(api, build.headers["location"])
    return str(segment["id"])


async def test_birthdays_come_round_where_the_customer_is(tmp_path: Path) -> None:
    clock = MovedClock(tmp_path, datetime(2027, 2, 19, 17, 50, tzinfo=UTC))
    moved = Service(tmp_path, application="tests.moved:create_app", environment=clock.environment)

    async def members(segment_id: str, *expected: str, seconds: float = 30) -> None:
        """Wait for the members, with a token of the time that it is now."""
        async with moved.caller() as api:
            found: list[str] | None = None
            try:
                async with asyncio.timeout(seconds):
                    while found != sorted(expected):
                        page = await api.get(f"/v1/segments/{segment_id}/members", expect=200)
                        found = sorted(member["display_name"] for member in page["data"])
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise AssertionError(f"at {clock.now}: {found}, not {expected}") from None

    async with moved as service:
        async with service.caller() as api:
            ids = {}
            for name, (birth_date, zone) in PEOPLE.items():
                wish = {"kind": "person", "display_name": name, "birth_date": birth_date, "time_zone": zone}
                ids[name] = (await api.post("/v1/customers", wish, expect=201))["id"]
            segment = await adopted(api)
        # 19 February: in Auckland it is the 20th already, and the 26th among the next seven days.
        await members(segment, "Aroha")

        def at(zone: str, *local: int) -> None:
            clock.move(datetime(*local, tzinfo=ZoneInfo(zone)))  # type: ignore[misc, arg-type]

        at("America/New_York", 2027, 2, 20, 0, 1)
        await members(segment, "Aroha", "Cleo")
        at("America/Los_Angeles", 2027, 2, 20, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo")
        # No 29 February in 2027: it falls on the 28th, which comes into sight on the 22nd.
        at("America/New_York", 2027, 2, 22, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo", "Lea")
        # The day after, where each of them is; the leap day's is 1 March.
        at("Pacific/Auckland", 2027, 2, 27, 0, 1)
        await members(segment, "Ben", "Cleo", "Lea")
        at("America/Los_Angeles", 2027, 2, 27, 0, 1)
        await members(segment, "Lea")
        at("America/New_York", 2027, 3, 1, 0, 1)
        await members(segment)
        # In 2028 there is a 29 February: seven days ahead of it is the 23rd.
        at("America/New_York", 2028, 2, 22, 23, 1)
        await members(segment, "Aroha", "Ben", "Cleo")
        at("America/New_York", 2028, 2, 23, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo", "Lea")
        async with service.caller() as api:
            told = await api.get(f"/v1/segments/{segment}/explain/{ids['Lea']}", expect=200)
            assert told["meets_definition"] and told["explanation"]["value"] == "2000-02-29"
            history = (await api.get(f"/v1/customers/{ids['Lea']}/segments/history", expect=200))["data"]
            assert [(row["entered_at"][:10], (row["left_at"] or "")[:10]) for row in history] == [
                ("2028-02-23", ""),
                ("2027-02-22", "2027-03-01"),
            ]
