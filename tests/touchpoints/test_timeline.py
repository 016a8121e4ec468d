"""Reading back: timelines, lists, streams, their filters, cursors and watermarks."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text

from crm_api.core.clock import now
from crm_api.core.db import Database

from ..calling import Api, problem
from .planting import counts, happening, load, order, register

KINDS = ("page.viewed", "email.opened", "order.placed", "call.answered")


async def plant(api: Api, customers: int, touchpoints: int, seed: int = 1) -> list[str]:
    """Load touchpoints of every sort; a third of them at instants that others share."""
    chance = random.Random(seed)
    owners = [await register(api, f"c{n}") for n in range(customers)]
    start = datetime(2025, 12, 30, 23, tzinfo=UTC)
    lines = []
    for number in range(touchpoints):
        at = start + timedelta(
            minutes=chance.choice([7, 8, chance.randrange(10_000)]), microseconds=chance.choice([0, 1])
        )
        kind = chance.choice(KINDS)
        told = {
            "kind": kind,
            "occurred_at": at.isoformat(),
            "channel": chance.choice(["web", "store", None]),
            "direction": chance.choice(["inbound", "outbound", None]),
            "department": chance.choice(["sales", None]),
            "campaign": chance.choice(["spring", None]),
            "source": "till",
            "source_id": str(number),
            "subject": chance.choice([None, 'quoted "text", with\nlines', "plain"]),
            "properties": {"n": number, "text": 'a "b" \\ ü 😀'},
            "cost": chance.choice([None, {"amount": "7", "currency": "JPY"}]),
        }
        owner = chance.choice(owners)
        amounts = [f"{chance.randrange(1, 900)}.{chance.randrange(100):02}" for _ in range(chance.randrange(1, 4))]
        lines.append(order(owner, *amounts, **told) if kind == "order.placed" else happening(owner, **told))
    assert await load(api, *lines) == [counts(created=touchpoints)]
    return owners


async def pages(api: Api, path: str) -> list[dict[str, Any]]:
    """Follow the links from page to page."""
    found: list[dict[str, Any]] = []
    next_path: str | None = path
    while next_path is not None:
        answer = await api.send("GET", next_path, expect=200)
        page = answer.json()
        found += page["data"]
        link = answer.headers.get("link")
        assert (link is None) == (page["next_cursor"] is None)
        next_path = None if link is None else link[1 : link.index(">")]
    return found


def newest_first(touchpoint: dict[str, Any]) -> tuple[float, str]:
    return -datetime.fromisoformat(touchpoint["occurred_at"]).timestamp(), touchpoint["id"]


async def test_timelines_are_newest_first_and_whole_whatever_the_page(api: Api) -> None:
    owners = await plant(api, 3, 150)
    everything = 0
    for owner in owners:
        whole = (await api.get(f"/v1/customers/{owner}/timeline?limit=200"))["data"]
        assert whole == sorted(whole, key=newest_first)
        assert {each["customer_id"] for each in whole} == {owner}
        for limit in (1, 7, 50):
            assert await pages(api, f"/v1/customers/{owner}/timeline?limit={limit}") == whole
        everything += len(whole)
    assert everything == 150


async def test_pages_stay_whole_while_others_write(api: Api) -> None:
    owner = await register(api)
    for minute in range(6):
        await api.post("/v1/touchpoints", happening(owner, occurred_at=f"2026-01-01T00:0{minute}:00Z"), expect=201)
    first = await api.get(f"/v1/customers/{owner}/timeline?limit=3")
    await api.post("/v1/touchpoints", happening(owner, occurred_at="2026-01-01T00:09:00Z"), expect=201)
    rest = await api.get(f"/v1/customers/{owner}/timeline?limit=3&cursor={first['next_cursor']}")
    minutes = [each["occurred_at"][15] for each in (*first["data"], *rest["data"])]
    assert minutes == ["5", "4", "3", "2", "1", "0"]


FILTERS = [
    ("kind=order.placed", lambda t: t["kind"] == "order.placed"),
    ("kind=order.placed&kind=email.opened", lambda t: t["kind"] in ("order.placed", "email.opened")),
    ("channel=web", lambda t: t["channel"] == "web"),
    ("direction=outbound&department=sales", lambda t: (t["direction"], t["department"]) == ("outbound", "sales")),
    ("source=till&campaign=spring", lambda t: t["campaign"] == "spring"),
    ("source=elsewhere", lambda t: False),
    ("occurred_from=2026-01-01T00:00:00Z", lambda t: t["occurred_at"] >= "2026-01-01"),
    (
        "occurred_from=2025-12-31T00:00:00Z&occurred_until=2026-01-01T00:00:00%2B01:00",
        lambda t: "2025-12-31" <= t["occurred_at"] < "2025-12-31T23:00:00Z",
    ),
]


@pytest.mark.parametrize(("query", "chosen"), FILTERS, ids=[query for query, _ in FILTERS])
async def test_filters(api: Api, query: str, chosen: Any) -> None:
    [owner, _] = await plant(api, 2, 120)
    for path in (f"/v1/customers/{owner}/timeline", "/v1/touchpoints"):
        everything = await pages(api, f"{path}?limit=200&expand=items")
        expected = [each for each in everything if chosen(each)]
        assert await pages(api, f"{path}?limit=13&expand=items&{query}") == expected
        assert "elsewhere" in query or 0 < len(expected) < len(everything)


async def test_lines_of_orders_are_there_when_asked_for(api: Api) -> None:
    owner = await register(api)
    made = await api.post("/v1/touchpoints", order(owner, "3.10", "4.20"), expect=201)
    path = f"/v1/customers/{owner}/timeline"
    assert (await api.get(path))["data"][0]["items"] is None
    expanded = (await api.get(f"{path}?expand=items"))["data"][0]
    assert {**expanded, "result": "created"} == made
    assert (await api.get("/v1/touchpoints?expand=items"))["data"] == [expanded]


async def test_nobody_has_no_timeline(api: Api) -> None:
    owner = await register(api)
    nothing = {"data": [], "next_cursor": None, "withheld": []}
    assert await api.get(f"/v1/customers/{owner}/timeline") == nothing
    await api.get(f"/v1/customers/{uuid4()}/timeline", expect=problem("customer-not-found", 404))
    await api.get(f"/v1/customers/{owner}/timeline/{uuid4()}", expect=problem("touchpoint-not-found", 404))
    made = await api.post("/v1/touchpoints", happening(owner), expect=201)
    other = await register(api)
    await api.get(f"/v1/customers/{other}/timeline/{made['id']}", expect=problem("touchpoint-not-found", 404))


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/v1/touchpoints?limit=0", "/limit"),
        ("/v1/touchpoints?limit=201", "/limit"),
        ("/v1/touchpoints?cursor=nonsense", "/cursor"),
        ("/v1/touchpoints?kind=Not%20A%20Kind", "/kind/0"),
        ("/v1/touchpoints?occurred_from=yesterday", "/occurred_from"),
        ("/v1/touchpoints?customer_from=1", "/customer_from"),
        ("/v1/touchpoints?fields=kind,nonsense", "/fields"),
        ("/v1/touchpoints?fields=currency", "/fields"),
        ("/v1/touchpoints?fields=", "/fields"),
        ("/v1/touchpoints?recorded_until=2100-01-01T00:00:00Z", "/recorded_until"),
        ("/v1/touchpoints?unknown=1", "/unknown"),
    ],
)
async def test_wrong_questions_are_pointed_at(api: Api, path: str, pointer: str) -> None:
    told = await api.get(path, expect=problem("invalid-request", 422))
    assert [finding["pointer"] for finding in told["errors"]] == [pointer]
    assert told["errors"][0]["in"] == "query"


async def test_cursors_belong_to_their_list_and_filter(api: Api) -> None:
    [owner, other] = await plant(api, 2, 40)
    cursor = (await api.get(f"/v1/customers/{owner}/timeline?limit=1"))["next_cursor"]
    for path in (
        f"/v1/customers/{other}/timeline?",
        f"/v1/customers/{owner}/timeline?channel=web&",
        "/v1/touchpoints?",
    ):
        await api.get(f"{path}cursor={cursor}", expect=problem("invalid-request", 422))


async def test_ranges_of_customers_cut_the_list_without_gap_or_overlap(api: Api) -> None:
    owners = sorted(await plant(api, 5, 100))
    everything = await pages(api, "/v1/touchpoints?limit=200")
    cut = owners[2]
    parts = [
        await pages(api, f"/v1/touchpoints?customer_before={cut}"),
        await pages(api, f"/v1/touchpoints?customer_from={cut}"),
    ]
    assert parts[0] + parts[1] == everything
    assert {each["customer_id"] for each in parts[0]} == set(owners[:2])


STREAMED = ["", "kind=order.placed", "channel=web&occurred_from=2026-01-01T00:00:00Z", "campaign=nothing"]


@pytest.mark.parametrize("query", STREAMED)
async def test_streams_equal_the_pages(api: Api, query: str) -> None:
    await plant(api, 4, 120)
    expected = await pages(api, f"/v1/touchpoints?limit=200&expand=items&{query}")
    lines = await api.send("GET", f"/v1/touchpoints?{query}", headers={"Accept": "application/x-ndjson"}, expect=200)
    assert [orjson.loads(line) for line in lines.content.splitlines()] == expected
    table = await api.send("GET", f"/v1/touchpoints?{query}", headers={"Accept": "text/csv"}, expect=200)
    assert list(csv.DictReader(io.StringIO(table.text, newline=""))) == [_cells(each) for each in expected]


def _cells(touchpoint: dict[str, Any]) -> dict[str, str]:
    """A touchpoint as its row of CSV."""
    flat = {name: value for name, value in touchpoint.items() if name not in ("amount", "cost", "items", "properties")}
    for name, unit in (("amount", "currency"), ("cost", "cost_currency")):
        money = touchpoint[name] or {"amount": "", "currency": ""}
        flat[name], flat[unit] = money["amount"], money["currency"]
    number, words = touchpoint["properties"]["n"], orjson.dumps(touchpoint["properties"]["text"]).decode()
    flat["properties"] = f'{{"n": {number}, "text": {words}}}'
    return {name: "" if value is None else value for name, value in flat.items()}


async def test_fields_are_chosen_in_their_order(api: Api) -> None:
    owner = await register(api)
    await api.post("/v1/touchpoints", order(owner, "3.10"), expect=201)
    chosen = "/v1/touchpoints?fields=customer_id,kind,occurred_at,amount"
    money = {"amount": "3.10", "currency": "EUR"}
    row = {"customer_id": owner, "kind": "order.placed", "occurred_at": "2026-01-31T09:30:00Z", "amount": money}
    assert (await api.get(chosen))["data"] == [row]
    lines = await api.send("GET", chosen, headers={"Accept": "application/x-ndjson"})
    assert list(orjson.loads(lines.content).items()) == list(row.items())
    table = await api.get(f"{chosen},currency", headers={"Accept": "text/csv"})
    assert table.splitlines() == [
        "customer_id,kind,occurred_at,amount,currency",
        f"{owner},order.placed,2026-01-31T09:30:00Z,3.10,EUR",
    ]
    items = await api.get("/v1/touchpoints?fields=items", headers={"Accept": "text/csv"})
    [_, [cell]] = csv.reader(io.StringIO(items))
    assert orjson.loads(cell)[0]["sku"] == "sku-1"


async def test_sparse_pages_have_cursors_too(api: Api) -> None:
    await plant(api, 2, 30)
    kinds = [each["kind"] for each in await pages(api, "/v1/touchpoints?limit=200")]
    assert [each["kind"] for each in await pages(api, "/v1/touchpoints?limit=7&fields=kind")] == kinds


async def test_a_watermark_makes_feeds_repeatable(api: Api, database: Database) -> None:
    owner = await register(api)
    old = await api.post("/v1/touchpoints", happening(owner), expect=201)
    async with database.session() as session:
        await session.execute(text("UPDATE touchpoint SET recorded_at = recorded_at - interval '2 minutes'"))
    await api.post("/v1/touchpoints", happening(owner), expect=201)
    until = (now() - timedelta(seconds=61)).isoformat().replace("+", "%2B")
    for headers in ({}, {"Accept": "application/x-ndjson"}):
        answer = await api.send("GET", f"/v1/touchpoints?recorded_until={until}&fields=id", headers=headers)
        assert answer.text.count('"id"') == 1
        assert old["id"] in answer.text


async def test_what_nobody_offers_is_not_acceptable(api: Api) -> None:
    await api.get("/v1/touchpoints", headers={"Accept": "text/html"}, expect=problem("not-acceptable", 406))
