"""How a command ends: in a result, or in what went wrong and what to do about it."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from ..core.embedded import ServerFailed
from ..settings import SettingsWrong
from .output import CommandFailed, Format, Output

_P = ParamSpec("_P")
_AWAY = "Is the service running? `crm status` tells, `crm up` starts it. CRM_API_URL says where else it is."
_NO_DATABASE = "Is the database there, and CRM_DATABASE_URL right? Without that variable `crm up` brings its own."
# What an error of a library means to whoever typed the command. Only what is loaded already can have raised one, so
# nothing is imported for its sake.
_MEANINGS = (
    ("crm_api.client", "ApiUnreachable", "The API does not answer", _AWAY),
    ("crm_api.client", "ApiProblem", "The API refused", "The page of the problem, under /docs/problems, says more."),
    ("crm_api.client", "ApiFailure", "The call broke off", "Repeat the command."),
    ("crm_api.core.problems", "Problem", "Refused", "Correct what is named, then try again."),
    ("httpx", "TransportError", "The API does not answer", _AWAY),
    ("alembic.util", "CommandError", "The migration cannot be run", "The revisions are in migrations/versions."),
    ("sqlalchemy.exc", "ProgrammingError", "The database is not as this code expects it", "Run `crm migrate`."),
    ("sqlalchemy.exc", "SQLAlchemyError", "The database cannot be used", _NO_DATABASE),
    ("asyncpg", "PostgresError", "The database cannot be used", _NO_DATABASE),
    ("builtins", "OSError", "It cannot be done", _NO_DATABASE),
)


def reported(command: Callable[_P, None]) -> Callable[_P, None]:
    """Turn whatever stops a command into two sentences and exit code 1."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (Exception, SettingsWrong) as error:
            failed = _explained(error)
            if failed is None:
                raise
            Output(Format(str(kwargs.get("output", Format.text)))).failure(failed)
            raise typer.Exit(1) from error

    return run


def _explained(error: BaseException) -> CommandFailed | None:
    """Say what a known error means; an unknown one is our own mistake, and shows as such."""
    if isinstance(error, CommandFailed):
        return error
    if isinstance(error, SettingsWrong):
        return CommandFailed(str(error), "Correct the variables, then try again.")
    if isinstance(error, ServerFailed):
        return CommandFailed(str(error), "What it lacks stands in the last lines of its log.")
    for module, name, meaning, cure in _MEANINGS:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            return CommandFailed(f"{meaning}: {first_line}", cure)
    return None
