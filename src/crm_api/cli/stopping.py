"""`crm down`, and the end of what a killed `crm up` left running."""

import signal
import time

from ..core.processes import end_processes
from ..settings import read_settings
from .home import Home
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported
from .state import read_state

_SERVERS = ("postgres", "valkey")
_LONGEST_SECONDS = 90.0
_PROGRAM_SECONDS = 15.0


@reported
def down(output: OutputOption = Format.text) -> None:
    """Stop what `crm up` runs here."""
    home = Home(read_settings().home)
    was_running = home.lock.is_taken_by_another
    if was_running:
        _stop_supervisor(home)
    stopped = end_leftovers(home)
    done = was_running or stopped
    Output(output).result({"stopped": done}, "Stopped." if done else "Nothing was running.")


def end_leftovers(home: Home) -> bool:
    """End the processes of a `crm up` that was killed; says whether there were any."""
    state = read_state(home.run_file)
    programs = [part.process for part in state.parts if part.name not in _SERVERS] if state else []
    had_programs = end_processes([process for process in programs if process], signal.SIGTERM, _PROGRAM_SECONDS)
    servers = [server for server in (home.valkey(), home.postgres()) if server.folder.exists()]
    ended = [server.end_leftovers() for server in servers]
    home.run_file.unlink(missing_ok=True)
    return had_programs or any(ended)


def _stop_supervisor(home: Home) -> None:
    state = read_state(home.run_file)
    process = state.process if state else None
    if process is None:
        raise CommandFailed(f"Process {home.lock.owner} is just starting or stopping here.", "Try again in a moment.")
    process.terminate()
    until = time.monotonic() + _LONGEST_SECONDS
    while home.lock.is_taken_by_another:
        if time.monotonic() > until:
            raise CommandFailed(f"Process {process.pid} does not stop.", f"Its logs are in {home.logs}.")
        time.sleep(0.05)
