"""`crm status`: what runs here, and whether it is ready."""

import time
from typing import Any

import typer
from rich.table import Table

from ..settings import read_settings
from .home import Home, program
from .output import Format, Output, OutputOption
from .readiness import Checks, asking, read_checks
from .reporting import reported
from .state import PartState, RunState, read_state

_NOT_READY = 3


@reported
def status(output: OutputOption = Format.text) -> None:
    """Show each part: its state, process, port and uptime. Exit code 0 when the service is ready, 3 when it is not."""
    home = Home(read_settings().home)
    state = read_state(home.run_file)
    parts = [_facts(part) for part in state.parts] if state else []
    with asking() as client:
        checks = read_checks(client, state) if state else {}
    phase = _phase(state, home, checks)
    facts = {"state": phase, "url": state.url if state else None, "parts": parts, "checks": checks}
    Output(output).result(facts, _table(facts))
    if phase != "ready":
        raise typer.Exit(_NOT_READY)


def _phase(state: RunState | None, home: Home, checks: Checks) -> str:
    if not home.lock.is_taken_by_another:
        return "killed" if state and any(part.process for part in state.parts) else "stopped"
    if state is None or state.phase == "starting":
        return "starting"
    return "ready" if all(check["ok"] for check in checks.values()) else "not ready"


def _facts(part: PartState) -> dict[str, Any]:
    process = part.process
    return {
        "name": part.name,
        "state": "running" if process else "stopped",
        "pid": part.pid if process else None,
        "port": part.port,
        "uptime_seconds": round(time.time() - part.born_at) if process else None,
        "restarts": part.restarts,
        "log": str(part.log),
    }


def _table(facts: dict[str, Any]) -> Table | str:
    if facts["state"] == "stopped":
        return f"Nothing runs here. Start it: {program()} up"
    title = f"{facts['state']}   {facts['url']}"
    table = Table("part", "state", "pid", "port", "uptime", "restarts", title=title, title_justify="left", box=None)
    for part in facts["parts"]:
        cells = (part["pid"], part["port"], _span(part["uptime_seconds"]), part["restarts"])
        table.add_row(part["name"], part["state"], *(str(cell or "") for cell in cells))
    for name, check in facts["checks"].items():
        if not check["ok"]:
            table.add_row(name, "not ready", "", "", "", check["detail"])
    return table


def _span(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
