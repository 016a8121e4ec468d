"""Use cases of segments, one file per verb."""

from .approve import approve
from .build import BUILD, request_build, segment_build
from .change import archive, change
from .define import define
from .preview import preview

__all__ = ["BUILD", "approve", "archive", "change", "define", "preview", "request_build", "segment_build"]
