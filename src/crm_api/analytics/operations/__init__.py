"""Use cases of analytics, one file per verb."""

from typing import Final

from ...jobs.kinds import JobKind
from .approve import decide_run
from .begin import begin_run
from .drift import read_reference
from .drop import DROP_ROWS
from .ending import RUN
from .hold import find
from .plan import planned_runs, put_plan
from .publish import publish_run, read_output
from .start import approved, start_run
from .store import store_rows

__all__ = [
    "KINDS",
    "approved",
    "begin_run",
    "decide_run",
    "find",
    "planned_runs",
    "publish_run",
    "put_plan",
    "read_output",
    "read_reference",
    "start_run",
    "store_rows",
]

KINDS: Final[tuple[JobKind, ...]] = (RUN, DROP_ROWS)
"""Kinds of jobs of analytics."""
