"""The program `crm`: operator's commands work on the database, all others are clients of the API."""

import sys
from importlib import import_module

import typer

# Only the module of the command that was called is imported: together they take a second and a half.
COMMANDS = {
    "up": "up:up",
    "status": "status:status",
    "down": "stopping:down",
    "migrate": "database:migrate",
    "client": "clients:client",
    "token": "clients:token",
    "keys": "keys:keys",
    "load": "load:load_app",
    "outbox": "outbox:outbox",
    "events": "events:events",
    "doctor": "doctor:doctor",
    "openapi": "documents:openapi",
}
_HELP = "crm-api on this machine: start it, look at it, and call it."


def main() -> None:
    """Run the command that the command line names."""
    named = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    assembled([named] if named in COMMANDS else list(COMMANDS))()


def assembled(commands: list[str]) -> typer.Typer:
    """Put the program together from these commands."""
    crm = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=_HELP)
    # With a callback a single command stays a command.
    crm.callback()(lambda: None)
    for name in commands:
        module, attribute = COMMANDS[name].split(":")
        found = getattr(import_module(f".{module}", __package__), attribute)
        if isinstance(found, typer.Typer):
            crm.add_typer(found, name=name)
        else:
            crm.command(name)(found)
    return crm
