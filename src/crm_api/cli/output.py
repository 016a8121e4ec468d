"""What the command line says: for people on a terminal, or as JSON for programs."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..core.clock import as_text

_SECONDS_BETWEEN_LINES = 1.0


class Format(StrEnum):
    """How a command answers."""

    text = "text"
    json = "json"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="For people, or JSON for programs.")]


class CommandFailed(Exception):
    """A command could not do its work: what happened, and what to do about it."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what, self.cure = what, cure


class Output:
    """The voice of one command: events while it works, one result when it is done."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.is_json = form is Format.json
        # Nothing is wrapped or colored by guess: what is printed here gets copied.
        self._console = Console(highlight=False, soft_wrap=True, markup=False)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

    def event(self, name: str, text: RenderableType, **facts: Any) -> None:
        """Tell what has just happened."""
        if self.is_json:
            self._line({"event": name, **facts})
        else:
            self._console.print(text)

    def result(self, facts: Mapping[str, Any] | Sequence[Any], text: RenderableType) -> None:
        """Tell what came of it; the only thing a program reads from most commands."""
        if self.is_json:
            self._line(facts)
        else:
            self._console.print(text)

    def failure(self, failed: CommandFailed) -> None:
        """Tell why it was not done and what to do, on standard error."""
        if self.is_json:
            typer.echo(json.dumps({"error": failed.what, "cure": failed.cure}), err=True)
        else:
            self._errors.print(failed.what, style="red")
            self._errors.print(failed.cure)

    @contextmanager
    def progress(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Give a function that is told how much more is done: a bar on a terminal, else a line of JSON each second."""
        if self.is_json or not self._console.is_terminal:
            with self._progress_lines(name, total) as advance:
                yield advance
            return
        columns = (
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as bars:
            task = bars.add_task(name, total=total)
            yield lambda more: bars.advance(task, more)

    @contextmanager
    def _progress_lines(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        done, told_at = 0, 0.0

        def advance(more: int) -> None:
            nonlocal done, told_at
            done += more
            if time.monotonic() - told_at >= _SECONDS_BETWEEN_LINES or done >= total:
                told_at = time.monotonic()
                self._line({"event": "progress", "name": name, "done": done, "total": total})

        yield advance

    def _line(self, facts: Mapping[str, Any] | Sequence[Any]) -> None:
        typer.echo(json.dumps(facts, default=as_text))
