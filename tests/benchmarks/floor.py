"""The floor: a bare Starlette and asyncpg application with hand-written SQL, answering the same JSON as our service.

What an expert would write for each one job and nothing else: no validation beyond the parse, no pages, no audit.
It looks its token up in PostgreSQL at each request.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from crm_api.core.turns import take_short_turns

CUSTOMER = """
SELECT c.customer_id::text AS id, c.kind, c.display_name, c.given_name, c.family_name, c.organization_name, c.birth_date,
  c.language, c.time_zone,
  (SELECT coalesce(json_agg(json_build_object('id', p.id, 'kind', p.kind, 'value', p.value, 'normalized', p.normalized,
     'label', p.label, 'is_primary', p.is_primary)), '[]') FROM contact_point p WHERE p.customer_id = c.customer_id) AS contact_points,
  (SELECT coalesce(json_agg(json_build_object('system', e.system, 'external_id', e.external_id)), '[]')
     FROM external_id e WHERE e.customer_id = c.customer_id) AS external_ids,
  (SELECT coalesce(json_agg(json_build_object('label', a.label, 'lines', a.lines, 'postal_code', a.postal_code, 'city', a.city,
     'region', a.region, 'country', a.country) ORDER BY a.position), '[]') FROM address a WHERE a.customer_id = c.customer_id) AS addresses,
  c.tags, c.custom_fields, c.version, c.created_at, c.updated_at, c.archived_at
FROM customer c
"""
ONE = CUSTOMER + "WHERE c.customer_id = $1"
LIST = CUSTOMER + "WHERE c.kind = $1 ORDER BY c.created_at, c.customer_id LIMIT 101"
TOKEN = "SELECT client_id FROM bench_token WHERE token = $1"
TOUCHPOINT = """
INSERT INTO touchpoint (customer_id, id, kind, channel, direction, department, occurred_at, recorded_at, source, source_id, recorded_by,
  amount_minor, currency, cost_minor, cost_currency, campaign, subject, properties, content_hash)
VALUES ($1, $2, $3, $4, NULL, NULL, $5, $6, NULL, NULL, $7, NULL, NULL, NULL, NULL, NULL, NULL, $8, $9)
"""
FIND = "SELECT customer_id FROM external_id_key WHERE key = $1"
RENAME = """
UPDATE customer SET display_name = $2, display_name_normalized = lower($2), version = version + 1, updated_at = $3
WHERE customer_id = $1
"""
CONTACT_KEY = "INSERT INTO contact_point_key (key, customer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
CONTACT = """
INSERT INTO contact_point (customer_id, id, kind, value, normalized, is_primary) SELECT $1, $2, $3, $4, $5, false
WHERE NOT EXISTS (SELECT FROM contact_point WHERE customer_id = $1 AND kind = $3 AND normalized = $5)
"""


def pool_of(request: Request) -> asyncpg.Pool:
    pool: asyncpg.Pool = request.app.state.pool
    return pool


def document(row: asyncpg.Record) -> dict[str, Any]:
    made = dict(row)
    for name in ("contact_points", "external_ids", "addresses", "custom_fields"):
        made[name] = orjson.Fragment(made[name])
    return made


def answer(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z, default=str), status, media_type="application/json")


async def caller(request: Request, connection: asyncpg.Connection) -> str | None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    client: str | None = await connection.fetchval(TOKEN, token)
    return client


async def read_customer(request: Request) -> Response:
    async with pool_of(request).acquire() as connection:
        if await caller(request, connection) is None:
            return Response(status_code=401)
        row = await connection.fetchrow(ONE, UUID(request.path_params["id"]))
    return Response(status_code=404) if row is None else answer(document(row))


async def list_customers(request: Request) -> Response:
    async with pool_of(request).acquire() as connection:
        if await caller(request, connection) is None:
            return Response(status_code=401)
        rows = await connection.fetch(LIST, request.query_params["kind"])
    return answer(
        {"data": [document(row) for row in rows[:100]], "next_cursor": rows[99]["id"] if len(rows) > 100 else None}
    )


async def record_touchpoint(request: Request) -> Response:
    body = orjson.loads(await request.body())
    at = datetime.now(UTC)
    key = uuid7()
    async with pool_of(request).acquire() as connection:
        client = await caller(request, connection)
        if client is None:
            return Response(status_code=401)
        properties = orjson.dumps(body["properties"]).decode()
        when = datetime.fromisoformat(body["occurred_at"])
        values = (UUID(body["customer_id"]), key, body["kind"], body["channel"], when, at, client, properties, b"")
        await connection.execute(TOUCHPOINT, *values)
    return answer({**body, "id": str(key), "recorded_at": at}, 201)


async def upsert_customer(request: Request) -> Response:
    body = orjson.loads(await request.body())
    async with pool_of(request).acquire() as connection, connection.transaction():
        if await caller(request, connection) is None:
            return Response(status_code=401)
        customer = await connection.fetchval(FIND, request.path_params["key"])
        await connection.execute(RENAME, customer, body["display_name"], datetime.now(UTC))
        for point in body["contact_points"]:
            normalized = point["value"].lower()
            await connection.execute(CONTACT_KEY, f"{point['kind']}:{normalized}", customer)
            await connection.execute(CONTACT, customer, uuid7(), point["kind"], point["value"], normalized)
        row = await connection.fetchrow(ONE, customer)
    return answer(document(row))


async def keep_session(_: asyncpg.Connection) -> None:
    """Save the round trip that resets a connection, as our service does."""


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["CRM_DATABASE_URL"], min_size=1, max_size=10, reset=keep_session) as pool:
        app.state.pool = pool
        yield


def make() -> Starlette:
    """Make the floor's application, with turns at a processor as short as ours."""
    take_short_turns()
    routes = [
        Route("/healthz", lambda _: Response("ok")),
        Route("/customers/{id}", read_customer),
        Route("/customers", list_customers),
        Route("/touchpoints", record_touchpoint, methods=["POST"]),
        Route("/customers/by/{key:path}", upsert_customer, methods=["PUT"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
