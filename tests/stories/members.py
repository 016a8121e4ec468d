"""What stories about segments share: building one, and waiting for who is in it."""

import asyncio
from typing import Any

from ..calling import Api
from .test_campaign import ended


async def built(api: Api, segment: dict[str, Any]) -> str:
    """Define a segment and build it; answers its id."""
    made = await api.post("/v1/segments", segment, expect=201)
    build = await api.send("POST", f"/v1/segments/{made['id']}/builds", expect=202)
    await ended(api, build.headers["location"])
    return str(made["id"])


async def adopted(api: Api, key: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """Take a segment from the library and build it; answers its id and the entry."""
    [entry] = (await api.get("/v1/segments/library", params={"key": key, **given}, expect=200))["data"]
    return await built(api, {name: entry[name] for name in ("name", "description", "definition")}), entry


async def has_members(api: Api, segment_id: str, *expected: str, seconds: float = 30) -> None:
    """Wait until exactly these are in a segment, by name; the promise is 5 seconds, the rest is for a busy machine."""
    found: list[str] | None = None
    try:
        async with asyncio.timeout(seconds):
            while found != sorted(expected):
                page = await api.get(f"/v1/segments/{segment_id}/members?limit=200", expect=200)
                found = sorted(member["display_name"] for member in page["data"])
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{found}, not {sorted(expected)}") from None
