"""When a campaign begins, and when each of its customers is due. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

LaunchZone = Literal["business", "customer"]
EARLIEST_ZONE: Final = timedelta(hours=14)
"""Pacific/Kiritimati is the first place where a local time comes; nobody is due before."""
LATE: Final = timedelta(minutes=5)
"""A launch that is asked for this late is still meant; a later one is a mistake."""


def starts_at(local: datetime, zone: LaunchZone, business: ZoneInfo) -> datetime:
    """Answer the instant (UTC) at which a campaign's recipients are planned, for a naive local time.

    A time that a zone skips counts as if the clock had not been moved yet, so it comes an hour later on the new clock;
    a time that comes twice counts once.
    """
    if zone == "customer":
        return local.replace(tzinfo=UTC) - EARLIEST_ZONE
    return local.replace(tzinfo=business, fold=0).astimezone(UTC)


def is_past(local: datetime, zone: LaunchZone, business: ZoneInfo, now: datetime) -> bool:
    """Say whether a launch time has gone by: for customers' zones, whether it has in the business's."""
    return starts_at(local, "business", business) < now - LATE
