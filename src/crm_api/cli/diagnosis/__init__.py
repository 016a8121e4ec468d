"""What `crm doctor` looks at: each check says what it looked at, what it found, why that is, and what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from ...settings import Settings
from ..home import Home
from . import database, machine, service
from .findings import Finding, Limits, Patient, State

__all__ = ["Finding", "Limits", "Patient", "State", "examine"]

_HERE: Final[tuple[Callable[[Patient], list[Finding]], ...]] = (
    machine.check_secret_files,
    machine.check_disk,
    machine.check_port,
    machine.check_api,
    machine.check_redis,
)
_IN_DATABASE: Final[dict[str, Callable[[Patient], Awaitable[list[Finding]]]]] = {
    "migrations": database.check_migrations,
    "clock": database.check_clock,
    "connections": database.check_connections,
    "idle transactions": database.check_idle_transactions,
    "indexes": database.check_indexes,
    "signing keys": service.check_signing_keys,
    "worker": service.check_worker,
    "jobs": service.check_jobs,
    "daily facts": service.check_daily_facts,
    "outbox": service.check_outbox,
}


_AWAY: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    OSError,
)


async def examine(limits: Limits | None = None) -> list[Finding]:
    """Look at everything, and change nothing: no folder, file, table or process is made for it."""
    from . import mail  # it loads parts of the worker, which no other command needs

    settings, findings = machine.check_settings()
    if settings is None:
        return findings
    patient = Patient(settings, Home(settings.home), limits or Limits())
    patient.secret = _secret(settings, patient.home)
    for look in _HERE:
        findings += await asyncio.to_thread(look, patient)
    findings += await mail.check_mail(patient)
    findings += await database.open_database(patient)
    try:
        for name, ask in _IN_DATABASE.items():
            findings += await _asked(name, ask, patient)
    finally:
        if patient.connection is not None:
            await patient.connection.close()
    return findings


async def _asked(name: str, ask: Callable[[Patient], Awaitable[list[Finding]]], patient: Patient) -> list[Finding]:
    """Ask the database, as far as it is there."""
    if patient.connection is None:
        return [Finding(name, "skipped", "the database", "there is no connection")]
    try:
        return await ask(patient)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return [Finding(name, "skipped", "the database", "its tables are not those of this code: see `migrations`")]
    except (*_AWAY, asyncpg.InsufficientPrivilegeError) as error:
        cause = "The role of CRM_DATABASE_URL lacks a right, or the database is overloaded or went away."
        cure = "See the server's log, and look again."
        return [Finding(name, "wrong", "the database", f"no answer: {type(error).__name__}", cause, cure)]


def _secret(settings: Settings, home: Home) -> str | None:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    try:
        return (home.folder / "secret.key").read_text().strip()
    except OSError:
        return None
