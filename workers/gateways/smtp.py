"""The gateway that hands messages to a mail server (RFC 5321), exact about the one moment at which nobody can know."""

import asyncio
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from crm_api.outreach.rendering import RenderRefused

from .mime import mail_address
from .outcome import HandOverUnknown, Outcome
from .smtp_dialogue import CLOSING, Broken, Dialogue, Reply

_ADVICE: Final = "write it as smtp://user:password@host:port, or smtps:// for TLS from the first byte on; %40 is an @"
StartTls = Literal["auto", "always", "never"]
_MOST_MESSAGES: Final = 500
"""Of one connection; servers want to be greeted anew now and then."""
_LONGEST_IDLE_SECONDS: Final = 20.0
_LEAST_LEFT_SECONDS: Final = 0.5
_REST_SECONDS: Final = 1.0
_LONGEST_TEXT: Final = 300
_GO_ON: Final = 354
_NO_SUCH_MAILBOX: Final = frozenset({550, 551, 553})
_NO_MAILBOX_ENHANCED: Final = frozenset(
    {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.0", "5.2.1"}
)
"""Not among them: what is wrong with the sender (5.1.7, 5.1.8), and a mailbox that is full (5.2.2)."""
_ENHANCED: Final = re.compile(r"5\.\d{1,3}\.\d{1,3}\b")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_UNFIT: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f\ud800-\udfff]")
_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """Where the mail server is, and how it is spoken to."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    tls: bool = False
    """From the first byte on."""
    starttls: StartTls = "auto"
    """`auto`: when the server offers it; always, when there is a password to keep."""
    verify: bool = True

    @classmethod
    def at(cls, url: str, starttls: StartTls = "auto", verify: bool = True) -> "SmtpServer":
        """Read `smtp://user:password@host:port` or `smtps://…`. Errors: ValueError, which does not quote it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(_ADVICE) from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(_ADVICE)
        tls = parts.scheme == "smtps"
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        usual = 465 if tls else 25 if user is None else 587
        return cls(parts.hostname, port or usual, user, password, tls, starttls, verify)

    def connection(self, local_name: str, patience: float) -> SMTP:
        """Answer a connection that is not open yet."""
        start = {"auto": True if self.password is not None else None, "always": True, "never": False}[self.starttls]
        return SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.tls,
            start_tls=False if self.tls else start,
            validate_certs=self.verify,
            timeout=patience,
            local_hostname=local_name,
        )


@dataclass(slots=True)
class _Line:
    """An open connection, and what the server can do."""

    dialogue: Dialogue
    takes_many: bool
    """Commands at once (RFC 2920): an envelope costs one round trip instead of three."""
    takes_utf8: bool
    """Addresses beyond ASCII (RFC 6531)."""
    sent: int = 0
    used_at: float = 0.0

    @property
    def is_worn(self) -> bool:
        idle = time.monotonic() - self.used_at
        return not self.dialogue.is_open or self.sent >= _MOST_MESSAGES or idle > _LONGEST_IDLE_SECONDS


