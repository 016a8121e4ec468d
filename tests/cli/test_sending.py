"""Sending a feed: every line arrives once, whatever breaks on the way."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import polars as pl
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from crm_api.cli.completejourney import Feed
from crm_api.cli.sending import LINES_PER_REQUEST, PROBLEMS_KEPT, send_feed, side_by_side
from crm_api.client import ApiClient, ApiInterrupted, ApiProblem


class Shelf:
    """A batch operation that keeps numbers once, refuses some and answers badly as often as it is told to."""

    def __init__(
        self, *, refused: frozenset[int] = frozenset(), cut_answers: int = 0, refuses_all: bool = False
    ) -> None:
        self.refused, self.cut_answers, self.refuses_all = refused, cut_answers, refuses_all
        self.kept: set[int] = set()
        self.request_count = self.now = self.most_at_once = 0
        routes = [Route("/oauth/token", self.grant, methods=["POST"]), Route("/b", self.take, methods=["POST"])]
        transport = httpx.ASGITransport(Starlette(routes=routes))
        self.client = ApiClient("http://api.test", "partner", "secret", transport, patience_seconds=2)

    async def grant(self, request: Request) -> Response:
        return JSONResponse({"access_token": "t", "expires_in": 600})

    async def take(self, request: Request) -> Response:
        self.request_count += 1
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        numbers = [orjson.loads(line)["n"] for line in (await request.body()).splitlines()]
        await asyncio.sleep(0.01)
        self.now -= 1
        if self.refuses_all:
            return JSONResponse({"code": "insufficient-scope", "detail": "No"}, 403)
        taken = {number for number in numbers if number not in self.refused}
        summary = {"received": len(numbers), "created": len(taken - self.kept), "repeated": len(taken & self.kept)}
        self.kept |= taken
        problems = [
            {"index": index, "status": 422, "problem": {"detail": f"{number} is refused"}}
            for index, number in enumerate(numbers)
            if number in self.refused
        ]
        if self.cut_answers:
            self.cut_answers -= 1
            return Response(b"")
        return StreamingResponse(_ndjson([*problems, {"summary": summary | {"rejected": len(problems)}}]))


async def _ndjson(lines: list[dict[str, object]]) -> AsyncIterator[bytes]:
    for line in lines:
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def numbers(count: int) -> Feed:
    rows = pl.DataFrame({"n": range(count)})
    return Feed("numbers", "/b", rows, lambda chosen: b"".join(b'{"n":%d}\n' % n for n in chosen["n"]))


async def test_every_line_arrives_once_two_requests_at_a_time() -> None:
    shelf = Shelf()
    told: list[int] = []
    count = 3 * LINES_PER_REQUEST + 17
    tally = await send_feed(shelf.client, numbers(count), told.append)
    assert shelf.kept == set(range(count))
    assert (tally.received, tally.created, tally.repeated, tally.rejected) == (count, count, 0, 0)
    assert sum(told) == count
    assert (shelf.request_count, shelf.most_at_once) == (4, 2)


async def test_sending_again_repeats_and_creates_nothing() -> None:
    shelf = Shelf()
    await send_feed(shelf.client, numbers(100), lambda _: None)
    tally = await send_feed(shelf.client, numbers(100), lambda _: None)
    assert (tally.created, tally.repeated) == (0, 100)


async def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    shelf = Shelf(cut_answers=3)
    tally = await send_feed(shelf.client, numbers(100), lambda _: None)
    assert shelf.request_count == 4
    assert (tally.received, tally.created, tally.repeated) == (100, 0, 100), (
        "counted is only the answer that came whole"
    )


async def test_answers_that_always_break_off_end_the_load() -> None:
    shelf = Shelf(cut_answers=1_000)
    with pytest.raises(ApiInterrupted):
        await send_feed(shelf.client, numbers(10), lambda _: None)
    assert shelf.request_count == 5


async def test_a_rejected_line_is_told_by_its_place_in_the_feed() -> None:
    odd = LINES_PER_REQUEST + 5
    tally = await send_feed(Shelf(refused=frozenset({odd})).client, numbers(odd + 10), lambda _: None)
    assert tally.rejected == 1
    assert tally.problems == [{"index": odd, "status": 422, "problem": {"detail": f"{odd} is refused"}}]
    assert tally.facts()["problems"] == tally.problems


async def test_of_many_rejected_lines_only_some_are_kept() -> None:
    tally = await send_feed(Shelf(refused=frozenset(range(100))).client, numbers(100), lambda _: None)
    assert tally.rejected == 100
    assert len(tally.problems) == PROBLEMS_KEPT


async def test_a_refused_request_ends_the_load() -> None:
    with pytest.raises(ApiProblem, match="insufficient-scope"):
        await send_feed(Shelf(refuses_all=True).client, numbers(10), lambda _: None)


async def test_an_empty_feed_sends_nothing() -> None:
    shelf = Shelf()
    tally = await send_feed(shelf.client, numbers(0), lambda _: None)
    assert (tally.received, shelf.request_count) == (0, 0)


async def test_the_first_failure_stops_what_is_side_by_side() -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 2:
            raise ValueError("two")
        await asyncio.sleep(0.01)
        done.append(item)

    with pytest.raises(ValueError, match="two"):
        await side_by_side(2, range(100), work)
    assert len(done) < 5
