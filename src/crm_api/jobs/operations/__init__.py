"""Use cases of jobs."""

from .canceling import cancel
from .claiming import claim
from .leases import heartbeat, release, report_failure, report_progress, report_result
from .queueing import enqueue
from .steps import run_step

__all__ = [
    "cancel",
    "claim",
    "enqueue",
    "heartbeat",
    "release",
    "report_failure",
    "report_progress",
    "report_result",
    "run_step",
]
