"""What holds for every command: it speaks JSON, it explains itself, and when it fails it says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console

from crm_api.cli.clients import ALL_SCOPES, expanded
from crm_api.cli.home import Home, KeptClient
from crm_api.cli.main import COMMANDS, assembled
from crm_api.cli.output import CommandFailed, Format, Output
from crm_api.cli.state import read_state

ROOT = Path(__file__).parents[1]


def commands() -> Iterator[tuple[str, typer.models.CommandInfo]]:
    """Every command with its full name."""
    program = assembled(list(COMMANDS))
    yield from ((command.name or "", command) for command in program.registered_commands)
    for group in program.registered_groups:
        assert group.typer_instance
        yield from ((f"{group.name} {command.name}", command) for command in group.typer_instance.registered_commands)


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=each[0]) for each in commands()])
def test_every_command_answers_in_json_too_and_says_what_it_does(name: str, command: typer.models.CommandInfo) -> None:
    assert command.callback
    assert command.callback.__annotations__["output"] is not None, name
    assert len((command.callback.__doc__ or "").split(".")[0]) > 10, name


def test_the_programs_help_names_every_command(tmp_path: Path) -> None:
    told = _crm("--help", home=tmp_path).stdout
    assert [name for name in COMMANDS if f" {name} " not in told] == []


def test_make_help_prints_every_target() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    wanted = ["run", "demo", "test", "check", "bench", "bench-large", "chaos", "fuzz", "openapi", "migration", "help"]
    assert [line.split()[1] for line in told.splitlines()] == wanted


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["token"], "client create me --scope all --save"),
        (["token", "--client", "nobody"], "client create nobody --scope all --save"),
        (["migrate", "--down"], "migrate --down base"),
    ],
)
def test_a_failure_says_what_to_do(words: list[str], cure: str, tmp_path: Path) -> None:
    for form in Format:
        failed = _crm(*words, "-o", form, home=tmp_path)
        assert failed.returncode == 1
        assert cure in failed.stderr
    assert set(json.loads(failed.stderr)) == {"error", "cure"}


def test_a_token_is_asked_for_where_nothing_answers(tmp_path: Path) -> None:
    Home(tmp_path).keep_client("me", KeptClient("client_1", "secret", "customers:read"))
    failed = _crm("token", home=tmp_path, CRM_PORT="1")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "crm up" in failed.stderr


def test_a_kept_client_is_read_back_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    home, client = Home(tmp_path), KeptClient("client_1", "secret", "customers:read fields:read")
    path = home.keep_client("me", client)
    assert home.kept_client("me") == client
    path.write_text("client_1\n")
    with pytest.raises(CommandFailed, match="No client 'me'"):
        home.kept_client("me")


@pytest.mark.parametrize(
    ("kept", "named", "chosen"),
    [
        (["me"], None, "me"),
        (["demo", "me"], None, "demo"),
        (["demo", "me"], "me", "me"),
        (["a", "b"], None, "Which client\\?"),
        ([], None, "No client is saved"),
        (["me"], "other", "No client 'other'"),
    ],
)
def test_a_client_need_not_be_named_where_there_is_no_doubt(
    kept: list[str], named: str | None, chosen: str, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    for name in kept:
        home.keep_client(name, KeptClient(name, "secret", "customers:read"))
    if chosen in kept:
        assert home.chosen_client(named, "load campaign --client", "demo").client_id == chosen
    else:
        with pytest.raises(CommandFailed, match=chosen):
            home.chosen_client(named, "load campaign --client", "demo")


def test_a_damaged_state_is_no_state(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pid": ')
    assert read_state(tmp_path / "state.json") is None


def test_scopes_are_read_as_people_type_them() -> None:
    assert expanded(["customers:read,fields:read", "customers:read"]) == ["customers:read", "fields:read"]
    assert expanded(["all"]) == sorted(ALL_SCOPES)
    assert "jobs:work" not in ALL_SCOPES


def test_progress_is_lines_of_json_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(Format.json)
    with output.progress("orders", 3) as advance:
        for _ in range(3):
            advance(1)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"event": "progress", "name": "orders", "done": 1, "total": 3}
    assert lines[-1] == {"event": "progress", "name": "orders", "done": 3, "total": 3}


def test_progress_is_a_bar_on_a_terminal() -> None:
    output = Output(Format.text)
    output._console = Console(record=True, force_terminal=True, width=100, file=open(os.devnull, "w"))  # noqa: SIM115
    with output.progress("orders", 3) as advance:
        advance(3)
    assert "3/3" in output._console.export_text()
    output._console.file.close()


def _crm(*words: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    return subprocess.run(
        [sys.executable, "-m", "crm_api.cli", *words],
        env={**given, "CRM_HOME": str(home), "COLUMNS": "200", **more},
        capture_output=True,
        text=True,
        check=False,
    )
