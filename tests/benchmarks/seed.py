"""Seeded synthetic data, made in SQL; kept by size and schema, copied for each run."""

import asyncio
import hashlib
from pathlib import Path

import asyncpg

from crm_api.access import SCOPES
from crm_api.access.operations import prepare_ground, register_client
from crm_api.core import migrations
from crm_api.core.db import Database
from crm_api.core.embedded import EmbeddedPostgres
from crm_api.settings import Settings

SECRET_KEY = "the-bench-has-a-secret-key-that-is-long-enough"
CLIENT, SECRET = "bench", "crm_bench_secret_for_loopback_only"
TOUCHPOINTS_EACH = 10
CUSTOMER_ID = "('018f0000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"
TOUCHPOINT_ID = "('018f1111-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"

_N = CUSTOMER_ID.format(n="n")
_STATEMENTS = (
    # A third of the customers is archived at no time; kinds, places and tags are spread evenly by arithmetic on n.
    f"""INSERT INTO customer (customer_id, kind, display_name, given_name, family_name, tags, custom_fields,
      display_name_normalized, given_name_normalized, family_name_normalized, tags_normalized, custom_normalized,
      country, city_normalized, postal_code_normalized, version, created_at, updated_at)
    SELECT {_N}, CASE n % 10 WHEN 0 THEN 'organization' ELSE 'person' END, 'Customer ' || n,
      CASE n % 10 WHEN 0 THEN NULL ELSE 'Given ' || n % 997 END, CASE n % 10 WHEN 0 THEN NULL ELSE 'Family ' || n % 4999 END,
      ARRAY['tag ' || n % 7], '{{}}', 'customer ' || n,
      CASE n % 10 WHEN 0 THEN NULL ELSE 'given ' || n % 997 END, CASE n % 10 WHEN 0 THEN NULL ELSE 'family ' || n % 4999 END,
      ARRAY['tag ' || n % 7], '{{}}', (ARRAY['DE', 'AT', 'CH', 'US'])[1 + n % 4], 'town ' || n % 100, lpad((n % 90000)::text, 5, '0'),
      1, timestamptz '2025-01-01' + n * interval '1 second', timestamptz '2025-01-01' + n * interval '1 second'
    FROM generate_series(1, $1::int) AS n""",
    f"""INSERT INTO contact_point (customer_id, id, kind, value, normalized, label, is_primary)
    SELECT {_N}, {_N}, 'email', 'Customer-' || n || '@bench.example', 'customer-' || n || '@bench.example', NULL, true
    FROM generate_series(1, $1::int) AS n""",
    f"""INSERT INTO contact_point_key (key, customer_id)
    SELECT 'email:customer-' || n || '@bench.example', {_N} FROM generate_series(1, $1::int) AS n""",
    f"INSERT INTO external_id (customer_id, system, external_id) SELECT {_N}, 'bench', n::text FROM generate_series(1, $1::int) AS n",
    f"INSERT INTO external_id_key (key, customer_id) SELECT 'bench/' || n, {_N} FROM generate_series(1, $1::int) AS n",
    f"""INSERT INTO address (customer_id, position, lines, postal_code, city, country)
    SELECT {_N}, 0, ARRAY['Street ' || n], lpad((n % 90000)::text, 5, '0'), 'Town ' || n % 100, (ARRAY['DE', 'AT', 'CH', 'US'])[1 + n % 4]
    FROM generate_series(1, $1::int) AS n""",
    f"""INSERT INTO touchpoint (customer_id, id, kind, channel, direction, occurred_at, recorded_at, source, source_id, recorded_by,
      amount_minor, currency, properties, content_hash)
    SELECT {_N}, {TOUCHPOINT_ID.format(n=f"n::bigint * {TOUCHPOINTS_EACH} + k")},
      CASE WHEN k < 3 THEN 'order.placed' ELSE 'page.viewed' END, 'web', 'inbound',
      timestamptz '2025-01-01' + ((n * 7919 + k * 104729) % 31536000) * interval '1 second', timestamptz '2026-01-01',
      'bench', n || '-' || k, 'bench',
      CASE WHEN k < 3 THEN 100 + (n * 31 + k * 17) % 9900 END, CASE WHEN k < 3 THEN 'EUR' END, '{{"path": "/bikes"}}', '\\x00'
    FROM generate_series(1, $1::int) AS n, generate_series(0, {TOUCHPOINTS_EACH - 1}) AS k""",
)


def schema_hash() -> str:
    """Name the present schema and seed."""
    digest = hashlib.sha256("".join(_STATEMENTS).encode())
    for revision in sorted((migrations.FOLDER / "versions").glob("*.py")):
        digest.update(revision.read_bytes())
    return digest.hexdigest()[:12]


def settings_for(url: str) -> Settings:
    """Settings of the service under measurement."""
    return Settings(
        database_url=url,  # type: ignore[arg-type]
        secret_key=SECRET_KEY,  # type: ignore[arg-type]
        public_url="http://bench.local",
        read_rate=1_000_000_000,
        write_rate=1_000_000_000,
        token_seconds=3600,
        log_level="error",
    )


def seeded(home: Path, customers: int) -> EmbeddedPostgres:
    """Answer a stopped PostgreSQL that holds so many customers; it is made once for each size and schema."""
    kept = EmbeddedPostgres(home / f"{customers}-{schema_hash()}")
    if not (kept.folder / "seeded").exists():
        with kept:
            asyncio.run(_seed(kept, customers))
        (kept.folder / "seeded").touch()
    return kept


async def _seed(postgres: EmbeddedPostgres, customers: int) -> None:
    settings = settings_for(postgres.url)
    await asyncio.to_thread(migrations.upgrade, settings.sqlalchemy_url)
    async with Database(settings) as database, database.session() as session:
        await prepare_ground(session, settings)
        await register_client(session, "Bench", SCOPES, client_id=CLIENT, secret=SECRET)
    connection = await asyncpg.connect(postgres.url)
    for statement in _STATEMENTS:
        await connection.execute(statement, customers, timeout=3600)
    await connection.execute("CREATE TABLE bench_token (token text PRIMARY KEY, client_id text)")
    await connection.execute("VACUUM ANALYZE", timeout=3600)
    await connection.close()
