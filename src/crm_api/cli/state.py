"""What `crm up` runs, written down for `crm status`, `crm down` and the next start."""

import os
import time
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ValidationError

from ..core.processes import is_alive


class PartState(BaseModel):
    """One process. Its time of birth tells it from a later one that got the same number."""

    name: str
    pid: int
    born_at: float
    started_at: float = 0.0
    """In seconds since 1970, as `born_at`, which the kernel tells, and which may be a second too early."""
    port: int | None = None
    restarts: int = 0
    log: Path

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it is still this one and alive."""
        return living(self.pid, self.born_at)


class RunState(BaseModel):
    """One `crm up`: its own process and those it started, in the order of their start."""

    pid: int
    born_at: float
    phase: Literal["starting", "ready"] = "starting"
    url: str = ""
    facts: dict[str, str] = {}
    parts: list[PartState] = []

    @property
    def process(self) -> psutil.Process | None:
        """The process of `crm up`, if it is alive."""
        return living(self.pid, self.born_at)


def living(pid: int, born_at: float) -> psutil.Process | None:
    """Find a live process by number and time of birth."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born_at) < 1
    except psutil.Error:
        return None
    return process if same and is_alive(process) else None


def birth(pid: int) -> float:
    """When a process was born, in seconds since 1970; now, if it is already gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return time.time()


def new_state() -> RunState:
    """The state of a start that this process has just begun."""
    return RunState(pid=os.getpid(), born_at=birth(os.getpid()))


def read_state(path: Path) -> RunState | None:
    """Read what was written down last; nothing when there is none, or when it cannot be read."""
    try:
        return RunState.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(path: Path, state: RunState) -> None:
    """Write it down in one step, so that a reader never finds half of it."""
    draft = path.with_suffix(".new")
    draft.write_text(state.model_dump_json(indent=2))
    draft.replace(path)
