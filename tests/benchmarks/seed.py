"""Seeded synthetic data, made in SQL; kept by size and schema, copied for each run.

It is made in parts, each of which is noted with it, so that seeding which was ended goes on where it was.
"""

import asyncio
import hashlib
import shutil
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
    FROM generate_series($1::int, $2::int) AS n""",
    f"""INSERT INTO contact_point (customer_id, id, kind, value, normalized, label, is_primary)
    SELECT {_N}, {_N}, 'email', 'Customer-' || n || '@bench.example', 'customer-' || n || '@bench.example', NULL, true
    FROM generate_series($1::int, $2::int) AS n""",
    f"""INSERT INTO contact_point_key (key, customer_id)
    SELECT 'email:customer-' || n || '@bench.example', {_N} FROM generate_series($1::int, $2::int) AS n""",
    f"INSERT INTO external_id (customer_id, system, external_id) SELECT {_N}, 'bench', n::text FROM generate_series($1::int, $2::int) AS n",
    f"INSERT INTO external_id_key (key, customer_id) SELECT 'bench/' || n, {_N} FROM generate_series($1::int, $2::int) AS n",
    f"""INSERT INTO address (customer_id, position, lines, postal_code, city, country)
    SELECT {_N}, 0, ARRAY['Street ' || n], lpad((n % 90000)::text, 5, '0'), 'Town ' || n % 100, (ARRAY['DE', 'AT', 'CH', 'US'])[1 + n % 4]
    FROM generate_series($1::int, $2::int) AS n""",
    f"""INSERT INTO touchpoint (customer_id, id, kind, channel, direction, occurred_at, recorded_at, source, source_id, recorded_by,
      amount_minor, currency, properties, content_hash)
    SELECT {_N}, {TOUCHPOINT_ID.format(n=f"n::bigint * {TOUCHPOINTS_EACH} + k")},
      CASE WHEN k < 3 THEN 'order.placed' ELSE 'page.viewed' END, 'web', 'inbound',
      timestamptz '2025-01-01' + ((n * 7919::bigint + k * 104729) % 31536000) * interval '1 second', timestamptz '2026-01-01',
      'bench', n || '-' || k, 'bench',
      CASE WHEN k < 3 THEN 100 + (n * 31 + k * 17) % 9900 END, CASE WHEN k < 3 THEN 'EUR' END, '{{"path": "/bikes"}}', '\\x00'
    FROM generate_series($1::int, $2::int) AS n, generate_series(0, {TOUCHPOINTS_EACH - 1}) AS k""",
)
_PART = 50_000
"""Customers that are written in a transaction."""
_IS_THERE = "SELECT EXISTS (SELECT FROM bench_part WHERE statement = $1 AND first = $2)"
_SEEDING = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "8GB", "checkpoint_timeout": "1h"}


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
    # Killed half-way, the data lacks at most what the next start writes again from the log; the machine does not fail.
    kept = EmbeddedPostgres(home / f"{customers}-{schema_hash()}", settings=_SEEDING)
    if not (kept.folder / "seeded").exists():
        _discard_others(home, customers)
        with kept:
            asyncio.run(_seed(kept, customers))
        (kept.folder / "seeded").touch()
    return kept


def _discard_others(home: Path, customers: int) -> None:
    """Remove those of the same size that were made for another schema or by another seed."""
    for folder in home.glob(f"{customers}-*"):
        if folder.name != f"{customers}-{schema_hash()}":
            discard(folder)


def discard(folder: Path) -> None:
    """Remove a PostgreSQL that was left in a folder, running or not, with its data, wherever that lies."""
    EmbeddedPostgres(folder).end_leftovers()
    data = (folder / "data").resolve()
    if data.parent != folder and (data.parent / "belongs-to").exists():
        shutil.rmtree(data.parent)
    shutil.rmtree(folder, ignore_errors=True)


async def _seed(postgres: EmbeddedPostgres, customers: int) -> None:
    settings = settings_for(postgres.url)
    await asyncio.to_thread(migrations.upgrade, settings.sqlalchemy_url)
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE TABLE IF NOT EXISTS bench_token (token text PRIMARY KEY, client_id text)")
    await connection.execute("CREATE TABLE IF NOT EXISTS bench_part (statement int, first int)")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM client WHERE client_id = $1)", CLIENT):
        async with Database(settings) as database, database.session() as session:
            await prepare_ground(session, settings)
            await register_client(session, "Bench", SCOPES, client_id=CLIENT, secret=SECRET)
    for number, statement in enumerate(_STATEMENTS):
        for first in range(1, customers + 1, _PART):
            async with connection.transaction():
                if await connection.fetchval(_IS_THERE, number, first):
                    continue
                await connection.execute(statement, first, min(first + _PART - 1, customers), timeout=3600)
                await connection.execute("INSERT INTO bench_part VALUES ($1, $2)", number, first)
        print(f"seeded {number + 1} of {len(_STATEMENTS)} tables of {customers:,} customers", flush=True)
    await connection.execute("VACUUM ANALYZE", timeout=3600)
    await connection.close()
