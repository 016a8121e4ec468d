"""What PostgreSQL tells about itself: whether it answers, its version, its clock, its connections, its indexes."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from ...core import migrations
from ...core.clock import now
from ..home import program
from .findings import Finding, Patient, span

_OLDEST_VERSION: Final = 150_000
_LONGEST_SECONDS: Final = 10
_CAUSES: Final = (
    (asyncpg.InvalidPasswordError, "The password in CRM_DATABASE_URL is not the role's."),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "The role may not log in from here: see the server's pg_hba.conf.",
    ),
    (asyncpg.InvalidCatalogNameError, "The server has no database of this name: create it, owned by the role."),
    (asyncpg.TooManyConnectionsError, "All connections are in use: see CRM_POOL_SIZE and max_connections."),
    (asyncpg.CannotConnectNowError, "The server is starting, stopping or recovering: wait a little."),
    (ConnectionRefusedError, "Nothing listens there: the server does not run, or the port is another one."),
    (TimeoutError, "The server is overloaded, or a firewall drops what is sent to it."),
    (OSError, "The name of the server is unknown here, or no way leads to it."),
)


async def open_database(patient: Patient) -> list[Finding]:
    """Connect, for this check and all after it."""
    given, running = patient.settings.database_url, None
    if given is None:
        running = patient.home.postgres().look()
        if running is None:
            cause = "CRM_DATABASE_URL is not given, and `crm up` does not run here."
            cure = f"{program()} up, or set CRM_DATABASE_URL."
            return [Finding("database", "wrong", "PostgreSQL of this folder", "it does not run", cause, cure)]
    patient.database_url = running or patient.settings.driver_dsn
    looked_at = f"PostgreSQL at {_place(patient.database_url)}"
    try:
        patient.connection = await asyncpg.connect(
            patient.database_url,
            timeout=5,
            server_settings={
                "application_name": "crm doctor",
                "statement_timeout": f"{_LONGEST_SECONDS}s",
                "default_transaction_read_only": "on",
            },
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        cause = next((text for kind, text in _CAUSES if isinstance(error, kind)), "The server refuses the connection.")
        cure = "Start the server, or correct CRM_DATABASE_URL; the API works again by itself once it can connect."
        return [Finding("database", "wrong", looked_at, f"no connection: {type(error).__name__}", cause, cure)]
    number = int(await patient.connection.fetchval("SELECT current_setting('server_version_num')"))
    version: str = await patient.connection.fetchval("SELECT current_setting('server_version')")
    return [judged_version(looked_at, number, version)]


def judged_version(looked_at: str, number: int, version: str) -> Finding:
    """Say whether a server's version will do; `number` as in `server_version_num`."""
    if number >= _OLDEST_VERSION:
        return Finding("database", "ok", looked_at, f"version {version} answers")
    cause = "The server was not upgraded for long."
    return Finding(
        "database", "wrong", looked_at, f"version {version}", cause, "Upgrade the server: 15 or later is needed."
    )


def _place(url: str) -> str:
    """Write a server's URL without the password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


async def check_migrations(patient: Patient) -> list[Finding]:
    """Compare the tables' revision with the one this code wants."""
    wanted, present = migrations.newest(), None
    if await patient.database.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        present = await patient.database.fetchval("SELECT version_num FROM alembic_version")
    looked_at = "table alembic_version"
    if present == wanted:
        return [Finding("migrations", "ok", looked_at, f"at {present}, as this code wants")]
    finding = f"at {present or 'nothing'}, this code wants {wanted}"
    if present is not None and present > wanted:
        cause = "A newer version of the code migrated this database."
        cure = "Install that version here too, or go back with it: crm migrate --down " + wanted
    else:
        cause = "The database was not migrated since the code was updated." if present else "It was never migrated."
        cure = f"{program()} migrate"
    return [Finding("migrations", "wrong", looked_at, finding, cause, cure)]


