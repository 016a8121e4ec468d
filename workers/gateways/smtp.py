"""The gateway that hands messages to a mail server (RFC 5321), exact about the one moment at which nobody can know."""

import asyncio
import re
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from crm_api.outreach.rendering import RenderRefused

from .mime import mail_address
from .outcome import HandOverUnknown, Outcome
from .smtp_dialogue import CLOSING, Broken, Dialogue

_ADVICE: Final = "write it as smtp://user:password@host:port, or smtps:// for TLS from the first byte on; %40 is an @"
StartTls = Literal["auto", "always", "never"]
_MOST_MESSAGES: Final = 500
"""Of one connection; servers want to be greeted anew now and then."""
_LONGEST_IDLE_SECONDS: Final = 20.0
_LEAST_LEFT_SECONDS: Final = 0.5
_REST_SECONDS: Final = 1.0
_LONGEST_TEXT: Final = 300
_GO_ON: Final = 354
_STEPS: Final = ("MAIL", "RCPT", "DATA")
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


@dataclass(slots=True, eq=False)
class _Mail:
    """A message that waits for its turn, or has it."""

    message: bytes
    sender: str
    recipient: str
    until: float
    outcome: asyncio.Future[Outcome]

    @property
    def envelope(self) -> tuple[bytes, bytes, bytes]:
        """What is said before the message itself."""
        options = "" if self.is_ascii else " SMTPUTF8 BODY=8BITMIME"
        return (
            f"MAIL FROM:<{self.sender}>{options}\r\n".encode(),
            f"RCPT TO:<{self.recipient}>\r\n".encode(),
            b"DATA\r\n",
        )

    @property
    def is_ascii(self) -> bool:
        """Whether every mail server takes its addresses."""
        return self.sender.isascii() and self.recipient.isascii()

    @property
    def left(self) -> float:
        """Seconds until an answer is needed."""
        return self.until - time.monotonic()

    def end(self, outcome: Outcome) -> None:
        """Tell what became of it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: Exception) -> None:
        """Tell why nobody knows what became of it."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


@dataclass(slots=True)
class _Line:
    """An open connection, and what the server can do."""

    dialogue: Dialogue
    takes_many: bool
    """Commands at once (RFC 2920): with the end of a message goes the envelope of the next, and all of it costs one
    round trip instead of four."""
    takes_utf8: bool
    """Addresses beyond ASCII (RFC 6531)."""
    sent: int = 0
    is_proven: bool = False
    """It served before: when it fails, a message is worth another try on another one."""
    used_at: float = field(default_factory=time.monotonic)

    @property
    def is_good(self) -> bool:
        """Whether it may be used once more."""
        idle = time.monotonic() - self.used_at
        return self.dialogue.is_open and self.sent < _MOST_MESSAGES and idle <= _LONGEST_IDLE_SECONDS


