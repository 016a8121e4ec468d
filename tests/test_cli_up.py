"""`crm up` for real: started, killed piece by piece, started twice, killed whole, and stopped."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from crm_api.cli.readiness import asking, read_checks
from crm_api.cli.state import PartState, RunState, read_state
from crm_api.core.embedded import EmbeddedValkey, ThrowawayPostgres, free_port, is_free

pytestmark = pytest.mark.xdist_group("crm up")
SECONDS = 60.0


@dataclass
class Crm:
    """The command line in a folder of its own."""

    home: Path
    environment: dict[str, str]

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "crm_api.cli", *words],
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, expect: int = 0, **more: str) -> str:
        """Run a command to its end; returns what it said, on standard error if it failed."""
        command = self.start(*words, **more)
        said, complained = command.communicate(timeout=3 * SECONDS)
        assert command.returncode == expect, said + complained
        return complained if expect == 1 else said

    def json(self, *words: str, expect: int = 0, **more: str) -> Any:
        """Run a command to its end; returns the last thing it said."""
        return json.loads(self.run(*words, "-o", "json", expect=expect, **more).splitlines()[-1])

    @property
    def state(self) -> RunState:
        """What is written down about the run; looked at while waiting, since it costs no process."""
        return read_state(self.home / "run" / "state.json") or RunState(pid=0, born_at=0)

    def part(self, name: str) -> PartState:
        """What is written down about a part."""
        return next(part for part in self.state.parts if part.name == name)

    def wait_until_ready(self) -> dict[str, Any]:
        """Ask `crm status` until it says ready; returns what it said then."""
        until = time.monotonic() + SECONDS
        while True:
            command = self.start("status", "-o", "json")
            status: dict[str, Any] = json.loads(command.communicate(timeout=SECONDS)[0])
            if command.returncode == 0:
                return status
            assert time.monotonic() < until, status


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Crm]:
    """A folder where nothing runs yet, and nothing will after the test."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    made = Crm(tmp_path / ".crm", {**given, "CRM_HOME": str(tmp_path / ".crm"), "CRM_PORT": str(free_port())})
    yield made
    made.run("down")
    data = made.home / "postgres" / "data"
    if data.is_symlink():
        subprocess.run(["rm", "-rf", data.readlink().parent], check=True)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def test_the_first_start_makes_everything_and_the_second_finds_it(crm: Crm) -> None:
    first = crm.json("up", "--detach")
    assert first["event"] == "running_apart"
    assert httpx.get(first["docs"]).status_code == 200
    for name in ("secret.key", "worker.secret", "postgres/password", "valkey/password"):
        assert stat.S_IMODE((crm.home / name).stat().st_mode) == 0o600, name
    status = crm.json("status")
    assert status["state"] == "ready"
    assert [part["name"] for part in status["parts"]] == ["postgres", "valkey", "api", "worker"]
    assert {part["state"] for part in status["parts"]} == {"running"}
    with asking() as client:
        assert all(check["ok"] for check in read_checks(client, crm.state).values())
        restarted = crm.state
        restarted.parts[-1].started_at = time.time() + SECONDS
        worker = read_checks(client, restarted)["worker"]
        assert not worker["ok"], "the one that ran before does not speak for the one that was started"
        assert "has not asked for work yet" in worker["detail"]
        restarted.parts[-1].pid = 0
        assert "has ended" in read_checks(client, restarted)["worker"]["detail"]

    again = crm.json("up")
    assert again["event"] == "already_running"
    assert (again["pid"], again["docs"]) == (first["pid"], first["docs"])

    assert "client_secret" in crm.run("client", "create", "me", "--scope", "customers:read", "--save")
    assert stat.S_IMODE((crm.home / "clients" / "me.secret").stat().st_mode) == 0o600
    granted = crm.json("token", "--client", "me")
    assert granted["scope"] == "customers:read"
    assert crm.run("token").count(".") == 2

    worker = psutil.Process(crm.part("worker").pid).environ()
    assert worker["CRM_WORKER_CLIENT_SECRET"]
    assert not {"CRM_DATABASE_URL", "CRM_SECRET_KEY"} & worker.keys()

    assert crm.json("down") == {"stopped": True}
    assert crm.json("status", expect=3)["state"] == "stopped"
    assert crm.json("down") == {"stopped": False}