async def check_clock(patient: Patient) -> list[Finding]:
    """Compare this machine's clock with the database's."""
    before = now()
    theirs = await patient.database.fetchval("SELECT clock_timestamp()")
    after = now()
    ahead = (before + (after - before) / 2 - theirs).total_seconds()
    looked_at = "the clocks of this machine and of the database"
    if abs(ahead) <= patient.limits.clock_seconds:
        return [Finding("clock", "ok", looked_at, f"they differ by {abs(ahead) * 1000:.0f} ms")]
    finding = f"this machine is {span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the database"
    cause = (
        "One of them is not set by a time server. Times come from the machines of the API: leases and schedules shift."
    )
    cure = "Let chrony or systemd-timesyncd set the clock on every machine; `timedatectl` shows whether it does."
    return [
        Finding(
            "clock",
            "wrong" if abs(ahead) > patient.settings.lease_seconds else "warning",
            looked_at,
            finding,
            cause,
            cure,
        )
    ]


_CONNECTIONS: Final = """
SELECT count(*) AS used, current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0) AS most
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
_HOLDERS: Final = """
SELECT coalesce(nullif(application_name, ''), 'unnamed') AS name, count(*) AS count FROM pg_stat_activity
WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 2 DESC LIMIT 3
"""


async def check_connections(patient: Patient) -> list[Finding]:
    """Count the server's connections."""
    row = await patient.database.fetchrow(_CONNECTIONS)
    used, most = row["used"], row["most"]
    looked_at, finding = "pg_stat_activity", f"{used} of {most} connections are in use"
    if used < most * patient.limits.connections_share:
        return [Finding("connections", "ok", looked_at, finding)]
    holders = ", ".join(f"{each['name']} {each['count']}" for each in await patient.database.fetch(_HOLDERS))
    cause = f"Most are held by: {holders}. Each API process may hold twice CRM_POOL_SIZE, and more for streams."
    cure = "Lower CRM_POOL_SIZE, run fewer processes, or raise max_connections; close what is not needed."
    return [Finding("connections", "wrong", looked_at, finding, cause, cure)]


_IDLE: Final = """
SELECT pid, coalesce(nullif(application_name, ''), 'unnamed') AS name,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE state LIKE 'idle in transaction%' AND xact_start < clock_timestamp() - $1 * interval '1 second'
ORDER BY xact_start LIMIT 5
"""


async def check_idle_transactions(patient: Patient) -> list[Finding]:
    """Look for transactions that nobody goes on with."""
    looked_at = "pg_stat_activity"
    rows = await patient.database.fetch(_IDLE, patient.limits.idle_transaction_seconds)
    if not rows:
        longest = span(patient.limits.idle_transaction_seconds)
        return [Finding("idle transactions", "ok", looked_at, f"none for longer than {longest}")]
    cause = (
        "A program or a person began a transaction and left it. It holds locks, and keeps dead rows from being cleared."
    )
    return [
        Finding(
            "idle transactions",
            "wrong",
            looked_at,
            f"{row['name']} (process {row['pid']} of the server) has one open since {span(row['seconds'])}",
            cause,
            f"End that program, or its session: SELECT pg_terminate_backend({row['pid']});",
        )
        for row in rows
    ]


_INVALID: Final = """
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS table_name, i.indisunique AS is_unique
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relnamespace = 'public'::regnamespace
    AND i.indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)
ORDER BY 1
"""


async def check_indexes(patient: Patient) -> list[Finding]:
    """Look for indexes that were begun and not finished."""
    rows = await patient.database.fetch(_INVALID)
    return list(_invalid(rows)) or [Finding("indexes", "ok", "pg_index", "all are valid")]


def _invalid(rows: list[asyncpg.Record]) -> Iterator[Finding]:
    for row in rows:
        cause = "CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY was broken off"
        cause += ", perhaps by rows that are not unique." if row["is_unique"] else "."
        cure = f"REINDEX INDEX CONCURRENTLY {row['name']};  or drop it, when another one has taken its place."
        yield Finding("indexes", "wrong", "pg_index", f"{row['name']} on {row['table_name']} is invalid", cause, cure)
