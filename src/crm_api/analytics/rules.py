"""What is true of runs, without a database."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import log
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

OPEN: Final = ("queued", "running")
"""States in which a run still takes rows and can be published."""
NOBODY_SCORED: Final = ("insufficient_data", "not_converged", "not_identified")
"""States of a run that came to its end and could say nothing of anybody."""
ENDED_WELL: Final = ("published", "awaiting_approval", "rejected", *NOBODY_SCORED)
TOLERATED_LOSS: Final = 0.01
"""By what share of the current run's loss another may be worse without anybody having to agree."""
DRIFTED: Final = 0.25
"""Above this population stability index of a column, the customers of a run are others than those of the run before."""
FEWEST_COMPARED: Final = 100
PLAN_PERIOD: Final = timedelta(days=1)
"""Plans run a model every day."""
KEPT_RUNS: Final = 10
"""Of how many published runs of a model the rows are kept; the current one is always among them."""


def local_today(at: datetime, zone: ZoneInfo) -> date:
    """Say which date it is for the business."""
    return at.astimezone(zone).date()


def is_too_late(as_of: date, today: date) -> bool:
    """Say whether a reference date lies in a future nothing is known of; tomorrow is allowed, so that today counts."""
    return as_of > today + timedelta(days=1)


def stale_since(computed_at: datetime, is_planned: bool, at: datetime) -> datetime | None:
    """Answer since when scores are older than their model's plan promises; nothing while they are not.

    After two periods: one run that is late, or fails, is made good by the next.
    """
    broken_at = computed_at + 2 * PLAN_PERIOD
    return broken_at if is_planned and broken_at < at else None


def ranges(bounds: Sequence[UUID]) -> list[tuple[UUID | None, UUID | None]]:
    """Turn the first id of each range into ranges that leave nothing out: the first and the last one are open."""
    if not bounds:
        return []
    edges = [None, *bounds[1:], None]
    return list(pairwise(edges))


def worse_by(loss: float, current: float) -> float | None:
    """Answer by what share a loss is worse than the current run's, when that is more than is tolerated."""
    if loss <= current * (1 + TOLERATED_LOSS):
        return None
    return loss / current - 1 if current else loss


def stability_index(counts: Sequence[int], before: Sequence[int]) -> float | None:
    """Answer the population stability index of two counts over the same bins; nothing when either is too few to tell.

    Half a case is added to each bin, so that an empty one does not make it infinite.
    """
    if min(sum(counts), sum(before)) < FEWEST_COMPARED or len(counts) != len(before):
        return None
    total, total_before = (sum(each) + len(each) / 2 for each in (counts, before))
    shares = (((now + 0.5) / total, (then + 0.5) / total_before) for now, then in zip(counts, before, strict=True))
    return sum((now - then) * log(now / then) for now, then in shares)


def next_time(at: str, zone: ZoneInfo, after: datetime) -> datetime:
    """Answer when a time of day (HH:MM) comes next in a zone. What the clock skips comes an hour later; what it shows
    twice counts once, the first time.
    """
    today, time_of_day = local_today(after, zone), time.fromisoformat(at)
    days = (datetime.combine(today + timedelta(days=number), time_of_day, zone).astimezone(UTC) for number in range(3))
    return next(each for each in days if each > after)
