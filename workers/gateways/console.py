"""The gateway that shows messages instead of sending them."""

import sys
from email import message_from_bytes
from email.policy import default
from typing import Final, TextIO

from .outcome import Outcome

_SHOWN: Final = ("From", "To", "Subject", "Message-ID")


class ConsoleGateway:
    """Writes the headers and the text of each message."""

    name = "console"
    can_look_up = False

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Show a message."""
        read = message_from_bytes(message, policy=default)
        text = read.get_body(("plain",))
        lines = [f"{name}: {read[name]}" for name in _SHOWN]
        body = "" if text is None else text.get_content().replace("\r\n", "\n")
        out = self._out or sys.stdout
        out.write("\n".join(["", *lines, "", body]))
        out.flush()
        return Outcome("sent", None, "shown")

    def begin_no_more(self) -> None:
        """Go on: nothing waits here, and nothing takes long."""

    async def look_up(self, message_id: str) -> bool:
        """Answer no: nothing is kept."""
        return False

    async def close(self) -> None:
        """There is nothing to let go of."""
