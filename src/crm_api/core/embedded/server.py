"""What the embedded servers share: a folder with lock, password, port and log; a child process; and its end."""

import contextlib
import hashlib
import os
import secrets
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar, Self

import psutil

from ..folder_lock import FolderLock
from ..processes import end_processes
from ..secret_files import kept_secret
from .places import ServerFailed, User

# Below the range of outgoing connections: a client that dials a dead server there could be connected to itself.
_PORTS = range(20_000, 30_000)
_LOG_BYTES = 20_000_000
_LEFTOVER_SECONDS = 20.0


class ServerTaken(ServerFailed):
    """Another live process owns this server's folder."""


def open_log(log: Path) -> IO[bytes]:
    """Open a log for appending; one that has grown large is set aside first."""
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log.open("ab")


def tail(log: Path, lines: int = 20, *, since: int = 0) -> str:
    """Return the last lines of a log, none of them from before that position; nothing when there is no log."""
    try:
        with log.open("rb") as file:
            size = log.stat().st_size
            # A log smaller than before is a new one.
            file.seek(max(since if since <= size else 0, size - 400 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether nobody listens on a TCP port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int | None = None) -> int:
    """Return the preferred TCP port when nobody listens on it, else another that is free."""
    drawn = secrets.SystemRandom().sample(_PORTS, 50)
    free = next((port for port in [preferred, *drawn] if port and is_free(port)), None)
    if free is None:
        raise ServerFailed(f"No free TCP port between {_PORTS.start} and {_PORTS.stop}")
    return free


class EmbeddedServer(ABC):
    """What both servers share: a folder with lock, password, port and log; a child process; and its end."""

    name: ClassVar[str]
    programs: ClassVar[Sequence[str]]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]
    start_seconds: ClassVar[float]

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        """Name a server by its folder; nothing is started yet."""
        self.folder = folder.absolute()
        self.log = log.absolute() if log else self.folder / f"{self.name}.log"
        self.port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.folder / "lock")

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def returncode(self) -> int | None:
        """How it ended; negative is the signal it died of."""
        return self._process.poll() if self._process else None

    @property
    def password(self) -> str:
        """The random password of this folder's server."""
        return kept_secret(self.folder / "password")

    @property
    @abstractmethod
    def url(self) -> str:
        """How a program on this machine reaches the server."""

    def start(self) -> str:
        """Start it, having stopped what a killed owner left running here, and return its URL.

        The port of the last start is taken again when it is free. Raises ServerTaken or ServerFailed.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._lock.take():
            raise ServerTaken(f"{self.name} in {self.folder} is in use by process {self._lock.owner}")
        try:
            self.end_leftovers()
            if self._process:
                self._process.wait()
            self._prepare()
            for attempt in range(3):
                self.port = free_port(self._last_port() if attempt == 0 else None)
                if self._comes_up():
                    (self.folder / "port").write_text(f"{self.port}\n")
                    return self.url
                if "in use" not in tail(self.log, 5):
                    break
            raise ServerFailed(f"{self.name} ended while starting. Its log {self.log} ends with:\n{tail(self.log)}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, gently first, and free its folder for another owner."""
        for how, seconds in self.stop_signals:
            if self._process is None or self._process.poll() is not None:
                break
            self._process.send_signal(how)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        if self._process and self._process.stdin:
            self._process.stdin.close()
        self._process = None
        self._lock.release()

    def look(self) -> str | None:
        """Return the URL of the server that another process runs in this folder, if one does."""
        if not self._lock.is_taken_by_another:
            return None
        self.port = self._last_port()
        return self.url

    def end_leftovers(self) -> bool:
        """End what a killed owner left running in this folder; says whether there was anything."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self._is_ours(process.cmdline()):
                    found.append(process)
        return end_processes(found, self.stop_signals[0][0], _LEFTOVER_SECONDS)

    def __enter__(self) -> Self:
        """Start it for the length of a block."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop it at the block's end."""
        self.stop()

    def _prepare(self) -> None:  # noqa: B027  # not every server has something to prepare
        """Make ready what the command needs; the folder is locked, and nothing runs in it."""

    @abstractmethod
    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        """Start the process."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether it answers."""

    @property
    def _mark(self) -> str:
        """Shown in the titles of the server's processes, so that they can be told from those of other folders."""
        return f"crm-{hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]}"

    def _is_ours(self, words: list[str]) -> bool:
        program = words[0].split(":")[0].split(" ")[0].rsplit("/", 1)[-1] if words else ""
        return program in self.programs and self._mark in " ".join(words)

    def _last_port(self) -> int | None:
        try:
            return int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return None

    def _comes_up(self) -> bool:
        """Wait until it answers (true) or ends (false)."""
        self._process = self._launch(self.port or 0)
        for _ in range(int(self.start_seconds / 0.02)):
            if self._is_ready():
                return True
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            return False
        raise ServerFailed(f"{self.name} was not ready after {self.start_seconds:.0f} s; its log is {self.log}")

    def _spawn(self, command: Sequence[str], user: User | None, *, given: str = "") -> subprocess.Popen[bytes]:
        with open_log(self.log) as log:
            return start_process(command, user, given=given, output=log)


def start_process(
    command: Sequence[str], user: User | None, *, given: str, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program as that user, with nothing of our environment, and give it all of its standard input."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"LC_ALL": "C", "PATH": os.defpath},
        umask=0o077,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        # In a session of its own, so that Ctrl-C at the terminal reaches its owner only, who ends it in order.
        start_new_session=True,
    )
    # One that ends at once reads nothing; whoever waits for it finds out.
    with contextlib.suppress(BrokenPipeError), process.stdin or contextlib.nullcontext() as entry:
        if entry:
            entry.write(given.encode())
    return process
