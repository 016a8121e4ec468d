"""The folder `.crm`: keys, secrets, logs, the embedded servers' data, and what runs."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ..core.embedded import EmbeddedPostgres, EmbeddedValkey, ServerTaken
from ..core.folder_lock import FolderLock
from ..core.secret_files import kept_secret, write_secret
from ..settings import Settings, read_settings
from .output import CommandFailed
from .state import read_state

DEMO_CLIENT: Final = "demo"
"""The name under which `crm up --demo` saves a client for itself."""


class KeptClient(NamedTuple):
    """A client whose secret was saved: what `crm token` and `crm load` call with."""

    client_id: str
    secret: str
    scope: str
    """Its scopes, separated by spaces: a token has only those it is asked for."""


class Home:
    """Where everything of one installation lies. Everything in it is for its owner only."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; `make` makes it."""
        self.folder = folder.absolute()
        self.logs = self.folder / "logs"
        self.run_file = self.folder / "run" / "state.json"
        self.lock = FolderLock(self.folder / "run" / "lock")

    def make(self) -> None:
        """Make the folders. Errors: CommandFailed when they are another user's."""
        try:
            for folder in (self.folder, self.logs, self.run_file.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.run_file.parent / "lock").touch()
        except PermissionError as denied:
            raise CommandFailed(
                f"{denied.filename} belongs to another user.",
                "Work as the user who first started here, or name another folder in CRM_HOME.",
            ) from None

    def log(self, part: str) -> Path:
        """Name the log of a part."""
        return self.logs / f"{part}.log"

    def postgres(self) -> EmbeddedPostgres:
        """The embedded PostgreSQL of this folder."""
        return EmbeddedPostgres(self.folder / "postgres", log=self.log("postgres"))

    def valkey(self) -> EmbeddedValkey:
        """The embedded Valkey of this folder."""
        return EmbeddedValkey(self.folder / "valkey", log=self.log("valkey"))

    def settings(self, **given: object) -> Settings:
        """Read the settings; secrets that the environment does not give are kept in files, made on first use."""
        found = read_settings(home=self.folder, **given)
        if found.secret_key is None:
            given["secret_key"] = kept_secret(self.folder / "secret.key")
        if found.worker_client_secret is None:
            given["worker_client_secret"] = kept_secret(self.folder / "worker.secret")
        return read_settings(home=self.folder, **given)

    def api_url(self) -> str:
        """Where the API answers: what the settings say, else what `crm up` runs here."""
        settings = read_settings()
        running = read_state(self.run_file)
        if settings.api_url is None and running and running.process and running.url:
            return running.url
        return settings.reach

    def keep_client(self, name: str, client: KeptClient) -> Path:
        """Keep a client, one of its three facts a line."""
        write_secret(self._client_file(name), f"{client.client_id}\n{client.secret}\n{client.scope}")
        return self._client_file(name)

    def kept_clients(self) -> list[str]:
        """Names of the clients kept here."""
        return sorted(path.stem for path in (self.folder / "clients").glob("*.secret"))

    def kept_client(self, name: str) -> KeptClient:
        """Return a client kept here. Errors: CommandFailed."""
        try:
            return KeptClient(*self._client_file(name).read_text().splitlines())
        except (OSError, TypeError):
            known = ", ".join(self.kept_clients()) or "none"
            raise CommandFailed(
                f"No client {name!r} is kept in {self.folder / 'clients'} (kept there: {known}).",
                f"Make one: {program()} client create {name} --scope all --save",
            ) from None

    def chosen_client(self, name: str | None, words: str, usual: str | None = None) -> KeptClient:
        """Return the client of that name; without one the usual, if it is kept here, else the only one.

        words: the command, up to where the name would stand. Errors: CommandFailed.
        """
        saved = self.kept_clients()
        if name is None and usual in saved:
            name = usual
        if name is None and not saved:
            raise CommandFailed(
                "No client is saved here.", f"Make one: {program()} client create me --scope all --save"
            )
        if name is None and len(saved) > 1:
            raise CommandFailed("Which client?", f"{program()} {words}, with one of: {', '.join(saved)}")
        return self.kept_client(name or saved[0])

    def _client_file(self, name: str) -> Path:
        return self.folder / "clients" / f"{name}.secret"


@contextmanager
def operator_settings() -> Iterator[Settings]:
    """Settings that reach the database: a given one, the one `crm up` runs, or one started for just this command."""
    given = read_settings()
    home = Home(given.home)
    home.make()
    if given.database_url is not None:
        yield home.settings()
        return
    postgres = home.postgres()
    if running := postgres.look():
        yield home.settings(database_url=running)
        return
    try:
        with postgres:
            yield home.settings(database_url=postgres.url)
    except ServerTaken as taken:
        raise CommandFailed(str(taken), "It is starting or stopping: try again in a moment.") from None


def program() -> str:
    """How this program is called from the folder we are in, for the commands we tell people to type."""
    script = Path(sys.executable).with_name("crm")
    if not script.exists() or shutil.which("crm") == str(script):
        return "crm"
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)
