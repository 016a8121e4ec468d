"""A lock on a folder that goes with the process holding it, so that a killed one leaves nothing stale behind."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO


class FolderLock:
    """One file, locked by the operating system; it names its owner for people to read."""

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is locked yet."""
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Take the lock, unless another process has it."""
        if self._file:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._path.open("a+")
        # Somebody who only looks holds it for an instant, which is worth waiting for.
        for _ in range(5):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(0.02)
            else:
                break
        else:
            file.close()
            return False
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return True

    def release(self) -> None:
        """Let another process have it."""
        if self._file:
            self._file.close()
            self._file = None

    @property
    def is_taken_by_another(self) -> bool:
        """Say whether a live process other than this one has it."""
        if self._file or not self._path.exists():
            return False
        with self._path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @property
    def owner(self) -> str:
        """Process id of whoever had it last."""
        try:
            return self._path.read_text().strip()
        except OSError:
            return "unknown"