class _NotTaken(Exception):
    """The connection failed, or was closed by the server, before the message was sent."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.outcome = Outcome("deferred", code, _shortened(text))


_STOPPED: Final = Outcome("not_taken", None, "the worker stops")


class SmtpGateway:
    """Hands messages over side by side, over connections that are each used for one message after the other."""

    name = "smtp"
    can_look_up = False

    def __init__(self, server: SmtpServer, *, connections: int = 5, patience_seconds: float = 30.0) -> None:
        self._server, self._patience = server, patience_seconds
        self._connections = connections
        self._waiting: deque[_Mail] = deque()
        self._expiries: set[float] = set()
        self._at_work: set[asyncio.Task[None]] = set()
        self._idle: list[_Line] = []
        self._local_name: str | None = None
        self._away: tuple[float, tuple[str, int | None]] | None = None
        self._begins_no_more = False

    def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> asyncio.Future[Outcome]:
        """Let a message wait for its turn, and answer what will become of it; see `Gateway`. A future and not a task of
        its own: there are thousands of messages a second. Errors, of the future: HandOverUnknown.
        """
        loop = asyncio.get_running_loop()
        mail = _Mail(message, sender, recipient, until, loop.create_future())
        try:
            mail.sender, mail.recipient = mail_address(sender), mail_address(recipient)
        except RenderRefused as refused:
            mail.end(Outcome("failed", None, str(refused)))
            return mail.outcome
        if self._begins_no_more:
            mail.end(_STOPPED)
            return mail.outcome
        self._waiting.append(mail)
        if len(self._at_work) < self._connections:
            self._at_work.add(loop.create_task(self._work()))
        self._expire_at(until)
        return mail.outcome

    def begin_no_more(self) -> None:
        """Give back what waits for a connection: a slow server takes longer than a worker that stops has."""
        self._begins_no_more = True
        for mail in self._waiting:
            mail.end(_STOPPED)

    async def look_up(self, message_id: str) -> bool:
        """Answer no: SMTP has no way to ask."""
        return False

    async def close(self) -> None:
        """Say goodbye on the connections that are not in use, and let go of the others."""
        for task in self._at_work:
            task.cancel()
        idle, self._idle = self._idle, []
        for line in idle:
            with suppress(Broken):
                line.dialogue.say(b"QUIT\r\n")
                await line.dialogue.hear(1)
            line.dialogue.close()

    def _expire_at(self, until: float) -> None:
        """Look at an instant who still waits: once for all messages that have to be answered by then."""
        if until not in self._expiries:
            self._expiries.add(until)
            asyncio.get_running_loop().call_later(max(until - time.monotonic(), 0), self._expire, until)

    def _expire(self, until: float) -> None:
        self._expiries.discard(until)
        for mail in self._waiting:
            if mail.until <= until:
                mail.end(Outcome("not_taken", None, "no connection was free in time"))

    def _next(self) -> _Mail | None:
        """Answer the message whose turn it is; one without time is told so."""
        while self._waiting:
            mail = self._waiting.popleft()
            if mail.left < _LEAST_LEFT_SECONDS:
                mail.end(Outcome("not_taken", None, "no time is left"))
            if not mail.outcome.done():
                return mail
        return None

    def _put_back(self, mail: _Mail) -> None:
        """Let a message be the next again. The caller goes on to `_next` at once: its time may be over already."""
        self._waiting.appendleft(mail)

    async def _work(self) -> None:
        """Use one connection at a time for as long as messages wait."""
        try:
            while mail := self._next():
                try:
                    line = self._take_idle() or await self._open(mail)
                except _NotTaken as failed:
                    mail.end(failed.outcome)
                except Exception as error:  # the others must still be handed over
                    mail.fail(error)
                else:
                    await self._use(line, mail)
        finally:
            self._at_work.discard(cast(asyncio.Task[None], asyncio.current_task()))

    def _take_idle(self) -> _Line | None:
        while self._idle:
            line = self._idle.pop()
            if line.is_good:
                return line
            line.dialogue.close()
        return None

    async def _open(self, mail: _Mail) -> _Line:
        """Open a connection in the time that a message has; a server that could not be reached is left alone for a
        moment. Errors: _NotTaken.
        """
        if self._away is not None and time.monotonic() < self._away[0]:
            raise _NotTaken(*self._away[1])
        try:
            line = await self._connected(min(self._patience, mail.left))
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            code = error.code if isinstance(error, SMTPResponseException) else None
            why = (f"the mail server cannot be reached: {_told(error)}", code)
            self._away = (time.monotonic() + _REST_SECONDS, why)
            raise _NotTaken(*why) from error
        self._away = None
        return line

    async def _connected(self, seconds: float) -> _Line:
        if self._local_name is None:
            self._local_name = await asyncio.to_thread(socket.getfqdn)
        smtp = self._server.connection(self._local_name, seconds)
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await smtp.ehlo()
        if smtp.protocol is None or smtp.protocol.transport is None:
            raise ConnectionResetError("it was closed at once")
        dialogue = Dialogue(cast(asyncio.Transport, smtp.protocol.transport))
        return _Line(dialogue, smtp.supports_extension("pipelining"), smtp.supports_extension("smtputf8"))

    async def _use(self, line: _Line, first: _Mail) -> None:
        """Hand over by a connection for as long as it is good and messages wait, and then keep it if it still is."""
        mail: _Mail | None = first
        is_announced = False
        try:
            while mail is not None:
                following = await self._hand_over_one(line, mail, is_announced=is_announced)
                is_announced = following is not None
                mail = following or (self._next() if line.is_good else None)
            if line.is_good:
                self._idle.append(line)
            else:
                line.dialogue.close()
        except BaseException as error:
            line.dialogue.close()
            if mail is None or not isinstance(error, Exception):
                raise
            mail.fail(error)

    async def _hand_over_one(self, line: _Line, mail: _Mail, *, is_announced: bool) -> _Mail | None:
        """Hand one message over; answers the next one, if its envelope went out with this message."""
        if not (mail.is_ascii or line.takes_utf8):
            mail.end(Outcome("failed", None, "the mail server takes no addresses beyond ASCII"))
            return None
        try:
            refusal = await self._introduce(line, mail, is_announced=is_announced)
            if refusal is None:
                return await self._send(line, mail)
        except _NotTaken as failed:
            line.dialogue.close()
            if line.is_proven:
                self._put_back(mail)
            else:
                mail.end(failed.outcome)
            return None
        line.is_proven = True
        await self._start_over(line)
        mail.end(refusal)
        return None

    async def _introduce(self, line: _Line, mail: _Mail, *, is_announced: bool) -> Outcome | None:
        """Do everything before the message itself; answers why it cannot be sent. Errors: _NotTaken."""
        refusal: Outcome | None = None
        try:
            if line.takes_many and not is_announced:
                line.dialogue.say(b"".join(mail.envelope), len(mail.envelope))
            for step, words in zip(_STEPS, mail.envelope, strict=True):
                if not line.takes_many:
                    line.dialogue.say(words)
                code, text = await line.dialogue.hear(min(self._patience, max(mail.left, 0)))
                if code == CLOSING:
                    raise _NotTaken(text, CLOSING)
                refusal = refusal or _envelope_refused(step, code, text)
                if refusal is not None and code == _GO_ON:
                    line.dialogue.close()  # it wants a message whose envelope it refused: nothing else could follow
                if refusal is not None and not line.takes_many:
                    break
        except Broken as error:
            raise _NotTaken(f"the connection failed: {_told(error)}") from error
        return refusal

    async def _send(self, line: _Line, mail: _Mail) -> _Mail | None:
        """Send the message itself, and what comes before the next one (RFC 2920, section 3.1), which it answers.

        From the first byte on only the server's answer says what became of the message. Errors: _NotTaken.
        """
        if mail.left < _LEAST_LEFT_SECONDS or mail.outcome.done():
            raise _NotTaken("no time is left")
        following = self._next_on(line)
        envelope = () if following is None else following.envelope
        try:
            line.dialogue.say(b"".join((_as_data(mail.message), *envelope)), 1 + len(envelope))
        except Broken as error:
            if following is not None:
                self._put_back(following)
            raise _NotTaken("the connection failed before the message was sent") from error
        try:
            code, text = await line.dialogue.hear(max(mail.left, _LEAST_LEFT_SECONDS))
        except Broken as error:
            line.dialogue.close()
            if following is not None:
                self._put_back(following)
            mail.fail(HandOverUnknown(f"no answer after the message was sent: {_told(error)}"))
            return None
        line.sent += 1
        line.used_at, line.is_proven = time.monotonic(), True
        if _is_yes(code):
            mail.end(Outcome("sent", code, _shortened(text)))
        elif 400 <= code < 600:
            mail.end(_refusal(code, text, by_code=False))
        else:
            mail.fail(HandOverUnknown(f"an answer that means nothing after the message was sent: {code}"))
        return following

    def _next_on(self, line: _Line) -> _Mail | None:
        """Answer the message that may be announced on a connection while another one is sent."""
        if not line.takes_many or line.sent + 1 >= _MOST_MESSAGES:
            return None
        mail = self._next()
        if mail is None or mail.is_ascii or line.takes_utf8:
            return mail
        self._put_back(mail)
        return None

    async def _start_over(self, line: _Line) -> None:
        """Let the server forget a message that it refused, or the connection if that cannot be."""
        try:
            line.dialogue.say(b"RSET\r\n")
            is_ready = _is_yes((await line.dialogue.hear(self._patience)).code)
        except Broken:
            is_ready = False
        if not is_ready:
            line.dialogue.close()


def _envelope_refused(step: str, code: int, text: str) -> Outcome | None:
    """Say why a message cannot be sent by the answer to MAIL, RCPT or DATA, if it cannot."""
    if code == _GO_ON if step == "DATA" else _is_yes(code):
        return None
    if step == "RCPT":
        return _refusal(code, text, by_code=True)
    return Outcome("deferred" if _is_later(code) else "failed", code, _shortened(text))


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


def _is_yes(code: int) -> bool:
    return 200 <= code < 300


def _is_later(code: int) -> bool:
    return not 500 <= code < 600


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _shortened(text: str) -> str:
    """Make one line of what a server says, which may be any bytes: what cannot be stored becomes a question mark."""
    return " ".join(_UNFIT.sub("?", text).split())[:_LONGEST_TEXT]
