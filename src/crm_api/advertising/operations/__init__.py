"""Use cases of advertising, one file per verb."""

from .collect import EXPORT, advertising_export
from .export import acknowledge, begin_reading, request_export
from .open import end_audience, open_audience

__all__ = [
    "EXPORT",
    "acknowledge",
    "advertising_export",
    "begin_reading",
    "end_audience",
    "open_audience",
    "request_export",
]
