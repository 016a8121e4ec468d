"""The row of profiles: everything about one customer beside reading the customer alone, both by our service."""

from typing import Any, Final

import asyncpg
import httpx

from .http_load import request_bytes
from .report import Line, Round
from .request_rows import Make, customer_of_turn, id_of, visit
from .stage import Stage

ROW: Final = "profile"
OFFERS: Final = 20
SEGMENTS: Final = 20
_ID: Final = "('018f0000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"
_RUN: Final = "018f2222-0000-7000-8000-000000000001"
# Each customer has answered twice, bought on three days, is scored, and is in three of the segments.
_PLANTED: Final = (
    f"""INSERT INTO consent (customer_id, channel, purpose, state, since, event_id)
    SELECT {_ID.format(n="n")}, channel, 'marketing', 'granted', timestamptz '2025-06-01', gen_random_uuid()
    FROM generate_series(1, $1::int) AS n, unnest(ARRAY['email', 'sms']) AS channel""",
    f"""INSERT INTO customer_day
      (customer_id, business_date, currency, order_count, line_count, net_minor, list_minor, discount_minor)
    SELECT {_ID.format(n="n")}, date '2025-01-01' + (n + k * 97) % 365, 'EUR', 1, 2, 1230, 1500, 270
    FROM generate_series(1, $1::int) AS n, generate_series(1, 3) AS k""",
    f"""INSERT INTO analytics_run
      (id, model, state, parameters, as_of, watermark, job_id, created_by, created_at, finished_at, row_count)
    SELECT '{_RUN}', 'rfm', 'published', '{{"currency": "EUR"}}', '2026-01-01', timestamptz '2026-01-01',
      gen_random_uuid(), 'bench', now(), now(), $1::int""",
    f"INSERT INTO analytics_model (model, current_run_id, requested_at, published_at) SELECT 'rfm', '{_RUN}', now(), now() WHERE $1::int > 0",
    f"""INSERT INTO rfm_score (customer_id, run_id, amount_minor, part, order_count, observation_count, recency_days,
      recency_score, frequency_score, monetary_score, currency, status)
    SELECT {_ID.format(n="n")}, '{_RUN}', 3690, 0, 3, 3, 90, 1 + n % 5, 3, 1 + n % 5, 'EUR', 'ok'
    FROM generate_series(1, $1::int) AS n""",
)
_SEGMENT: Final = """
UPDATE segment SET status = 'built', current_build = 1, built_version = 1, built_at = now() WHERE id = $1::uuid
"""
_MEMBERS: Final = f"""
INSERT INTO membership (customer_id, segment_id, entered_build, entered_at)
SELECT {_ID.format(n="n")}, $1::uuid, 1, now() FROM generate_series(1, $2::int) AS n WHERE (n + $3::int) % {SEGMENTS} < 3
"""


async def measure_profile(stage: Stage, rounds: int, seconds: float) -> Line:
    """Measure the profile against reading the customer alone."""
    await _plant(stage)
    line = Line(f"{ROW} (× our own GET one)", f"{stage.customers:,}", "≤ 5", note="beside: our GET one")
    for make in (_one(stage), _profile(stage)):
        await visit(stage, stage.ours, make, 1.0)
    for _ in range(rounds):
        beside = await visit(stage, stage.ours, _one(stage), seconds)
        mine = await visit(stage, stage.ours, _profile(stage), seconds)
        line.rounds.append(Round(beside["requests/s"] / mine["requests/s"], mine, beside))
    return line


def _one(stage: Stage) -> Make:
    return lambda turn: request_bytes("GET", f"/v1/customers/{_customer(stage, turn)}", stage.token)


def _profile(stage: Stage) -> Make:
    return lambda turn: request_bytes("GET", f"/v1/customers/{_customer(stage, turn)}/profile", stage.token)


def _customer(stage: Stage, turn: int) -> str:
    return id_of(customer_of_turn(turn, stage.customers))


async def _plant(stage: Stage) -> None:
    connection: asyncpg.Connection = await stage.connect()
    if await connection.fetchval("SELECT EXISTS (SELECT FROM analytics_run WHERE id = $1)", _RUN):
        return
    for statement in _PLANTED:
        await connection.execute(statement, stage.customers)
    async with httpx.AsyncClient(
        base_url=stage.base_url, headers={"Authorization": f"Bearer {stage.fresh_token()}"}
    ) as api:
        for number in range(SEGMENTS):
            definition = {"field": "country", "eq": "AT"}
            made = await _made(api, "/v1/segments", {"name": f"Segment {number}", "definition": definition})
            await connection.execute(_SEGMENT, made["id"])
            await connection.execute(_MEMBERS, made["id"], stage.customers, number)
        for number in range(OFFERS):
            await _made(api, "/v1/offers", _offer(number))
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _offer(number: int) -> dict[str, Any]:
    bought = {"count": {"touchpoint": "order.placed"}, "gte": 1 + number}
    eligibility = [{"field": "country", "in": ["DE", "AT"]}, bought, {"field": "rfm.monetary", "gte": 3}][number % 3]
    content = {"email": {"title": "Hello", "body": "For you.", "url": "https://shop.example/"}}
    return {
        "code": f"O{number}",
        "name": f"Offer {number}",
        "status": "live",
        "priority": number,
        "channels": content,
        "eligibility": eligibility,
    }


async def _made(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made
