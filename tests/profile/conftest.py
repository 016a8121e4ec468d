"""Runs whose scores profiles show."""

from ..analytics.conftest import publish, start

__all__ = ["publish", "start"]
