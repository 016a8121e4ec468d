"""The rows of segments: a whole build beside the best statement for it, and how soon members follow what is written."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson

from .bulk_rows import worker_of
from .processes import family_cpu_seconds
from .report import Line, Round
from .seed import CUSTOMER_ID
from .stage import Stage

SEGMENTS: Final = 50
KINDS: Final = 5
"""Definitions that differ."""
WRITES: Final = 1_000
_SPENT: Final[dict[str, Any]] = {
    "sum": "amount",
    "of": {"touchpoint": "order.placed"},
    "from": "2025-01-01",
    "until": "2026-01-01",
    "gte": {"amount": "100.00", "currency": "EUR"},
}
DEFINITION: Final[dict[str, Any]] = {
    "all": [
        {"field": "kind", "eq": "person"},
        {"field": "country", "in": ["DE", "AT"]},
        {"field": "tags", "has": "tag 3"},
        {"count": {"touchpoint": "page.viewed"}, "from": "2025-03-01", "until": "2025-10-01", "gte": 3},
        _SPENT,
    ]
}
_FLOOR: Final = """
INSERT INTO membership (customer_id, segment_id, entered_build, entered_at)
SELECT c.customer_id, $1, 1, now()
FROM customer c
WHERE c.archived_at IS NULL AND c.kind = 'person' AND c.country IN ('DE', 'AT') AND c.tags_normalized @> ARRAY['tag 3']
  AND (SELECT count(*) FROM touchpoint t WHERE t.customer_id = c.customer_id AND t.kind = 'page.viewed'
    AND t.occurred_at >= '2025-03-01' AND t.occurred_at < '2025-10-01') >= 3
  AND (SELECT sum(t.amount_minor) FROM touchpoint t WHERE t.customer_id = c.customer_id AND t.kind = 'order.placed'
    AND t.currency = 'EUR' AND t.occurred_at >= '2025-01-01' AND t.occurred_at < '2026-01-01') >= 10000
"""
_GROUPED_FLOOR: Final = """
INSERT INTO membership (customer_id, segment_id, entered_build, entered_at)
SELECT c.customer_id, $1, 1, now()
FROM customer c
JOIN (
  SELECT customer_id FROM touchpoint
  WHERE kind = 'page.viewed' AND occurred_at >= '2025-03-01' AND occurred_at < '2025-10-01'
  GROUP BY customer_id HAVING count(*) >= 3
) v ON v.customer_id = c.customer_id
JOIN (
  SELECT customer_id FROM touchpoint
  WHERE kind = 'order.placed' AND currency = 'EUR' AND occurred_at >= '2025-01-01' AND occurred_at < '2026-01-01'
  GROUP BY customer_id HAVING sum(amount_minor) >= 10000
) o ON o.customer_id = c.customer_id
WHERE c.archived_at IS NULL AND c.kind = 'person' AND c.country IN ('DE', 'AT') AND c.tags_normalized @> ARRAY['tag 3']
"""
"""Which of the two is the best depends on the size and on what fits into memory, so both are run."""
_BEHIND: Final = "SELECT EXISTS (SELECT FROM change_mark) OR EXISTS (SELECT FROM stale_membership)"
_EVALUATED: Final = """
SELECT sum((counts ->> 'looked_at')::int)::float AS looked_at, extract(epoch FROM sum(finished_at - started_at))::float AS seconds,
  count(*) FILTER (WHERE finished_at IS NULL) AS unfinished
