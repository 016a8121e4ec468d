"""Trying a definition out: exact while there is time, else estimated and labeled so; and what it shares with others."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database
from crm_api.segments.rules import estimate

from ..calling import Api, problem
from .conftest import Builder, Register

GERMANS = {"field": "country", "eq": "DE"}
BUYERS = {"count": {"touchpoint": "order.placed"}, "last": "P12M", "gte": 1}
MANY = 30_000
PEOPLE = """
INSERT INTO customer (customer_id, kind, display_name, display_name_normalized, tags, tags_normalized, custom_fields,
  custom_normalized, country, version, created_at, updated_at)
SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'person', 'P' || n, 'p' || n, '{}', '{}', '{}',
  '{}', CASE WHEN n % 10 < 3 THEN 'DE' ELSE 'AT' END, 1, now(), now()
FROM generate_series(1, :many) AS n
"""
ORDERS = """
INSERT INTO touchpoint (customer_id, id, kind, occurred_at, recorded_at, recorded_by, properties, content_hash)
SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), 'order.placed',
  now() - k * interval '1 day', now(), 't', '{}', ''
FROM generate_series(1, :many, 4) AS n, generate_series(1, 3) AS k
"""


async def preview(api: Api, definition: Any, **more: Any) -> Any:
    return await api.post("/v1/segments/preview", {"definition": definition, **more}, expect=200)


@pytest.fixture
async def many(api: Api, database: Database) -> AsyncIterator[int]:
    """So many customers that to count them takes longer than a millisecond."""
    async with database.session() as session:
        await session.execute(text(PEOPLE), {"many": MANY})
        await session.execute(text(ORDERS), {"many": MANY})
    yield MANY


async def test_with_time_the_count_is_exact(api: Api, many: int) -> None:
    found = await preview(api, GERMANS)
    told = {"count": many * 3 // 10, "counted_how": "exact", "sampled_count": None}
    assert found | told == found
    assert found["count_low"] == found["count_high"] == found["count"]
    assert len(found["sample"]) == 20


@pytest.mark.parametrize(("definition", "share"), [(GERMANS, 0.3), (BUYERS, 0.25), ({"not": BUYERS}, 0.75)])
async def test_without_time_it_is_an_estimate_and_says_so(
    api: Api, many: int, definition: dict[str, Any], share: float
) -> None:
    found = await preview(api, {"all": [definition, {"not": {"field": "country", "eq": "FR"}}]}, budget_ms=1)
    assert found["counted_how"] == "sample"
    assert 0 < found["sampled_count"] < many
    assert found["count_low"] <= many * share <= found["count_high"]
    assert found["count_low"] < found["count"] < found["count_high"]
    assert found["count_high"] - found["count_low"] < many / 5
    assert len(found["sample"]) == 20


async def test_the_overlap_with_the_largest_segments_is_told(api: Api, register: Register, builder: Builder) -> None:
    for number in range(6):
        tags = [name for name, members in {"few": 2, "some": 4}.items() if number < members]
        await register(f"P{number}", country="DE" if number % 2 else "AT", tags=tags)
    ids = {}
    for name in ("few", "some", "draft"):
        ids[name] = await builder.define(name, {"field": "tags", "has": name})
        if name != "draft":
            await builder.build(ids[name])
    found = await preview(api, GERMANS)
    assert found["overlaps"] == [
        {"segment_id": ids["some"], "name": "some", "member_count": 4, "count": 2, "counted_how": "exact"},
        {"segment_id": ids["few"], "name": "few", "member_count": 2, "count": 1, "counted_how": "exact"},
    ]
    assert [each["name"] for each in (await preview(api, GERMANS, overlaps=1))["overlaps"]] == ["some"]
    assert (await preview(api, GERMANS, overlaps=0))["overlaps"] == []
    nobody = await preview(api, {"field": "country", "eq": "FR"})
    assert [each["count"] for each in nobody["overlaps"]] == [0, 0]


async def test_an_overlap_is_estimated_too(api: Api, many: int, builder: Builder, database: Database) -> None:
    segment_id = await builder.define("Germans", GERMANS)
    async with database.session() as session:
        told = {"id": segment_id}
        await session.execute(
            text(
                "INSERT INTO membership (customer_id, segment_id, entered_build, entered_at) "
                "SELECT customer_id, :id, 1, now() FROM customer WHERE country = 'DE'"
            ),
            told,
        )
        built = "UPDATE segment SET current_build = 1, built_at = now(), status = 'built', member_count = 9000"
        await session.execute(text(f"{built} WHERE id = :id"), told)
    [overlap] = (await preview(api, BUYERS, budget_ms=1))["overlaps"]
    async with database.session() as session:
        exact = await session.scalar(
            text(
                "SELECT count(DISTINCT t.customer_id) FROM touchpoint t JOIN customer c USING (customer_id) "
                "WHERE c.country = 'DE'"
            )
        )
    assert overlap["counted_how"] == "sample"
    assert 0.7 * exact < overlap["count"] < 1.3 * exact
    [known] = (await preview(api, BUYERS))["overlaps"]
    assert (known["count"], known["counted_how"]) == (exact, "exact")


@pytest.mark.parametrize(
    ("wish", "pointer"), [({"budget_ms": 0}, "/budget_ms"), ({"overlaps": 21}, "/overlaps"), ({"limit": 1}, "/limit")]
)
async def test_what_cannot_be_meant_is_refused(api: Api, wish: dict[str, Any], pointer: str) -> None:
    body = {"definition": GERMANS, **wish}
    refused = await api.post("/v1/segments/preview", body, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 1.0])
def test_an_interval_holds_the_truth_for_few_hits_and_for_none(share: float) -> None:
    told = estimate(round(share * 2_000), 2_000, 1_000_000)
    assert 0 <= told.low <= told.customers <= told.high <= 1_000_000
    assert told.low < told.high < told.low + 60_000
    assert estimate(0, 0, 500) == (0, 0, 500)
