"""The one clock: every time the service writes comes from here, aware and in UTC; and how it is written."""

from datetime import UTC, datetime
from typing import Any


def now() -> datetime:
    """Say what time it is, in UTC."""
    return datetime.now(UTC)


def written(instant: datetime) -> str:
    """Write a time as the API does everywhere: RFC 3339, in UTC, ending in Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def as_text(value: Any) -> str:
    """Write what JSON has no form of its own for: times as above, ids and the like as they print."""
    return written(value) if isinstance(value, datetime) else str(value)
