"""A mail server that keeps what it gets, counts it, and misbehaves as told: in a thread, or as a process of its own.

with SmtpSink() as sink:
    sink.behavior.delay_seconds = 0.1
    ...  # send to sink.url
    assert sink.received("<id@example>") == 1

python -m tests.smtp_sink --port 2525 --log accepted.jsonl
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Self

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

ROOT = Path(__file__).parents[1]
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
_PATH = re.compile(r"\s*<([^<>]*)>\s*(.*)")
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


class _Connection(SMTP):
    """A connection that can be hung up, and that reads a message at once: aiosmtpd reads it line by line, at a third of
    the speed.
    """

    line_length_limit = 50_000_000

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.forget(self)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        found = _PATH.fullmatch(arg)
        return (None, None) if found is None else (found[1], found[2])

    async def smtp_DATA(self, arg: str) -> None:
        assert self.session is not None
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT first")
            return
        behavior: Behavior = self.event_handler.behavior
        if behavior.drop_before_first > 0:
            behavior.drop_before_first -= 1
            self.hang_up()
            return
        await self.push("354 Go on")
        content = await self._reader.readuntil(b"\r\n.\r\n")
        self.envelope.content = content[:-3].replace(b"\r\n..", b"\r\n.")
        answer = await self.event_handler.handle_DATA(self, self.session, self.envelope)
        self._set_post_data_state()
        if self.transport is not None and not self.transport.is_closing():
            await self.push(answer)


class SmtpSink:
    """A mail server in a thread of its own, on a free port unless one is given."""

    def __init__(
        self,
        *,
        port: int = 0,
        log: Path | None = None,
        behavior: Behavior | None = None,
        pipelining: bool = True,
        **options: Any,
    ) -> None:
        """`options` are those of aiosmtpd's SMTP, for TLS and logins."""
        self.behavior = behavior or Behavior()
        self._extensions = ["250-PIPELINING"] if pipelining else []
        self.connection_count = 0
        self._options = {"enable_SMTPUTF8": True, **options}
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

    async def handle_EHLO(  # aiosmtpd finds this and the next two by their names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        """Say that commands may come together, as mail servers do (RFC 2920); aiosmtpd reads them one by one anyway."""
        session.host_name = hostname
        return [*answers[:-1], *self._extensions, answers[-1]]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer whether a recipient is welcome."""
        if self.behavior.answer_at == "RCPT" and (refusal := self._refusal(address)):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:
        """Accept a message, or not; the client learns it later, if at all."""
        [recipient] = envelope.rcpt_tos
        if self.behavior.answer_at == "DATA" and (refusal := self._refusal(recipient)):
            return refusal
        self._accept(recipient, envelope.content if isinstance(envelope.content, bytes) else b"")
        if self.behavior.delay_seconds:
            await asyncio.sleep(self.behavior.delay_seconds)
        drops = self.behavior.drop_first > 0
        self.behavior.drop_first -= drops
        if drops or self.behavior.chance.random() < self.behavior.drop_rate:
            server.hang_up()
        return "250 2.0.0 Accepted"

    def _refusal(self, recipient: str) -> str | None:
        if recipient in self.behavior.reject:
            return self.behavior.reject_reply
        self._tries[recipient] += 1
        is_early = self._tries[recipient] <= self.behavior.later_first
        if is_early or self.behavior.chance.random() < self.behavior.later_rate:
            return self.behavior.later_reply
        return None

    def _accept(self, recipient: str, content: bytes) -> None:
        found = _MESSAGE_ID.search(content)
        message_id = "" if found is None else found[1].decode()
        self._ids[message_id] += 1
        self.accepted.append(Accepted(message_id, recipient, content if self._log is None else b""))
        if self._log is not None:
            line = json.dumps({"message_id": message_id, "recipient": recipient, "at": time.time()})
            os.write(self._log, line.encode() + b"\n")

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
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _session(self) -> SMTP:
        self.connection_count += 1
        made = _Connection(self, hostname="sink.example", ident="sink", loop=self._loop, **self._options)
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
    return [json.loads(line) for line in log.read_bytes().splitlines()]


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
