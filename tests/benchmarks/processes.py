"""Servers under measurement: started, watched through the system's own accounts, stopped."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from crm_api.core.embedded import free_port


@dataclass(frozen=True)
class Served:
    """A server that answers on a port."""

    name: str
    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Processor time it has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def peak_bytes(self) -> int:
        """Most resident memory it ever had."""
        return peak_bytes(self.process.pid)

    def resident_bytes(self) -> int:
        """Resident memory it has now."""
        return int(self.process.memory_info().rss)


@contextmanager
def serving(name: str, application: str, environment: Mapping[str, str], *, health: str) -> Iterator[Served]:
    """Serve an application factory with uvicorn in a session of its own, as `crm up` does, for the length of a block."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--factory", "--host", "127.0.0.1", "--port", str(port)]
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    given = {**os.environ, **environment, "CRM_PORT": str(port)}
    process = subprocess.Popen([*command, *options], env=given, start_new_session=True)
    try:
        _await_answer(process, f"http://127.0.0.1:{port}{health}")
        yield Served(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(20)


def _await_answer(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server at {url} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=1):  # loopback, our own server
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


def peak_bytes(pid: int) -> int:
    """Most resident memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def forget_peak(pid: int) -> None:
    """Begin anew to watch for the most resident memory of a process."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def family_cpu_seconds(pid: int) -> float:
    """Processor time of a process and its children, those that ended included: of a PostgreSQL by its postmaster."""
    parent = psutil.Process(pid)
    own = parent.cpu_times()
    used = own.user + own.system + own.children_user + own.children_system
    for child in parent.children():
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        used += times.user + times.system
    return float(used)