def test_whatever_is_killed_runs_again(crm: Crm) -> None:
    crm.run("up", "--detach")
    before = {part["name"]: part for part in crm.json("status")["parts"]}
    for name in ("worker", "api", "valkey", "postgres"):
        os.kill(before[name]["pid"], signal.SIGKILL)
        wait_for(lambda name=name: crm.part(name).restarts == 1)
    after = {part["name"]: part for part in crm.wait_until_ready()["parts"]}
    assert {name: part["port"] for name, part in after.items()} == {n: part["port"] for n, part in before.items()}
    assert all(part["restarts"] >= 1 for part in after.values())
    told = (crm.home / "logs" / "up.log").read_text()
    assert "postgres was killed by SIGKILL. Its last words" in told


def test_a_killed_up_is_cleared_up_by_the_next_one_and_by_down(crm: Crm) -> None:
    assert "crm migrate" in crm.run("client", "create", "kept", "--scope", "customers:read", "--save", expect=1)
    assert crm.json("migrate")["revision"]
    crm.run("client", "create", "kept", "--scope", "customers:read", "--save")
    for ending in ("up", "down"):
        first = crm.json("up", "--detach")
        left = [crm.part(name).pid for name in ("worker", "api", "valkey", "postgres")]
        os.kill(first["pid"], signal.SIGKILL)
        wait_for(lambda: not crm.state.process)
        assert crm.json("status", expect=3)["state"] == "killed"
        assert all(psutil.pid_exists(pid) for pid in left)
        if ending == "up":
            second = crm.json("up", "--detach")
            assert second["docs"] == first["docs"]
            assert crm.json("token", "--client", "kept")["scope"] == "customers:read"
            crm.run("down")
        else:
            assert crm.json("down") == {"stopped": True}
        assert not [pid for pid in left if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_stops_all_of_it_cleanly(crm: Crm) -> None:
    running = crm.start("up", "-o", "json")
    wait_for(lambda: crm.state.phase == "ready")
    parts = [part.pid for part in crm.state.parts]
    running.send_signal(signal.SIGINT)
    said, complained = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, complained
    assert json.loads(said.splitlines()[-1])["event"] == "stopped"
    assert not [pid for pid in parts if _runs(pid)]
    assert "database system is shut down" in (crm.home / "logs" / "postgres.log").read_text()


def test_given_servers_are_used_and_left_alone(crm: Crm, tmp_path: Path) -> None:
    with ThrowawayPostgres() as postgres, EmbeddedValkey(tmp_path / "valkey") as valkey:
        given = {"CRM_DATABASE_URL": postgres.url, "CRM_REDIS_URL": valkey.url}
        crm.run("up", "--detach", **given)
        assert [part["name"] for part in crm.json("status")["parts"]] == ["api", "worker"]
        assert not (crm.home / "postgres").exists()
        assert [client["name"] for client in crm.json("client", "list", **given)] == ["Worker"]
        crm.run("down")
        assert postgres.pid and valkey.pid


def test_a_taken_port_is_told_with_the_cure(crm: Crm) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", crm.environment["CRM_PORT"], "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: not is_free(int(crm.environment["CRM_PORT"])))
        failed = json.loads(crm.run("up", "-o", "json", expect=1))
        assert failed["error"] == f"Port {crm.environment['CRM_PORT']} is taken."
        assert f"CRM_PORT={int(crm.environment['CRM_PORT']) + 1}" in failed["cure"]
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"CRM_SECRET_KEY": "short"}, "CRM_SECRET_KEY"),
        ({"CRM_TIME_ZONE": "Mars/Base"}, "CRM_TIME_ZONE"),
        ({"CRM_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}, "CRM_DATABASE_URL"),
    ],
)
def test_a_wrong_setting_ends_the_start_and_is_named(crm: Crm, given: dict[str, str], named: str) -> None:
    said = crm.run("up", expect=1, **given)
    assert named in said
    assert "Traceback" not in said
    assert crm.json("status", expect=3)["state"] == "stopped"


def test_a_part_that_dies_at_the_start_shows_its_last_words_and_the_cure(crm: Crm) -> None:
    crm.run("migrate")
    (crm.home / "secret.key").write_text("another key than the one the signing key was encrypted with\n")
    said = crm.run("up", expect=1)
    assert "CRM_SECRET_KEY" in said
    assert crm.json("status", expect=3)["state"] == "stopped"
