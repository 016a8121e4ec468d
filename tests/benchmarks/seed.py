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

_DRAW = "((({hashed}) & 1048575) + 0.5::float8) / 1048576"
"""A number between 0 and 1, as good as random and the same each time."""


def _drawn(number: str, what: int) -> str:
    return f"({_DRAW.format(hashed=f'hashint8extended({number}, {what})')})"


def _hashed(id_: str, what: int | str) -> str:
    return f"({_DRAW.format(hashed=f'uuid_hash_extended({id_}, {what})')})"


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
    # Six hundred products in a tree of 8 departments, 40 categories and 200 types.
    """INSERT INTO product (id, sku, name, department, category, product_type, properties, version, created_at, updated_at)
    SELECT ('018f3333-0000-7000-8000-' || lpad(to_hex(p), 12, '0'))::uuid, 'item-' || p, 'Item ' || p, 'DEPARTMENT ' || p / 75,
      'CATEGORY ' || p / 15, 'TYPE ' || p / 3, '{}', 1, timestamptz '2025-01-01', timestamptz '2025-01-01'
    FROM generate_series(0, 599) AS p WHERE $1::int = 1 AND $2::int > 0""",
    # When and how long customers buy is drawn as BG/NBD says (r 3, α 150 days, a 1, b 1.5), money about a mean of the
    # customer's own: up to nine orders, nearly three on average. What is no order is a page viewed.
    # One to three lines of an order, whose sum it is. Half of the first lines are of one category, half of the others of a
    # department that is the customer's own; as many lines of a customer are a fifth off as she cares for prices.
    f"""WITH placed AS (
    INSERT INTO touchpoint (customer_id, id, kind, channel, direction, occurred_at, recorded_at, source, source_id, recorded_by,
      amount_minor, currency, properties, content_hash)
    SELECT {_N}, {TOUCHPOINT_ID.format(n=f"n::bigint * {TOUCHPOINTS_EACH} + k")},
      CASE WHEN is_order THEN 'order.placed' ELSE 'page.viewed' END, 'web', 'inbound',
      timestamptz '2025-01-01' + CASE WHEN is_order THEN (day * 86400)::bigint
        ELSE (n * 7919::bigint + k * 104729) % 31536000 END * interval '1 second', timestamptz '2026-01-01',
      'bench', n || '-' || k, 'bench',
      CASE WHEN is_order THEN 200 + (mean * (0.3 + 1.4 * {_drawn("n * 10 + k", 9)}))::int END,
      CASE WHEN is_order THEN 'EUR' END, '{{"path": "/bikes"}}', '\\x00'
    FROM (
      SELECT n, k, mean, day, k < least(orders, 9) AND day < 365 AS is_order
      FROM generate_series($1::int, $2::int) AS n
      CROSS JOIN LATERAL (
        SELECT 270 * {_drawn("n", 1)} AS first_day, 1000 + 8000 * {_drawn("n", 2)} AS mean,
          -150 / ln({_drawn("n", 3)} * {_drawn("n", 4)} * {_drawn("n", 5)}) AS gap,
          CASE WHEN {_drawn("n", 6)} < 0.08 THEN 0 ELSE 1 + ln({_drawn("n", 7)}) / ln({_drawn("n", 8)}) * 1.5 END AS orders
      ) AS buyer
      CROSS JOIN LATERAL (
        SELECT k, first_day + sum(CASE k WHEN 0 THEN 0 ELSE -ln({_drawn("n * 10 + k", 10)}) * gap END) OVER (ORDER BY k) AS day
        FROM generate_series(0, {TOUCHPOINTS_EACH - 1}) AS k
      ) AS visit
    ) AS drawn
    RETURNING customer_id, id, kind, amount_minor
    )
    INSERT INTO order_item (customer_id, touchpoint_id, line_number, sku, quantity, paid_minor, list_minor)
    SELECT customer_id, id, line, 'item-' || CASE WHEN line = 1 AND kind < 0.5 THEN (which * 15)::int % 15
        WHEN kind < 0.5 THEN own * 75 + (which * 75)::int % 75 ELSE (which * 600)::int % 600 END,
      1 + (which * 3)::int % 3, paid, CASE WHEN price < care THEN paid * 5 / 4 ELSE paid END
    FROM (
      SELECT t.customer_id, t.id, line, {_hashed("t.id", "line")} AS kind, {_hashed("t.id", "10 + line")} AS which,
        {_hashed("t.id", "20 + line")} AS price, {_hashed("t.customer_id", 1)} AS care,
        ({_hashed("t.customer_id", 2)} * 8)::int % 8 AS own,
        t.amount_minor / lines + CASE line WHEN 1 THEN t.amount_minor % lines ELSE 0 END AS paid
      FROM placed t
      CROSS JOIN LATERAL (SELECT 1 + ({_hashed("t.id", 0)} * 3)::int % 3 AS lines) AS basket
      CROSS JOIN LATERAL generate_series(1, lines) AS line
      WHERE t.kind = 'order.placed'
    ) AS bought""",
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
