"""Ending processes that are not our children, as those a killed owner left running are not."""

import contextlib
import signal
import time
from collections.abc import Iterable

import psutil

_KILLED_SECONDS = 5.0


def end_processes(processes: Iterable[psutil.Process], gently: signal.Signals, seconds: float) -> bool:
    """Ask processes to end, kill those that do not within that time, and say whether there were any."""
    alive = list(processes)
    found = bool(alive)
    for how, patience in ((gently, seconds), (signal.SIGKILL, _KILLED_SECONDS)):
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.send_signal(how)
        until = time.monotonic() + patience
        while alive := [process for process in alive if is_alive(process)]:
            if time.monotonic() > until:
                break
            time.sleep(0.02)
    return found


def is_alive(process: psutil.Process) -> bool:
    """Say whether it runs; a zombie does not, and may stay until a careless first process of the machine looks."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
