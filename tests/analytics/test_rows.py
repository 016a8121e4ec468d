"""Rows of a run over HTTP: every one is checked, none is stored when one is wrong, parts replace themselves."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from crm_api.analytics.models import SCORES, AnalyticsRunPart
from crm_api.core.db import Database

from ..calling import Api, problem
from .conftest import HEADER, Start, scored

RfmScore = SCORES["rfm"]


async def count(database: Database, table: Any) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_part_sent_again_replaces_itself(
    api: Api, database: Database, start: Start, customers: list[str]
) -> None:
    run = await start()
    await run.send(0, [scored(customers[0], 1), scored(customers[1], 1)])
    await run.send(7, [scored(customers[4], 2)])
    await run.send(0, [scored(customers[1], 5)])
    await run.publish([scored(customers[1], 5), scored(customers[4], 2)])
    page = await api.get("/v1/scores/rfm")
    assert [score["customer_id"] for score in page["data"]] == [customers[1], customers[4]]
    assert await count(database, AnalyticsRunPart) == 2


async def test_the_same_part_from_two_senders_at_once_is_there_once(
    database: Database, start: Start, customers: list[str]
) -> None:
    run = await start()
    lines = [scored(customer) for customer in customers]
    await asyncio.gather(*(run.send(3, lines) for _ in range(4)))
    assert await count(database, RfmScore) == 5
    await run.publish(lines)


async def test_rows_come_as_ndjson_too(api: Api, start: Start, customers: list[str]) -> None:
    run = await start()
    row = (
        f'{{"customer_id":"{customers[0]}","recency_score":5,"frequency_score":"4","monetary_score":3,"recency_days":1,'
        '"order_count":2,"amount":"12.30","currency":"EUR","observation_count":2,"status":"ok","reason":null}\n'
    )
    await run.send(0, row, kind="application/x-ndjson")
    await run.publish([f"{customers[0]},5,4,3,1,2,12.30,EUR,2,ok,"])
    assert (await api.get("/v1/scores/rfm"))["data"][0]["monetary_score"] == 3


WRONG = [
    pytest.param([scored("{0}"), scored("{1}", 6)], "/1/recency_score", "wrong-value", id="score of 6"),
    pytest.param([scored("{0}", 0)], "/0/recency_score", "wrong-value", id="score of 0"),
    pytest.param([scored("{0}", amount="12.3")], "/0/amount", "wrong-value", id="a digit is missing"),
    pytest.param([scored("{0}", amount="NaN")], "/0/amount", "wrong-value", id="no number"),
    pytest.param([scored("{0}", amount="9" * 15 + ".00")], "/0/amount", "wrong-value", id="too much"),
    pytest.param([scored("{0}", 70000)], "/0/recency_score", "wrong-value", id="beyond the type"),
    pytest.param([scored("{0}", amount="1e3")], "/0/amount", "wrong-value", id="exponent"),
    pytest.param([scored("{0}", currency="USD")], "/0/currency", "wrong-value", id="another currency"),
    pytest.param([scored("nobody")], "/0/customer_id", "wrong-value", id="no id"),
    pytest.param(["{0},,,,,2,12.30,EUR,2,ok,"], "/0/recency_score", "wrong-value", id="ok without scores"),
    pytest.param(["{0},3,3,3,10,2,12.30,EUR,2,ok,why"], "/0/reason", "wrong-value", id="ok with a reason"),
    pytest.param(["{0},,,,,0,0.00,EUR,1,insufficient_data,"], "/0/reason", "wrong-value", id="no reason"),
    pytest.param(["{0},3,,,,0,0.00,EUR,1,insufficient_data,x"], "/0/recency_score", "wrong-value", id="half a score"),
    pytest.param(["{0},3,3,3,10,2,12.30,EUR,2,great,"], "/0/status", "wrong-value", id="unknown status"),
    pytest.param([scored("{0}"), "{1},3"], "/1", "invalid-csv", id="too few cells"),
    pytest.param([scored("{0}") + ",more"], "/0", "invalid-csv", id="too many cells"),
    pytest.param([scored("{0}"), '"' + scored("{1}")], "/1", "invalid-csv", id="open quote"),
    pytest.param([scored("{0}"), scored("{0}")], "/1/customer_id", "duplicate", id="twice in the part"),
    pytest.param(
        [scored("0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11")], "/0/customer_id", "unknown-customer", id="nobody's id"
    ),
    pytest.param([scored("{0}"), scored("{4}")], "/1/customer_id", "duplicate", id="in another part"),
]


@pytest.mark.parametrize(("lines", "pointer", "code"), WRONG)
async def test_a_wrong_row_is_pointed_at_and_none_is_stored(
    database: Database, start: Start, customers: list[str], lines: list[str], pointer: str, code: str
) -> None:
    run = await start()
    await run.send(9, [scored(customers[4])])
    sent = [line.format(*customers) for line in lines]
    refused = await run.send(0, sent, expect=problem("invalid-request", 422))
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in refused["errors"]]
    assert await count(database, RfmScore) == 1
    await run.send(0, [scored(customers[0])])


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("", "text/html", problem("unsupported-media-type", 415)),
        (HEADER.replace("status", "state"), "text/csv", problem("invalid-request", 422)),
        (HEADER.replace(",reason", ""), "text/csv", problem("invalid-request", 422)),
        (HEADER.replace("\n", ",status\n"), "text/csv", problem("invalid-request", 422)),
        ("[]\n", "application/x-ndjson", problem("invalid-request", 422)),
        ("{\n", "application/x-ndjson", problem("invalid-request", 422)),
        ('{"score": 5}\n', "application/x-ndjson", problem("invalid-request", 422)),
        ('{"recency_score": 5.0}\n', "application/x-ndjson", problem("invalid-request", 422)),
        ('{"recency_score": true}\n', "application/x-ndjson", problem("invalid-request", 422)),
        (HEADER + "\x00\n", "text/csv", problem("invalid-request", 422)),
        (HEADER + "x" * 5000 + "\n", "text/csv", problem("line-too-long", 413)),
    ],
)
async def test_a_body_that_is_no_table_is_refused(start: Start, text: str, kind: str, expected: Any) -> None:
    run = await start()
    await run.send(0, text, expect=expected, kind=kind)


async def test_columns_may_stand_in_any_order(api: Api, start: Start, customers: list[str]) -> None:
    run = await start()
    names, row = HEADER.strip().split(","), scored(customers[0]).split(",")
    await run.send(0, f"{','.join(names[::-1])}\n{','.join(row[::-1])}\n")
    await run.publish([scored(customers[0])])
    assert (await api.get("/v1/scores/rfm"))["data"][0]["amount"] == {"amount": "12.30", "currency": "EUR"}


async def test_an_archived_customer_is_left_out(api: Api, start: Start, customers: list[str]) -> None:
    await api.post(f"/v1/customers/{customers[0]}/archive")
    run = await start(settled=False)
    await run.begin()
    refused = await run.send(0, [scored(customers[0])], expect=problem("invalid-request", 422))
    assert refused["errors"][0]["code"] == "unknown-customer"
    await api.post(f"/v1/customers/{customers[1]}/archive")
    await run.send(0, [scored(customers[1])])
