"""The one clock: every time the service writes comes from here, aware and in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """Say what time it is, in UTC."""
    return datetime.now(UTC)
