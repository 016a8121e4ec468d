"""Use cases of the timeline."""

from .load import shape_touchpoint, store_touchpoints
from .record import record_touchpoint

__all__ = ["record_touchpoint", "shape_touchpoint", "store_touchpoints"]