class _NotTaken(Exception):
    """The connection failed, or was closed by the server, before the message was sent."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.outcome = Outcome("deferred", code, _shortened(text))


class SmtpGateway:
    """Hands messages over side by side, each over a connection that is used again."""

    name = "smtp"
    can_look_up = False

    def __init__(self, server: SmtpServer, *, connections: int = 5, patience_seconds: float = 30.0) -> None:
        self._server, self._patience = server, patience_seconds
        self._room = asyncio.Semaphore(connections)
        self._idle: list[_Line] = []
        self._local_name: str | None = None
        self._away: tuple[float, Outcome] | None = None

    async def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Hand a message over; see `Gateway`. Errors: HandOverUnknown."""
        try:
            sender, recipient = mail_address(sender), mail_address(recipient)
        except RenderRefused as refused:
            return Outcome("failed", None, str(refused))
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._room.acquire()
        except TimeoutError:
            return Outcome("deferred", None, "no connection was free in time")
        try:
            return await self._with_a_line(message, sender, recipient, until)
        finally:
            self._room.release()

    async def look_up(self, message_id: str) -> bool:
        """Answer no: SMTP has no way to ask."""
        return False

    async def close(self) -> None:
        """Say goodbye on the connections that are not in use."""
        idle, self._idle = self._idle, []
        for line in idle:
            with suppress(Broken):
                await line.dialogue.say(b"QUIT\r\n", 1)
            line.dialogue.close()

    async def _with_a_line(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Use a connection that is open, and a new one if it turns out to be closed by the server meanwhile."""
        while line := self._take_idle():
            try:
                return await self._use(line, message, sender, recipient, until)
            except _NotTaken:
                continue
        if self._away is not None and time.monotonic() < self._away[0]:
            return self._away[1]
        try:
            line = await self._open(until)
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            code = error.code if isinstance(error, SMTPResponseException) else None
            outcome = Outcome("deferred", code, _shortened(f"the mail server cannot be reached: {_told(error)}"))
            self._away = (time.monotonic() + _REST_SECONDS, outcome)
            return outcome
        self._away = None
        try:
            return await self._use(line, message, sender, recipient, until)
        except _NotTaken as failed:
            return failed.outcome

    def _take_idle(self) -> _Line | None:
        while self._idle:
            line = self._idle.pop()
            if not line.is_worn:
                return line
            line.dialogue.close()
        return None

    async def _open(self, until: float) -> _Line:
        if self._local_name is None:
            self._local_name = await asyncio.to_thread(socket.getfqdn)
        smtp = self._server.connection(self._local_name, min(self._patience, _left(until)))
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo()
        if smtp.protocol is None or smtp.protocol.transport is None:
            raise ConnectionResetError("it was closed at once")
        dialogue = Dialogue(cast(asyncio.Transport, smtp.protocol.transport))
        return _Line(dialogue, smtp.supports_extension("pipelining"), smtp.supports_extension("smtputf8"))

    async def _use(self, line: _Line, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Hand over by a connection, and keep it if it can be used again. Errors: _NotTaken, HandOverUnknown."""
        dialogue, keeps = line.dialogue, False
        try:
            outcome, keeps = await self._prepare(line, sender, recipient, until)
            if outcome is None:
                outcome = await _send(dialogue, message, until)
                line.sent += 1
            elif keeps:
                keeps = await self._start_over(dialogue)
        finally:
            if keeps and dialogue.is_open:
                line.used_at = time.monotonic()
                self._idle.append(line)
            else:
                dialogue.close()
        return outcome

    async def _prepare(self, line: _Line, sender: str, recipient: str, until: float) -> tuple[Outcome | None, bool]:
        """Do everything before the message itself; answers why it cannot be sent, and if the connection is still good.

        Errors: _NotTaken.
        """
        options = ""
        if not f"{sender}{recipient}".isascii():
            if not line.takes_utf8:
                return Outcome("failed", None, "the mail server takes no addresses beyond ASCII"), True
            options = " SMTPUTF8 BODY=8BITMIME"
        words = [f"MAIL FROM:<{sender}>{options}\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n"]
        try:
            if line.takes_many:
                said = await self._say(line.dialogue, until, *words)
            else:
                said = []
                while words and all(_is_yes(reply.code) for reply in said):
                    said += await self._say(line.dialogue, until, words.pop(0))
        except (Broken, TimeoutError) as error:
            raise _NotTaken(f"the connection failed: {_told(error)}") from error
        refusal = _envelope_refused(said)
        # The server may want a message whose envelope it refused; then nothing but a message could follow.
        return refusal, refusal is None or said[-1].code != _GO_ON

    async def _say(self, dialogue: Dialogue, until: float, *words: bytes) -> list[Reply]:
        left = _left(until)
        if left < _LEAST_LEFT_SECONDS:
            raise TimeoutError("no time is left")
        said = await dialogue.say(b"".join(words), min(self._patience, left), len(words))
        if said[-1].code == CLOSING:
            raise _NotTaken(said[-1].text, CLOSING)
        return said

    async def _start_over(self, dialogue: Dialogue) -> bool:
        """Say whether the server is ready for another message after it refused one."""
        try:
            return _is_yes((await dialogue.say(b"RSET\r\n", self._patience))[0].code)
        except Broken:
            return False


def _envelope_refused(said: list[Reply]) -> Outcome | None:
    """Read the answers to MAIL, RCPT and DATA, as far as there are some; answers why the message cannot be sent."""
    for step, (code, text) in zip(("MAIL", "RCPT", "DATA"), said, strict=False):
        if code == _GO_ON if step == "DATA" else _is_yes(code):
            continue
        if step == "RCPT":
            return _refusal(code, text, by_code=True)
        return Outcome("deferred" if _is_later(code) else "failed", code, _shortened(text))
    return None


async def _send(dialogue: Dialogue, message: bytes, until: float) -> Outcome:
    """Send the message itself. From its first byte on only the server's answer says what became of it.

    Errors: HandOverUnknown.
    """
    if not dialogue.is_open:
        raise _NotTaken("the connection failed before the message was sent")
    try:
        [(code, text)] = await dialogue.say(_as_data(message), max(_left(until), _LEAST_LEFT_SECONDS))
    except Broken as error:
        raise HandOverUnknown(f"no answer after the message was sent: {_told(error)}") from error
    if _is_yes(code):
        return Outcome("sent", code, _shortened(text))
    if not 400 <= code < 600:
        raise HandOverUnknown(f"an answer that means nothing after the message was sent: {code}")
    return _refusal(code, text, by_code=False)


def _as_data(message: bytes) -> bytes:
    """Write a message as it follows DATA (RFC 5321, section 4.5.2): lines ended by CRLF, none that is a dot."""
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n"):
        message = _LINE_END.sub(b"\r\n", message)
    if message.startswith(b".") or b"\n." in message:
        message = _DOT.sub(b"..", message)
    return message + (b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n")


def _refusal(code: int, text: str, *, by_code: bool) -> Outcome:
    """Tell a mailbox that does not exist from a server that does not want this message, or us.

    The enhanced code says it (RFC 3463, section 3); without one, the basic code of an answer to RCPT does. A relay that
    refuses everything must not make every customer bounce.
    """
    if _is_later(code):
        return Outcome("deferred", code, _shortened(text))
    enhanced = _ENHANCED.match(text)
    if enhanced is None:
        has_no_mailbox = by_code and code in _NO_SUCH_MAILBOX
    else:
        has_no_mailbox = enhanced[0] in _NO_MAILBOX_ENHANCED
    return Outcome("bounced" if has_no_mailbox else "failed", code, _shortened(text))


def _left(until: float) -> float:
    return until - time.monotonic()


def _is_yes(code: int) -> bool:
    return 200 <= code < 300


def _is_later(code: int) -> bool:
    return not 500 <= code < 600


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _shortened(text: str) -> str:
    """Make one line of what a server says, which may be any bytes: what cannot be stored becomes a question mark."""
    return " ".join(_UNFIT.sub("?", text).split())[:_LONGEST_TEXT]
