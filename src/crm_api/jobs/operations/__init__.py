"""Use cases of jobs, one file per verb."""

from .enqueue import enqueue

__all__ = ["enqueue"]
