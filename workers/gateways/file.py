"""The gateway that puts messages into a folder, one file each: the default, so that nothing leaves by accident."""

import asyncio
import hashlib
import os
import re
import socket
import tempfile
from pathlib import Path
from typing import Final

from .mime import message_id_of
from .outcome import Outcome

_FILE_NAME: Final = re.compile(r"<?([A-Za-z0-9][A-Za-z0-9._@+=-]{0,199})>?")


class FileGateway:
    """Writes `<message id>.eml` files that survive a power failure, and knows which it has written.

    Its name is the folder's: a worker with another folder must not be asked what became of this one's messages.
    """

    can_look_up = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        place = f"{socket.gethostname()}:{folder.absolute()}"
        self.name = f"file-{hashlib.sha256(place.encode()).hexdigest()[:8]}"

    async def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Write a message; one that is there stays as it is."""
        try:
            return await asyncio.to_thread(self._write, message)
        except OSError as error:
            return Outcome("deferred", None, f"cannot be written: {error.strerror}")

    def begin_no_more(self) -> None:
        """Go on: nothing waits here, and nothing takes long."""

    async def look_up(self, message_id: str) -> bool:
        """Say whether the file of a message is there."""
        return await asyncio.to_thread(self._path(message_id).exists)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, message: bytes) -> Outcome:
        path = self._path(message_id_of(message))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft, name = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(draft, "wb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        except FileExistsError:
            return Outcome("sent", None, "it was there already")
        finally:
            os.unlink(name)
        self._keep_name()
        return Outcome("sent", None, str(path))

    def _keep_name(self) -> None:
        """A new name is as safe as its folder."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, message_id: str) -> Path:
        named = _FILE_NAME.fullmatch(message_id)
        if named is None:
            raise ValueError("this Message-ID cannot name a file")
        return self._folder / f"{named[1]}.eml"
