"""Sends feeds to batch operations: a few requests at a time, each whole again when its connection breaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from ..client import ApiClient, ApiInterrupted
from .completejourney import Feed

LINES_PER_REQUEST = 10_000
LINES_PER_PART = 1_000
IN_FLIGHT = 2
TRIES_PER_REQUEST = 5
PROBLEMS_KEPT = 20

Advance = Callable[[int], None]
Item = TypeVar("Item")


@dataclass(slots=True)
class Tally:
    """What became of the lines of one feed.

    `repeated` ones were sent and were there already, exactly like that; `present` ones were not even sent, because the
    API had listed them.
    """

    present: int = 0
    received: int = 0
    created: int = 0
    updated: int = 0
    repeated: int = 0
    rejected: int = 0
    seconds: float = 0.0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def count(self, summary: dict[str, Any]) -> None:
        """Add the summary of one request."""
        self.received += summary.get("received", 0)
        self.created += summary.get("created", 0)
        self.updated += summary.get("updated", 0)
        self.repeated += summary.get("repeated", 0) + summary.get("unchanged", 0)
        self.rejected += summary.get("rejected", 0)

    def keep(self, problem: dict[str, Any]) -> None:
        """Keep a rejected line's problem, but not thousands of them."""
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(problem)

    def facts(self) -> dict[str, Any]:
        """Give it as JSON; problems only if there are any."""
        facts = asdict(self) | {"seconds": round(self.seconds, 2)}
        return facts if self.problems else {name: value for name, value in facts.items() if name != "problems"}


async def send_feed(api: ApiClient, feed: Feed, advance: Advance) -> Tally:
    """Send all lines of a feed. Sending it again changes nothing, so a killed load is simply started anew.

    Errors: ApiProblem when a whole request is refused, ApiUnreachable, ApiInterrupted.
    """
    tally, started = Tally(), time.monotonic()

    async def send(first: int) -> None:
        until = min(first + LINES_PER_REQUEST, feed.count)
        summary, problems = await _send_range(api, feed, first, until)
        tally.count(summary)
        for problem in problems:
            tally.keep({**problem, "index": first + problem["index"]})
        advance(until - first)

    await side_by_side(IN_FLIGHT, range(0, feed.count, LINES_PER_REQUEST), send)
    tally.seconds = time.monotonic() - started
    return tally


async def side_by_side(width: int, items: Iterable[Item], work: Callable[[Item], Awaitable[None]]) -> None:
    """Work on a few items at once, in order; the first failure ends all of it and is raised as it is."""
    left = iter(items)

    async def take() -> None:
        for item in left:
            await work(item)

    tasks = [asyncio.create_task(take()) for _ in range(width)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_range(
    api: ApiClient, feed: Feed, first: int, until: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    def chunks() -> AsyncIterator[bytes]:
        return _chunks(feed, first, until)

    for tries_left in reversed(range(TRIES_PER_REQUEST)):
        try:
            *problems, last = [line async for line in api.stream_batch(feed.path, chunks)]
            return last["summary"], problems
        except ApiInterrupted:
            if not tries_left:
                raise
    raise AssertionError("the last try either returns or raises")


async def _chunks(feed: Feed, first: int, until: int) -> AsyncIterator[bytes]:
    for start in range(first, until, LINES_PER_PART):
        # Polars leaves the interpreter while it works: in a thread, another request goes on meanwhile.
        yield await asyncio.to_thread(feed.lines, start, min(start + LINES_PER_PART, until))
