"""Jobs: long work as rows, leased to workers, in steps that a kill cannot tear."""

from .answers import ACCEPTED, accepted
from .kinds import Due, JobKind, Step
from .operations import enqueue
from .schemas import JobRead

__all__ = ["ACCEPTED", "Due", "JobKind", "JobRead", "Step", "accepted", "enqueue"]
