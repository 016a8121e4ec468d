"""`crm outbox`: the messages that the File gateway has put into the folder `outbox`, to be looked at."""

import re
from datetime import UTC, datetime
from email import message_from_binary_file
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from ..settings import read_settings
from .home import program
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported

outbox = typer.Typer(no_args_is_help=True, help="Messages that were written to files instead of being sent.")
_SHOWN: Final = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe")
# A message may hold what a terminal would obey.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@outbox.command("list")
@reported
def list_messages(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20, output: OutputOption = Format.text
) -> None:
    """List the messages, the newest first."""
    paths = _newest()
    found = [_headline(path) for path in paths[:limit]]
    Output(output).result({"count": len(paths), "messages": found}, _table(found, len(paths)))


@outbox.command("show")
@reported
def show_message(
    name: Annotated[
        str | None, typer.Argument(help="As listed, or its beginning; the newest, if none is given.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Show the HTML instead of the text.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Show one message: its headers and its text."""
    path = _named(name)
    message = _read(path)
    bodies = {"text": _body(message, "plain"), "html": _body(message, "html")}
    headers = {each: str(message[each]) for each in _SHOWN if message[each] is not None}
    lines = [f"{each}: {value}" for each, value in headers.items()]
    shown = "\n".join([*lines, "", bodies["html" if html else "text"] or "(none)"])
    facts = {"name": path.stem, "path": str(path), "headers": headers, **bodies}
    Output(output).result(facts, _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", shown))


def _folder() -> Path:
    return read_settings().home / "outbox"


def _newest() -> list[Path]:
    """Answer the messages, the newest first; what is still being written has no such name yet."""
    return sorted(_folder().glob("[!.]*.eml"), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def _named(name: str | None) -> Path:
    paths = _newest()
    found = paths[:1] if name is None else [path for path in paths if path.stem.startswith(name)]
    exact = [path for path in found if path.stem == name]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    what = f"{len(found)} messages begin with {name!r}" if found else f"There is no such message in {_folder()}"
    raise CommandFailed(f"{what}.", f"See which there are: {program()} outbox list")


def _read(path: Path) -> EmailMessage:
    with path.open("rb") as file:
        return message_from_binary_file(file, policy=default)


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content()).replace("\r\n", "\n")


def _headline(path: Path) -> dict[str, Any]:
    message = _read(path)
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return {
        "name": path.stem,
        "written_at": written.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
    }


def _table(found: list[dict[str, Any]], count: int) -> Table | str:
    if not found:
        return f"There are no messages in {_folder()}."
    more = f" (the newest of {count})" if count > len(found) else ""
    table = Table("name", "written at", "to", "subject", title=f"{_folder()}{more}", title_justify="left", box=None)
    for each in found:
        table.add_row(*(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value) for value in each.values()))
    return table
