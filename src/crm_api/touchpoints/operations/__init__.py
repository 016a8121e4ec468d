"""Use cases of the timeline."""

from .load import store_touchpoints
from .record import record_touchpoint

__all__ = ["record_touchpoint", "store_touchpoints"]
