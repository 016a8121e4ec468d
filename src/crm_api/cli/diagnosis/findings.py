"""What a check says, and what all checks look at."""

from dataclasses import dataclass, field
from typing import Literal

import asyncpg

from ...settings import Settings
from ..home import Home

State = Literal["ok", "warning", "wrong", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing; when something is not as it should be, also why, and what to do."""

    check: str
    state: State
    looked_at: str
    finding: str
    cause: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is worth telling."""

    clock_seconds: float = 1.0
    mail_seconds: float = 5.0
    idle_transaction_seconds: float = 60.0
    lease_expired_seconds: float = 60.0
    job_waits_seconds: float = 300.0
    failed_jobs_hours: float = 24.0
    dirty_days: int = 100_000
    outbox_bytes: int = 2 << 30
    connections_share: float = 0.8
    scarce_disk_bytes: int = 5 << 30
    least_disk_bytes: int = 1 << 30


@dataclass(slots=True)
class Patient:
    """The installation that is examined."""

    settings: Settings
    home: Home
    limits: Limits = field(default_factory=Limits)
    secret: str | None = None
    """The secret key, from the settings or from where `crm up` keeps it."""
    database_url: str | None = None
    connection: asyncpg.Connection | None = None

    @property
    def database(self) -> asyncpg.Connection:
        """The open connection; checks that need it are skipped when there is none."""
        assert self.connection is not None  # noqa: S101  # examine() looked
        return self.connection


def size(count: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def span(seconds: float) -> str:
    """Write a time span for people."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
