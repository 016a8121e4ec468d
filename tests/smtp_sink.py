"""A mail server that keeps what it gets, counts it, and misbehaves as told: in a thread, or as a process of its own.

with SmtpSink() as sink:
    sink.behavior.delay_seconds = 0.1
    ...  # send to sink.url
    assert sink.received("<id@example>") == 1

python -m tests.smtp_sink --port 2525 --log accepted.jsonl
"""

import argparse
import asyncio
import base64
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self, cast

import orjson
import uvloop

ROOT = Path(__file__).parents[1]
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>]*)>", re.IGNORECASE)
Authenticate = Callable[[bytes, bytes, bool], bool]
"""Says whether user and password are known; the last is whether they came over TLS."""
LATER = "451 4.3.0 Try again later"
NO_SUCH_MAILBOX = "550 5.1.1 No such mailbox"


class Accepted(NamedTuple):
    """A message that the sink has taken responsibility for."""

    message_id: str
    recipient: str
    content: bytes


@dataclass
class Behavior:
    """How the sink treats its clients; may be changed at any time, and counts for the next message."""

    delay_seconds: float = 0.0
    """Between accepting a message and saying so."""
    later_first: int = 0
    """This many tries of each recipient are answered 4xx."""
    later_rate: float = 0.0
    """Share of tries that are answered 4xx."""
    later_reply: str = LATER
    reject: set[str] = field(default_factory=set)
    """Recipients that are answered 5xx."""
    reject_reply: str = NO_SUCH_MAILBOX
    answer_at: str = "RCPT"
    """Whether 4xx and 5xx are answers to RCPT or to the message: RCPT or DATA."""
    drop_first: int = 0
    """After this many messages the connection is dropped instead of an answer; the messages are accepted."""
    drop_rate: float = 0.0
    """Share of messages after which it is."""
    drop_before_first: int = 0
    """This many messages are not accepted, and the connection is dropped instead of an answer to DATA."""
    chance: Random = field(default_factory=lambda: Random(0))


