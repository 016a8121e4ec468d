"""What this worker can do by hand: one handler per kind, and the scopes that they need."""

from typing import Final

from . import analytics
from .work import Handler

HANDS: Final[dict[str, Handler]] = {"analytics-run": analytics.compute_run}
SCOPES: Final = ("jobs:work", "customers:read", "touchpoints:read", "scores:write", "messages:work")
"""What the worker asks its token for: the least that all of its work needs."""
