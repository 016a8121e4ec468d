"""Time spans as people type them: `90s`, `30m`, `1h`, `7d`, `0`."""

import re
from datetime import timedelta

import typer

_SPAN = re.compile(r"(\d{1,9})([smhd])|0")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=90)


def span(text: str) -> timedelta:
    """Read a time span."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time span; write for example 90s, 30m, 1h, 7d, or 0")
    read = timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found[1] else timedelta(0)
    if read > LONGEST:
        raise typer.BadParameter(f"{text} is longer than {LONGEST.days} days")
    return read