class _Connection(asyncio.Protocol):
    """A client's connection: reads what has come, and answers all of it with one write, as mail servers do whose
    clients may say several things at once (RFC 2920).
    """

    def __init__(self, sink: "SmtpSink") -> None:
        self._sink = sink
        self._received = b""
        self._answers: list[bytes] = []
        self._sender: str | None = None
        self._recipient: str | None = None
        self._wants_message = self._is_waiting = self._is_secure = self._is_known = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.example ESMTP sink\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.forget(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def hang_up(self) -> None:
        self._flush()
        self._transport.abort()

    def _go_on(self) -> None:
        """Read on until more has to come, or an answer has to wait."""
        while not (self._is_waiting or self._transport.is_closing()):
            end = b"\r\n.\r\n" if self._wants_message else b"\r\n"
            said, found, rest = self._received.partition(end)
            if not found:
                break
            self._received = rest
            if self._wants_message:
                self._wants_message = False
                self._take(said + b"\r\n")
            else:
                self._obey(said)
        self._flush()

    def _flush(self) -> None:
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()

    def _say(self, answer: str) -> None:
        self._answers.append(answer.encode("utf-8", "surrogateescape") + b"\r\n")

    def _obey(self, line: bytes) -> None:
        verb, _, rest = line.decode("utf-8", "surrogateescape").partition(" ")
        match verb.upper():
            case "MAIL":
                self._mail(rest)
            case "RCPT":
                self._rcpt(rest)
            case "DATA":
                self._data()
            case "EHLO":
                self._forget_mail()
                *first, last = self._sink.extensions(is_secure=self._is_secure)
                for each in ("sink.example", *first):
                    self._say(f"250-{each}")
                self._say(f"250 {last}")
            case "HELO" | "RSET":
                self._forget_mail()
                self._say("250 2.0.0 OK")
            case "NOOP":
                self._say("250 2.0.0 OK")
            case "STARTTLS" if (context := self._sink.tls_context) is not None:
                self._say("220 2.0.0 Go on")
                self._flush()
                self._is_waiting = True
                self._securing = asyncio.get_running_loop().create_task(self._secure(context))
            case "AUTH" if self._sink.authenticate is not None:
                _, user, password = base64.b64decode(rest.partition(" ")[2]).split(b"\0")
                self._is_known = self._sink.authenticate(user, password, self._is_secure)
                self._say("235 2.7.0 Welcome" if self._is_known else "535 5.7.8 Who are you")
            case "QUIT":
                self._say("221 2.0.0 Bye")
                self._flush()
                self._transport.close()
            case _:
                self._say("502 5.5.1 No such command")

    def _mail(self, rest: str) -> None:
        found = _PATH.match(rest)
        if self._sink.authenticate is not None and not self._is_known:
            self._say("530 5.7.0 Who are you")
        elif found is None or self._sender is not None:
            self._say("503 5.5.1 Not now")
        else:
            self._sender = found[1]
            self._say("250 2.1.0 OK")

    def _rcpt(self, rest: str) -> None:
        found = _PATH.match(rest)
        if found is None or self._sender is None or self._recipient is not None:
            self._say("503 5.5.1 Not now")
        elif refusal := self._sink.refusal("RCPT", found[1]):
            self._say(refusal)
        else:
            self._recipient = found[1]
            self._say("250 2.1.5 OK")

    def _data(self) -> None:
        if self._recipient is None:
            self._say("503 5.5.1 RCPT first")
        elif self._sink.drops_before():
            self.hang_up()
        else:
            self._wants_message = True
            self._say("354 Go on")

    def _take(self, content: bytes) -> None:
        recipient = self._recipient or ""
        self._forget_mail()
        if refusal := self._sink.refusal("DATA", recipient):
            self._say(refusal)
            return
        self._sink.accept(recipient, content.removeprefix(b".").replace(b"\r\n..", b"\r\n."))
        if seconds := self._sink.behavior.delay_seconds:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(seconds, self._confirm_late)
        else:
            self._confirm()

    def _confirm_late(self) -> None:
        self._is_waiting = False
        self._confirm()
        self._go_on()

    def _confirm(self) -> None:
        if self._sink.drops_after():
            self.hang_up()
        else:
            self._say("250 2.0.0 Accepted")

    def _forget_mail(self) -> None:
        self._sender = self._recipient = None

    async def _secure(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            secure = await loop.start_tls(self._transport, self, context, server_side=True)
            assert secure is not None
            self._transport = secure
            self._received, self._is_secure, self._is_waiting = b"", True, False


class SmtpSink:
    """A mail server in a thread of its own, on a free port unless one is given."""

    def __init__(
        self,
        *,
        port: int = 0,
        log: Path | None = None,
        behavior: Behavior | None = None,
        pipelining: bool = True,
        smtputf8: bool = True,
        tls_context: ssl.SSLContext | None = None,
        authenticate: Authenticate | None = None,
    ) -> None:
        """With `authenticate`, only those send whom it knows."""
        self.behavior = behavior or Behavior()
        self.tls_context, self.authenticate = tls_context, authenticate
        self._extensions = ["PIPELINING"] * pipelining + ["SMTPUTF8"] * smtputf8 + ["8BITMIME"]
        self.connection_count = 0
        self.accepted: list[Accepted] = []
        self._ids: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._log = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._port = port
        self._loop = uvloop.new_event_loop()
        self._sessions: set[_Connection] = set()
        self._thread = threading.Thread(target=self._serve, name="smtp-sink", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), "the sink does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up everywhere, and be gone."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if self._log is not None:
            os.close(self._log)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """What CRM_SMTP_URL is to be."""
        return f"smtp://127.0.0.1:{self._port}"

    def received(self, message_id: str) -> int:
        """Say how often a message was accepted."""
        return self._ids[_bracketed(message_id)]

    def mails_to(self, recipient: str) -> list[bytes]:
        """Answer the messages that were accepted for a recipient, in order."""
        return [each.content for each in self.accepted if each.recipient == recipient]

    def counts(self) -> Counter[str]:
        """Answer how many messages each recipient got."""
        return Counter(each.recipient for each in self.accepted)

    def hang_up(self) -> None:
        """Drop all connections that are open now."""
        self._loop.call_soon_threadsafe(lambda: [session.hang_up() for session in self._sessions])

    def extensions(self, *, is_secure: bool) -> list[str]:
        """Answer what EHLO is answered: after TLS has begun it is not offered again, and before that no login is."""
        tls = ["STARTTLS"] if self.tls_context is not None and not is_secure else []
        login = ["AUTH PLAIN"] if self.authenticate is not None and is_secure else []
        return [*self._extensions, *tls, *login]

    def refusal(self, moment: str, recipient: str) -> str | None:
        """Say why a message is refused at this moment, RCPT or DATA, or nothing."""
        behavior = self.behavior
        if behavior.answer_at != moment:
            return None
        if recipient in behavior.reject:
            return behavior.reject_reply
        self._tries[recipient] += 1
        is_early = self._tries[recipient] <= behavior.later_first
        return behavior.later_reply if is_early or behavior.chance.random() < behavior.later_rate else None

    def drops_before(self) -> bool:
        """Say whether to hang up instead of wanting a message."""
        drops = self.behavior.drop_before_first > 0
        self.behavior.drop_before_first -= drops
        return drops

    def drops_after(self) -> bool:
        """Say whether to hang up instead of confirming a message."""
        drops = self.behavior.drop_first > 0
        self.behavior.drop_first -= drops
        return drops or self.behavior.chance.random() < self.behavior.drop_rate

    def accept(self, recipient: str, content: bytes) -> None:
        """Take responsibility for a message; the client learns it later, if at all."""
        found = _MESSAGE_ID.search(content)
        message_id = "" if found is None else found[1].decode()
        self._ids[message_id] += 1
        self.accepted.append(Accepted(message_id, recipient, content if self._log is None else b""))
        if self._log is not None:
            line = {"message_id": message_id, "recipient": recipient, "at": time.time()}
            os.write(self._log, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(self._session, "127.0.0.1", self._port))
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for session in list(self._sessions):
            session.hang_up()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    def _session(self) -> _Connection:
        self.connection_count += 1
        made = _Connection(self)
        self._sessions.add(made)
        return made

    def forget(self, session: _Connection) -> None:
        """Let go of a connection that has ended."""
        self._sessions.discard(session)


def _bracketed(message_id: str) -> str:
    return message_id if message_id.startswith("<") else f"<{message_id}>"


@contextlib.contextmanager
def sink_process(log: Path, *flags: str, port: int = 0) -> Iterator[str]:
    """A sink as a process of its own, which lives on when everything else is killed; answers its address."""
    command = [sys.executable, "-m", "tests.smtp_sink", "--port", str(port), "--log", str(log), *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def read_log(log: Path) -> list[dict[str, Any]]:
    """Answer what a sink wrote down: `message_id`, `recipient` and `at` of each accepted message, in order."""
    if not log.exists():
        return []
    return [orjson.loads(line) for line in log.read_bytes().splitlines()]


def main() -> None:
    """Serve until SIGTERM; the first line that is printed is the address."""
    parser = argparse.ArgumentParser(description="A mail server that keeps what it gets and misbehaves as told.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--log", type=Path, required=True, help="A line of JSON for each accepted message is added here."
    )
    parser.add_argument("--delay", type=float, default=0.0, help="Seconds before the answer to a message.")
    parser.add_argument("--later-first", type=int, default=0, help="Tries of each recipient that are answered 4xx.")
    parser.add_argument("--later-rate", type=float, default=0.0, help="Share of tries that are answered 4xx.")
    parser.add_argument("--reject", action="append", default=[], help="A recipient that is answered 5xx.")
    parser.add_argument("--answer-at", choices=("RCPT", "DATA"), default="RCPT")
    parser.add_argument("--drop-first", type=int, default=0, help="Messages that are accepted without an answer.")
    parser.add_argument("--drop-rate", type=float, default=0.0, help="Share of messages that are.")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    behavior = Behavior(
        delay_seconds=given.delay,
        later_first=given.later_first,
        later_rate=given.later_rate,
        reject=set(given.reject),
        answer_at=given.answer_at,
        drop_first=given.drop_first,
        drop_rate=given.drop_rate,
        chance=Random(given.seed),
    )
    with SmtpSink(port=given.port, log=given.log, behavior=behavior) as sink:
        print(sink.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
