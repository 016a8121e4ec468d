"""Use cases of segments, one file per verb."""

from .approve import approve
from .build import BUILD, request_build, segment_build
from .change import archive, change
from .check import CHECK, segment_check
from .define import define
from .explain import explain_membership
from .live import LIVE, live_segments
from .plan import plan
from .preview import preview

__all__ = [
    "BUILD",
    "CHECK",
    "LIVE",
    "approve",
    "archive",
    "change",
    "define",
    "explain_membership",
    "live_segments",
    "plan",
    "preview",
    "request_build",
    "segment_build",
    "segment_check",
]
