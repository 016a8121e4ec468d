"""The service with a clock that stories move: `TEST_CLOCK` names a file with the seconds it is ahead of the true one.

clock = MovedClock(folder)
async with Service(folder, application="tests.moved:create_app", environment=clock.environment) as service:
    clock.move(datetime(2028, 2, 28, 12, tzinfo=UTC))
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

_VARIABLE = "TEST_CLOCK"


class MovedClock:
    """Sets the clock of a service; it goes on from there at its usual pace."""

    def __init__(self, folder: Path, at: datetime) -> None:
        self._file = folder / "clock"
        self.move(at)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the service has to be started with."""
        return {_VARIABLE: str(self._file)}

    def move(self, at: datetime) -> None:
        """Set the clock."""
        written = self._file.with_suffix(".new")
        written.write_text(str((at - datetime.now(UTC)).total_seconds()))
        written.replace(self._file)

    @property
    def now(self) -> datetime:
        """What the clock of the service says."""
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text()))


def create_app() -> "FastAPI":
    """Make the service, whose clock is replaced before anything else imports it."""
    from crm_api.core import clock

    file = Path(os.environ[_VARIABLE])

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(file.read_text()))

    clock.now = now
    from crm_api.app import create_app_from_environment

    made: Any = create_app_from_environment()
    return made
