"""Whose birthday is soon, on the customer's own calendar, leap day included: over HTTP, real worker, moved clock."""

from calendar import isleap
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ..live import Service
from ..moved import MovedClock
from .members import adopted, has_members

pytestmark = pytest.mark.xdist_group("live")
YEAR = next(year for year in count(datetime.now(UTC).year + 1) if isleap(year + 1))
"""The next common year that a leap year follows: the clock of a service is never moved behind the true one."""
PEOPLE = {
    "Aroha": ("1990-02-26", "Pacific/Auckland"),
    "Ben": ("1990-02-26", "America/Los_Angeles"),
    "Cleo": ("1990-02-26", None),  # no time zone: the business's, New York
    "Lea": ("2000-02-29", "America/New_York"),
    "Max": ("1985-07-20", "America/New_York"),
    "Nobody": (None, "America/New_York"),
}


async def test_birthdays_come_round_where_the_customer_is(tmp_path: Path) -> None:
    clock = MovedClock(tmp_path, datetime(YEAR, 2, 19, 17, 50, tzinfo=UTC))
    moved = Service(tmp_path, application="tests.moved:create_app", environment=clock.environment)

    async def members(segment_id: str, *expected: str) -> None:
        async with moved.caller() as api:  # with a token of the time that it is now
            await has_members(api, segment_id, *expected)

    async with moved as service:
        async with service.caller() as api:
            ids = {}
            for name, (birth_date, zone) in PEOPLE.items():
                wish = {"kind": "person", "display_name": name, "birth_date": birth_date, "time_zone": zone}
                ids[name] = (await api.post("/v1/customers", wish, expect=201))["id"]
            segment, entry = await adopted(api, "birthday-soon", ahead=7)
            assert entry["definition_text"] == "birth_date anniversary within next 7 days"
        # 19 February: in Auckland it is the 20th already, and the 26th among the next seven days.
        await members(segment, "Aroha")

        def at(zone: str, *local: int) -> None:
            clock.move(datetime(*local, tzinfo=ZoneInfo(zone)))  # type: ignore[misc, arg-type]

        at("America/New_York", YEAR, 2, 20, 0, 1)
        await members(segment, "Aroha", "Cleo")
        at("America/Los_Angeles", YEAR, 2, 20, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo")
        # No 29 February in the common year: it falls on the 28th, which comes into sight on the 22nd.
        at("America/New_York", YEAR, 2, 22, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo", "Lea")
        # The day after, where each of them is; the leap day's is 1 March.
        at("Pacific/Auckland", YEAR, 2, 27, 0, 1)
        await members(segment, "Ben", "Cleo", "Lea")
        at("America/Los_Angeles", YEAR, 2, 27, 0, 1)
        await members(segment, "Lea")
        at("America/New_York", YEAR, 3, 1, 0, 1)
        await members(segment)
        # In the leap year there is a 29 February: seven days ahead of it is the 23rd.
        at("America/New_York", YEAR + 1, 2, 22, 23, 1)
        await members(segment, "Aroha", "Ben", "Cleo")
        at("America/New_York", YEAR + 1, 2, 23, 0, 1)
        await members(segment, "Aroha", "Ben", "Cleo", "Lea")
        async with service.caller() as api:
            told = await api.get(f"/v1/segments/{segment}/explain/{ids['Lea']}", expect=200)
            assert told["meets_definition"] and told["explanation"]["value"] == "2000-02-29"
            history = (await api.get(f"/v1/customers/{ids['Lea']}/segments/history", expect=200))["data"]
            assert [(row["entered_at"][:10], (row["left_at"] or "")[:10]) for row in history] == [
                (f"{YEAR + 1}-02-23", ""),
                (f"{YEAR}-02-22", f"{YEAR}-03-01"),
            ]
