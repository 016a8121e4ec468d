"""Use cases of the timeline."""

from .append import append_touchpoints, leave_touchpoints
from .load import shape_touchpoint, store_touchpoints
from .record import record_touchpoint

__all__ = ["append_touchpoints", "leave_touchpoints", "record_touchpoint", "shape_touchpoint", "store_touchpoints"]
