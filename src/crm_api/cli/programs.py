"""The service's own processes: the API and the worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ..core.embedded import open_log
from ..settings import Settings

_PATIENCE_SECONDS = 15
# The worker is a client of the API: it gets no way into the database and no key.
_NOT_FOR_WORKERS = ("CRM_DATABASE_URL", "CRM_SECRET_KEY")
_NOT_FOR_API = ("CRM_WORKER_CLIENT_SECRET", "CRM_SMTP_URL")


class Program:
    """A Python module run as a child process, with its output in a log."""

    def __init__(
        self, name: str, arguments: list[str], environment: Mapping[str, str], log: Path, *, port: int | None = None
    ) -> None:
        """Describe it; nothing is started yet."""
        self.name, self.log, self.port = name, log, port
        self._command = [sys.executable, "-m", *arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def returncode(self) -> int | None:
        """How it ended; negative is the signal it died of."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C at the terminal does not reach it."""
        with open_log(self.log) as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Let it finish what it does, but not for long."""
        if self._process is None or self.pid is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process and self.pid:
            self._process.kill()
            self._process.wait()


def api(settings: Settings, log: Path) -> Program:
    """The API: one process, one event loop."""
    arguments = ["uvicorn", "crm_api.app:create_app_from_environment", "--factory", "--loop=uvloop", "--http=httptools"]
    arguments += [f"--host={settings.host}", f"--port={settings.port}", "--no-access-log", "--no-server-header"]
    # Streams of events stay open for as long as their readers like.
    arguments += ["--timeout-graceful-shutdown=5"]
    return Program("api", arguments, _environment(settings, without=_NOT_FOR_API), log, port=settings.port)


def worker(settings: Settings, log: Path) -> Program:
    """The worker: a client of the API."""
    return Program("worker", ["workers.main"], _environment(settings, without=_NOT_FOR_WORKERS), log)


def command(settings: Settings, *words: str) -> subprocess.Popen[bytes]:
    """Start another command of ours, on the same servers and with the same secrets."""
    started = [sys.executable, "-m", "crm_api.cli", *words]
    return subprocess.Popen(started, env=_environment(settings), stdin=subprocess.DEVNULL)


def _environment(settings: Settings, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    given = {
        "CRM_HOME": settings.home,
        "CRM_HOST": settings.host,
        "CRM_PORT": settings.port,
        "CRM_API_URL": settings.reach,
        "CRM_DATABASE_URL": settings.database_url,
        "CRM_REDIS_URL": settings.redis_url,
        "CRM_WORKER_CLIENT_ID": settings.worker_client_id,
        "CRM_SECRET_KEY": settings.secret_key and settings.secret_key.get_secret_value(),
        "CRM_WORKER_CLIENT_SECRET": settings.worker_client_secret and settings.worker_client_secret.get_secret_value(),
    }
    known = {name: str(value) for name, value in given.items() if value is not None}
    return {name: value for name, value in {**os.environ, **known}.items() if name not in without}
