"""Jobs: long work as rows, leased to workers, in steps that a kill cannot tear."""

from .kinds import Due, JobKind, Step
from .operations import enqueue

__all__ = ["Due", "JobKind", "Step", "enqueue"]
