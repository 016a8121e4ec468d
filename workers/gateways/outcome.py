"""What a gateway answers: what became of a message, or that nobody can know."""

from collections.abc import Awaitable
from typing import Literal, NamedTuple, Protocol

Result = Literal["sent", "deferred", "bounced", "failed", "not_taken"]


class Outcome(NamedTuple):
    """What became of a hand-over. Unless it was sent, the other side does not have the message."""

    result: Result
    """`deferred`: try again later. `bounced`: the mailbox does not exist. `failed`: refused for another reason.
    `not_taken`: its turn did not come, and the other side was not asked.
    """
    code: int | None
    """Reply of the SMTP server, if it gave one."""
    text: str


class HandOverUnknown(Exception):
    """The whole message had been sent when the answer was lost: the other side may have it, or not."""


class Gateway(Protocol):
    """A way out for messages."""

    name: str
    can_look_up: bool
    """Whether `look_up` can tell, after a crash, if a message was taken."""

    def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Awaitable[Outcome]:
        """Hand over a whole message (RFC 5322, lines ended by CRLF) for one mailbox; it may begin at the call itself.

        `until` is the instant of time.monotonic() by which an answer is needed. Before the message was sent, running
        out of time is `deferred`, or `not_taken`. Errors: HandOverUnknown; when it is cancelled, as much is known as
        then.
        """

    def begin_no_more(self) -> None:
        """Answer `not_taken` to what waits for its turn, and to what comes from now on; what has begun goes on."""

    async def look_up(self, message_id: str) -> bool:
        """Say whether a message was taken. Only asked of gateways that can look up."""

    async def close(self) -> None:
        """Let go of connections."""
