"""`crm up`: from nothing to ready on this machine, and then on until Ctrl-C."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from ..core.embedded import is_free, tail
from ..settings import Settings, read_settings
from . import programs
from .home import DEMO_CLIENT, Home, program
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported
from .state import RunState, read_state
from .stopping import end_leftovers
from .supervisor import Stopped, Supervisor

_READY_SECONDS = 60.0
_START_SECONDS = 400.0


@reported
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Run in the background; `crm down` stops it.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Load a year of a real grocer's trade as well.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Start PostgreSQL, Valkey, the API and a worker here, and serve until Ctrl-C."""
    out = Output(output)
    settings = read_settings()
    home = Home(settings.home)
    home.make()
    if home.lock.is_taken_by_another or (not detach and not home.lock.take()):
        _join(home, out, demo=demo)
    elif detach:
        _start_apart(home, out, demo=demo)
    else:
        _serve(settings, home, out, demo=demo)


def _serve(settings: Settings, home: Home, out: Output, *, demo: bool) -> None:
    end_leftovers(home)
    try:
        with Supervisor(home.run_file, out) as supervisor:
            ready = _start(settings, home, out, supervisor)
            facts = _facts(ready, home)
            supervisor.declare_ready(facts)
            out.event("ready", f"\ncrm-api is ready.\n{_told(facts)}\nCtrl-C stops everything.\n", **facts)
            if demo:
                _load_demo(ready, out, supervisor.follow)
                out.event("serving", f"It goes on serving, until Ctrl-C:\n{_told(facts)}\n", **facts)
            supervisor.watch()
    except Stopped:
        out.event("stopped", "Stopped; the data is kept.")
    finally:
        home.lock.release()


def _start(settings: Settings, home: Home, out: Output, supervisor: Supervisor) -> Settings:
    given: dict[str, object] = {"port": _port(settings, out)}
    if settings.database_url is None:
        postgres = home.postgres()
        supervisor.bring(postgres)
        given["database_url"] = postgres.url
    if settings.redis_url is None:
        valkey = home.valkey()
        supervisor.bring(valkey)
        given["redis_url"] = valkey.url
    ready = home.settings(**given)
    supervisor.state.url = ready.reach
    # Both take a second to come up, so they do it side by side: the API opens no connection before it is called.
    migration = programs.command(ready, "migrate", "--output", out.form)
    supervisor.bring(programs.api(ready, home.log("api")))
    if supervisor.follow(migration, fatal=True):
        raise CommandFailed("The database could not be prepared; why stands above.", f"The logs are in {home.logs}.")
    supervisor.bring(programs.worker(ready, home.log("worker")))
    supervisor.wait_until_ready(_READY_SECONDS)
    return ready


def _port(settings: Settings, out: Output) -> int:
    """Choose the API's port: the one that was asked for, else the first free one from 8000 on."""
    if is_free(settings.port, settings.host):
        return settings.port
    cure = f"Stop what listens there, or choose another: CRM_PORT={settings.port + 1} {program()} up"
    taken = CommandFailed(f"Port {settings.port} is taken.", cure)
    if "port" in settings.model_fields_set:
        raise taken
    other = next((port for port in range(settings.port, settings.port + 50) if is_free(port, settings.host)), None)
    if other is None:
        raise taken
    out.event("port_taken", f"Port {settings.port} is taken; it will be {other}.", taken=settings.port, port=other)
    return other


def _facts(ready: Settings, home: Home) -> dict[str, str]:
    """What whoever starts it wants to know next."""
    data = (home.folder / "postgres" / "data").resolve()
    given = read_settings().database_url is not None
    return {
        "docs": f"{ready.issuer}/docs",
        "token": f"{program()} client create me --scope all --save && {program()} token --client me",
        "data": "on the server of CRM_DATABASE_URL" if given else f"{data} (kept)",
        "logs": str(home.logs),
        "next": f"{program()} load completejourney",
    }


def _told(facts: dict[str, str]) -> str:
    return "\n".join(f"  {name.capitalize():<7} {fact}" for name, fact in facts.items())


def _join(home: Home, out: Output, *, demo: bool) -> None:
    """Somebody runs it here already: wait until that one is ready, and tell where it is."""
    state = _await_ready(home, None)
    text = f"It runs already (process {state.pid}); `{program()} down` stops it.\n{_told(state.facts)}"
    out.event("already_running", text, pid=state.pid, **state.facts)
    if demo:
        _load_demo(home.settings(api_url=state.url), out, lambda task: task.wait())


def _start_apart(home: Home, out: Output, *, demo: bool) -> None:
    command = [sys.executable, "-m", "crm_api.cli", "up", "--output", "json", *(["--demo"] if demo else [])]
    with home.log("up").open("wb") as sink:
        apart = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True)
    state = _await_ready(home, apart)
    text = f"It runs in the background; `{program()} status` shows it, `{program()} down` stops it."
    out.event("running_apart", f"{text}\n{_told(state.facts)}", pid=state.pid, **state.facts)


def _await_ready(home: Home, apart: subprocess.Popen[bytes] | None) -> RunState:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        state = read_state(home.run_file)
        if state and state.phase == "ready" and state.process:
            return state
        if apart is not None and apart.poll() is not None:
            raise _told_apart(home)
        if apart is None and not home.lock.is_taken_by_another:
            raise CommandFailed("It has just been stopped.", f"Start it: {program()} up")
        time.sleep(0.05)
    raise CommandFailed("It is still not ready.", f"The logs are in {home.logs}.")


def _told_apart(home: Home) -> CommandFailed:
    """Read why a start in the background ended; its last line says so in JSON, unless it was cut short."""
    last = tail(home.log("up"))
    try:
        failure = json.loads(last.splitlines()[-1])
        return CommandFailed(failure["error"], failure["cure"])
    except (IndexError, ValueError, KeyError, TypeError):
        return CommandFailed(f"It did not start:\n{last}", f"The logs are in {home.logs}.")


def _load_demo(settings: Settings, out: Output, follow: Callable[[subprocess.Popen[bytes]], int]) -> None:
    """Load the data as a client of its own."""
    for words in (
        ["client", "create", DEMO_CLIENT, "--scope", "all", "--save"],
        ["load", "completejourney", "--client", DEMO_CLIENT],
        ["load", "campaign", "--client", DEMO_CLIENT],
    ):
        if follow(programs.command(settings, *words, "--output", out.form)):
            out.event("demo_failed", "The data was not loaded completely; `make demo` goes on where it ended.")
            return
