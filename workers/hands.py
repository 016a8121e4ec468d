"""What this worker can do by hand: one handler per kind, and the scopes that they need."""

from typing import Final

from .work import Handler

HANDS: Final[dict[str, Handler]] = {}
SCOPES: Final = ("jobs:work",)
"""What the worker asks its token for: the least that all of its work needs."""