FROM job WHERE kind = 'segment-live' AND created_at >= $1
"""


async def measure_build(stage: Stage, rounds: int) -> Line:
    """Measure the first build of a segment, its steps driven as a worker drives them, beside the faster statement."""
    line = Line("segment build (time)", f"{stage.customers:,}", "≤ 1.5, goal 1.2")
    connection: asyncpg.Connection = await stage.connect()
    async with _client(stage) as client:
        for _ in range(rounds):
            tried = [await _written_by_hand(stage, connection, sql) for sql in (_FLOOR, _GROUPED_FLOOR)]
            beside = min(tried, key=_seconds)
            ours = await _built(stage, client, DEFINITION)
            if ours["members"] != beside["members"]:
                raise RuntimeError(f"the build has {ours['members']} members, the statement {beside['members']}")
            line.rounds.append(Round(ours["seconds"] / beside["seconds"], ours, beside))
    await connection.close()
    return line


def _seconds(figures: dict[str, float]) -> float:
    return figures["seconds"]


def _cpu_seconds(stage: Stage) -> float:
    assert stage.postgres.pid is not None
    return stage.ours.cpu_seconds() + family_cpu_seconds(stage.postgres.pid)


async def _written_by_hand(stage: Stage, connection: asyncpg.Connection, sql: str) -> dict[str, float]:
    segment = uuid4()
    began, used = time.perf_counter(), _cpu_seconds(stage)
    written = await connection.execute(sql, segment, timeout=3600)
    took, used = time.perf_counter() - began, _cpu_seconds(stage) - used
    await connection.execute("DELETE FROM membership WHERE segment_id = $1", segment)
    return {"seconds": took, "CPU seconds": used, "members": float(written.rpartition(" ")[2])}


def _client(stage: Stage) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=stage.base_url, headers={"Authorization": f"Bearer {stage.fresh_token()}"}, timeout=3600
    )


async def _defined(client: httpx.AsyncClient, definition: dict[str, Any]) -> str:
    wish = {"name": f"Bench {uuid4().hex[:12]}", "definition": definition}
    return str((await client.post("/v1/segments", json=wish)).raise_for_status().json()["id"])


async def _built(stage: Stage, client: httpx.AsyncClient, definition: dict[str, Any]) -> dict[str, float]:
    segment = await _defined(client, definition)
    began, used, steps, done = time.perf_counter(), _cpu_seconds(stage), 0, False
    job = (await client.post(f"/v1/segments/{segment}/builds")).raise_for_status().json()
    wish = {"worker": "bench", "limit": 1, "job_id": job["id"]}
    [claimed] = (await client.post("/v1/jobs/claim", json=wish)).raise_for_status().json()["data"]
    while not done:
        step = await client.post(f"/v1/jobs/{job['id']}/steps", json={"lease_id": claimed["lease_id"]})
        done, steps = step.raise_for_status().json()["done"], steps + 1
    took, used = time.perf_counter() - began, _cpu_seconds(stage) - used
    members = (await client.get(f"/v1/segments/{segment}")).raise_for_status().json()["member_count"]
    await client.post(f"/v1/segments/{segment}/archive")
    return {"seconds": took, "CPU seconds": used, "steps": float(steps), "members": float(members)}


async def measure_live(stage: Stage, rounds: int) -> list[Line]:
    """Measure how long after 1,000 touchpoints of as many customers the members are right, by the worker's own pace."""
    return [
        await _measure_following(stage, rounds, dependent, wanted) for dependent, wanted in ((10, "≤ 5"), (50, "≤ 10"))
    ]


async def _measure_following(stage: Stage, rounds: int, dependent: int, wanted: str) -> Line:
    note = "absolute, seconds"
    line = Line(f"members follow, {dependent} of {SEGMENTS} segments", f"{stage.customers:,}", wanted, note=note)
    connection: asyncpg.Connection = await stage.connect()
    async with _client(stage) as client:
        segments = []
        for number in range(SEGMENTS):
            kind = "order.placed" if number < dependent else "email.opened"
            definition = {"count": {"touchpoint": kind}, "from": "2026-01-01", "gte": 1 + number % KINDS}
            segments.append(await _defined(client, definition))
        with worker_of(stage):
            for segment in segments:
                (await client.post(f"/v1/segments/{segment}/builds")).raise_for_status()
            while await _any(client, "building"):
                await asyncio.sleep(0.2)
            for turn in range(rounds):
                ours = await _followed(client, connection, turn)
                line.rounds.append(Round(ours["seconds"], ours, {}))
        for segment in segments[:KINDS]:
            planned = (await client.post(f"/v1/segments/{segment}/plan", json={})).raise_for_status().json()
            if planned["enter_count"] or planned["leave_count"]:
                raise RuntimeError(f"members drifted: {planned}")
        for segment in segments:
            await client.post(f"/v1/segments/{segment}/archive")
    await connection.close()
    return line


async def _any(client: httpx.AsyncClient, status: str) -> bool:
    page = (await client.get("/v1/segments", params={"status": status, "limit": 1})).raise_for_status().json()
    return bool(page["data"])


async def _followed(client: httpx.AsyncClient, connection: asyncpg.Connection, turn: int) -> dict[str, float]:
    ids = await connection.fetch(
        f"SELECT {CUSTOMER_ID.format(n='n')} AS id FROM generate_series($1::int, $2::int) AS n",  # ours
        1 + turn * WRITES,
        (turn + 1) * WRITES,
    )
    at = datetime.now(UTC)
    lines = b"".join(_line(row["id"], at.isoformat()) for row in ids)
    headers = {"Content-Type": "application/x-ndjson"}
    (await client.post("/v1/touchpoints/batch", content=lines, headers=headers)).raise_for_status()
    began = time.perf_counter()
    while await connection.fetchval(_BEHIND):
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    while (done := await connection.fetchrow(_EVALUATED, at))["unfinished"]:
        await asyncio.sleep(0.1)
    return {"seconds": took, "evaluating": done["seconds"], "% evaluated": done["looked_at"] / WRITES / SEGMENTS * 100}


def _line(customer: UUID, at: str) -> bytes:
    wish = {"customer_id": customer, "kind": "order.placed", "occurred_at": at}
    return orjson.dumps(wish, default=str, option=orjson.OPT_APPEND_NEWLINE)
