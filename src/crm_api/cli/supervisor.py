"""Starts the parts in order, says why one died, starts it again, and stops them all in the end."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Protocol, Self

from ..core.embedded import tail
from .output import CommandFailed, Output
from .programs import Program
from .readiness import asking, read_checks
from .state import PartState, RunState, birth, new_state, write_state

_LOOK_SECONDS = 0.05
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 15.0
_QUIET_SECONDS = 60.0
# What the last lines of a log contain, and what to do then; the first that fits is told.
_CURES = (
    ("address already in use", "The port is taken. Stop what listens on it, or choose another: CRM_PORT=8001"),
    ("no space left on device", "The disk is full. Make room, then start again."),
    ("CRM_", "Correct the variable that the log names, then start again."),
    ("modulenotfounderror", "The installation is incomplete. `make run` repairs it."),
    ("no such revision", "The database is of a newer version of this code. Update the code, then start again."),
    ("password authentication failed", "The user or password in CRM_DATABASE_URL is wrong."),
    ("connection refused", "A server the part needs is away. Look at CRM_DATABASE_URL and CRM_REDIS_URL."),
)


class Part(Protocol):
    """A process the supervisor looks after: an embedded server, the API or the worker."""

    log: Path
    port: int | None

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""

    @property
    def returncode(self) -> int | None:
        """How it ended; negative is the signal it died of."""

    def start(self) -> object:
        """Start it; returns when it runs."""

    def stop(self) -> None:
        """End it, and return when it has ended."""


class Stopped(BaseException):
    """The user or the system wants us to stop."""


class Supervisor:
    """Looks after the parts of one `crm up` while its block lasts; at the block's end it stops them, last one first."""

    def __init__(self, run_file: Path, output: Output) -> None:
        """Name where the state is written down and who tells of it."""
        self.state: RunState = new_state()
        self._run_file, self._output = run_file, output
        self._parts: list[Part] = []
        self._deaths: dict[str, list[float]] = {}
        self._log_starts: dict[str, int] = {}
        self._stopping = False

    def __enter__(self) -> Self:
        """Turn signals into an orderly end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever ignores hang-ups, as nohup does, goes on ignoring them.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        self._write()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop what was started, in the reverse order."""
        self._stopping = True
        for part in reversed(self._parts):
            part.stop()
        self._run_file.unlink(missing_ok=True)

    def bring(self, part: Part) -> None:
        """Start a part and look after it from now on."""
        # Known before it is started, so that one caught half-way is stopped too.
        self._parts.append(part)
        self._begin(part)
        where = f"port {part.port}" if part.port else f"process {part.pid}"
        self._output.event("part_started", f"  {part.name:<10} {where}", part=part.name, pid=part.pid, port=part.port)

    def follow(self, task: subprocess.Popen[bytes], *, fatal: bool = False) -> int:
        """Look after the parts while a task of ours runs; returns its exit code."""
        try:
            self.watch(lambda: task.poll() is not None, fatal=fatal)
        finally:
            if task.poll() is None:
                task.terminate()
                task.wait()
        return task.returncode

    def wait_until_ready(self, seconds: float) -> None:
        """Wait for `/readyz`. Errors: CommandFailed when a part dies before, or when it takes too long."""
        until = time.monotonic() + seconds
        with asking() as client:

            def is_ready() -> bool:
                checks = read_checks(client, self.state)
                missing = [f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]
                if missing and time.monotonic() > until:
                    what = f"The service was not ready after {seconds:.0f} s: {'; '.join(missing)}"
                    raise CommandFailed(what, f"The logs are in {self._parts[-1].log.parent}.")
                return not missing

            self.watch(is_ready, fatal=True)

    def declare_ready(self, facts: dict[str, str]) -> None:
        """Write down that it serves, and what whoever asks should know."""
        self.state.phase, self.state.facts = "ready", facts
        self._write()

    def watch(self, until: Callable[[], bool] = lambda: False, *, fatal: bool = False) -> None:
        """Start again whatever dies, until something is so. Errors: CommandFailed at a death, if that is fatal."""
        pauses: dict[str, float] = {}
        while not until():
            time.sleep(_LOOK_SECONDS)
            for part in self._parts:
                if part.pid is not None:
                    continue
                if fatal:
                    raise self._death(part)
                if part.name not in pauses:
                    pauses[part.name] = time.monotonic() + self._tell_death(part)
                elif time.monotonic() >= pauses[part.name]:
                    del pauses[part.name]
                    self._restart(part)

    def _begin(self, part: Part) -> None:
        self._log_starts[part.name] = part.log.stat().st_size if part.log.exists() else 0
        at = time.time()
        part.start()
        self._record(part, at)

    def _restart(self, part: Part) -> None:
        self._begin(part)
        self._output.event("part_restarted", f"{part.name} runs again", part=part.name, pid=part.pid, port=part.port)

    def _tell_death(self, part: Part) -> float:
        """Tell of it and return the pause before the next start: each death of the last minute doubles it."""
        moment = time.monotonic()
        recent = [*(at for at in self._deaths.get(part.name, []) if moment - at < _QUIET_SECONDS), moment]
        self._deaths[part.name] = recent
        pause: float = min(_FIRST_PAUSE_SECONDS * 2 ** (len(recent) - 1), _LONGEST_PAUSE_SECONDS)
        death = self._death(part)
        text = f"{death.what}\n{death.cure}\nIt is started again in {pause:g} s."
        self._output.event("part_died", text, part=part.name, detail=death.what, cure=death.cure, pause_seconds=pause)
        return pause

    def _death(self, part: Part) -> CommandFailed:
        code = part.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        last = tail(part.log, since=self._log_starts[part.name])
        usual = f"The whole log is {part.log}"
        cure = next((cure for sign, cure in _CURES if sign.lower() in last.lower()), usual)
        return CommandFailed(f"{part.name} {how}. Its last words:\n{_indented(last) or '    none'}", cure)

    def _record(self, part: Part, at: float) -> None:
        pid = part.pid or 0
        known = next((state for state in self.state.parts if state.name == part.name), None)
        if known is None:
            known = PartState(name=part.name, pid=pid, born_at=birth(pid), started_at=at, port=part.port, log=part.log)
            self.state.parts.append(known)
        else:
            known.pid, known.born_at, known.started_at, known.port = pid, birth(pid), at, part.port
            known.restarts += 1
        self._write()

    def _write(self) -> None:
        write_state(self._run_file, self.state)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise Stopped
        # Asked twice: whoever still finishes something is cut short. The servers keep to their own order.
        for part in self._parts:
            if isinstance(part, Program):
                part.kill()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
