"""`make chaos`: a campaign to many is sent while its parts are killed; the table says what each of the laws found.

    python -m tests.chaos --recipients 10000 --only "worker killed"

The laws: no mailbox gets it twice, every recipient ends in exactly one state, the counts add up, what was sent is in
a mailbox, and `unknown` is at most what was in flight at the kills.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from crm_api.cli.programs import Program
from crm_api.outreach.message_schemas import MOST_BATCHES
from workers.outreach import LANES

from .live import APPLICATION, Service
from .smtp_sink import read_log, sink_process

TEMPLATE: Final = "018f0000-0000-7000-8000-00000000c405"
CLAIMED_AT_ONCE: Final = 20
_TEMPLATE: Final = """
INSERT INTO template (id, name, channel, subject, text, html, version, created_at, updated_at)
VALUES (:id, 'Chaos', 'email', 'Hello {{ customer.display_name }}', 'Hello. {{ unsubscribe_url }}',
  '<p>Hello <a href="https://shop.example.com/bikes">bikes</a></p>', 1, now(), now())
"""
Disturb = Callable[["Stage"], Awaitable[None]]


@dataclass
class Stage:
    """A running service with a mail server, and what was done to it."""

    service: Service
    log: Path
    fifth: int
    """Of the recipients: when so many more have got it, something is killed again."""
    campaign: str = ""
    kills: int = 0
    """Kills after which messages may be unknown, times what a worker has in flight."""
    others: list[Program] = field(default_factory=list)

    async def sent(self, count: int, seconds: float = 120) -> None:
        """Wait until so many have arrived."""
        until = time.monotonic() + seconds
        while self.arrived_count() < count and time.monotonic() < until:
            await asyncio.sleep(0.05)

    def arrived_count(self) -> int:
        """How many messages the mail server has taken, or lie in the folder."""
        return self.log.read_bytes().count(b"\n") + sum(1 for _ in (self.service.folder / "outbox").glob("*.eml"))


@dataclass(frozen=True)
class Scenario:
    """What is done to a campaign while it is sent."""

    name: str
    disturb: Disturb
    gateway: str = "smtp"
    sink: Sequence[str] = ()
    application: str = APPLICATION
    rejected: int = 0


async def _nothing(_stage: Stage) -> None:
    """Let it run."""


async def _kill_worker(stage: Stage) -> None:
    for part in range(1, 4):
        await stage.sent(part * stage.fifth)
        stage.service.kill_worker()
        stage.kills += 1
        await stage.service.start_worker()


async def _kill_api(stage: Stage) -> None:
    for part in range(1, 4):
        await stage.sent(part * stage.fifth)
        stage.service.kill_api()
        stage.kills += 1
        await stage.service.start_api()


async def _kill_postgres(stage: Stage) -> None:
    for part in range(1, 3):
        await stage.sent(part * stage.fifth)
        stage.service.kill_postgres()
        stage.kills += 1
        await stage.service.start_postgres()


async def _flush_and_second_worker(stage: Stage) -> None:
    other = stage.service.another_worker()
    stage.others.append(other)
    other.start()
    await stage.sent(stage.fifth)
    stage.service.flush_redis()
    stage.service.kill_worker()
    stage.kills += 1


async def _terminate(stage: Stage) -> None:
    await stage.sent(stage.fifth)
    await asyncio.to_thread(stage.service.worker.stop)
    await stage.service.start_worker()


SCENARIOS: Final = (
    Scenario("undisturbed", _nothing),
    Scenario("undisturbed, into files", _nothing, gateway="file"),
    Scenario("worker killed 3 times", _kill_worker),
    Scenario("worker killed 3 times, into files", _kill_worker, gateway="file"),
    Scenario("API killed 3 times", _kill_api),
    Scenario("PostgreSQL killed twice", _kill_postgres),
    Scenario("two workers, one killed, Redis flushed", _flush_and_second_worker),
    Scenario("worker ended by SIGTERM", _terminate),
    Scenario("4xx, 5xx and slow answers", _nothing, sink=("--later-rate", "0.05", "--delay", "0.01"), rejected=5),
    Scenario("connections dropped after DATA", _nothing, sink=("--drop-first", "7")),
    Scenario("clocks a minute apart, worker killed", _kill_worker, application="tests.skewed:create_app"),
)


@dataclass(frozen=True)
class Verdict:
    """What came out of a scenario."""

    scenario: Scenario
    seconds: float
    states: Mapping[str, int]
    accepted: int
    twice: int
    lost: int
    """Messages that count as sent and are in no mailbox."""
    most_unknown: int
    status: str

    def faults(self, recipients: int) -> list[str]:
        """Name the laws that were broken."""
        found = []
        if self.twice:
            found.append(f"{self.twice} mailboxes got it twice")
        if sum(self.states.values()) != recipients:
            found.append(f"{sum(self.states.values())} messages for {recipients} recipients")
        if self.states.get("pending"):
            found.append(f"{self.states['pending']} messages never ended")
        if self.lost:
            found.append(f"{self.lost} messages count as sent and never arrived")
        if self.states.get("unknown", 0) > self.most_unknown:
            found.append(f"{self.states['unknown']} unknown, at most {self.most_unknown} were in flight")
        if self.status != "finished":
            found.append(f"the campaign is {self.status}")
        return found


async def play(scenario: Scenario, recipients: int, folder: Path, *, seconds: float = 600) -> Verdict:
    """Play one scenario on a service of its own."""
    log = folder / "accepted.jsonl"
    log.touch()
    with ExitStack() as stack:
        rejected = [f"--reject=reader{number}@mail.example.com" for number in range(scenario.rejected)]
        url = stack.enter_context(sink_process(log, *scenario.sink, *rejected))
        environment = {"CRM_EMAIL_GATEWAY": scenario.gateway, "CRM_SMTP_URL": url, "CRM_SMTP_STARTTLS": "never"}
        service = Service(folder / "service", application=scenario.application, environment=environment)
        async with service:
            stage = Stage(service, log, recipients // 5)
            await _plant(stage, recipients)
            began = time.monotonic()
            await _launch(stage)
            try:
                await scenario.disturb(stage)
                await _ended(stage, seconds)
                return await _judged(stage, scenario, time.monotonic() - began)
            finally:
                for other in stage.others:
                    await asyncio.to_thread(other.stop)


async def _plant(stage: Stage, recipients: int) -> None:
    async def lines(make: Callable[[int], dict[str, Any]]) -> AsyncIterator[bytes]:
        for number in range(recipients):
            yield json.dumps(make(number)).encode() + b"\n"

    def customer(number: int) -> dict[str, Any]:
        mailbox = {"kind": "email", "value": f"reader{number}@mail.example.com"}
        named = {"system": "chaos", "external_id": str(number)}
        return {
            "kind": "person",
            "display_name": f"Reader {number}",
            "contact_points": [mailbox],
            "external_ids": [named],
        }

    def consent(number: int) -> dict[str, Any]:
        named = {"system": "chaos", "external_id": str(number)}
        return {"customer": named, "channel": "email", "purpose": "marketing", "state": "granted", "source": "chaos"}

    headers = {"Content-Type": "application/x-ndjson"}
    async with stage.service.caller() as api:
        for path, make in (("/v1/customers/batch", customer), ("/v1/consents/batch", consent)):
            await api.send("POST", path, content=lines(make), headers=headers, expect=200)
    async with stage.service.database() as database, database.session() as session:
        await session.execute(text(_TEMPLATE), {"id": TEMPLATE})


async def _launch(stage: Stage) -> None:
    wish = {
        "code": "chaos", "name": "Chaos", "audience": {"field": "kind", "eq": "person"}, "template_id": TEMPLATE,
        "sender": {"name": "Shop", "address": "news@shop.example.com"},
    }  # fmt: skip
    async with stage.service.caller() as api:
        stage.campaign = (await api.post("/v1/campaigns", wish, expect=201))["id"]
        await api.post(f"/v1/campaigns/{stage.campaign}/launch", {}, expect=200)


async def _ended(stage: Stage, seconds: float) -> None:
    """Wait until no message is pending, and the campaign has noticed."""
    until = time.monotonic() + seconds
    await stage.service.ready(60)
    async with stage.service.caller() as api:
        while time.monotonic() < until:
            status = (await api.get(f"/v1/campaigns/{stage.campaign}"))["status"]
            if status == "finished":
                return
            await _hurry(stage)
            await asyncio.sleep(0.5)


async def _hurry(stage: Stage) -> None:
    """Let what was deferred come again at once: its pause is tested elsewhere."""
    async with stage.service.database() as database, database.session() as session:
        await session.execute(text("UPDATE message_due SET due_at = now() WHERE lease_id IS NULL AND due_at > now()"))


async def _judged(stage: Stage, scenario: Scenario, seconds: float) -> Verdict:
    async with stage.service.database() as database, database.session() as session:
        rows = await session.execute(text("SELECT state, address, replace(id::text, '-', '') FROM message"))
        messages = [(row[0], row[1], row[2]) for row in rows]
        status = (await session.scalars(text("SELECT status FROM campaign"))).one()
    arrived = _arrived(stage, scenario)
    per_mailbox = Counter(address for address, _ in arrived)
    ids = {message_id.strip("<>").partition("@")[0] for _, message_id in arrived}
    may_be_unknown = scenario.gateway == "smtp"
    dropped = 7 if "--drop-first" in scenario.sink else 0
    return Verdict(
        scenario=scenario,
        seconds=seconds,
        states=Counter(state for state, _, _ in messages),
        accepted=len(arrived),
        twice=sum(count > 1 for count in per_mailbox.values()),
        lost=sum(state == "sent" and id not in ids for state, _, id in messages),
        most_unknown=(stage.kills * LANES * MOST_BATCHES * CLAIMED_AT_ONCE + dropped) if may_be_unknown else 0,
        status=status,
    )


def _arrived(stage: Stage, scenario: Scenario) -> list[tuple[str, str]]:
    """Answer mailbox and Message-ID of whatever was taken."""
    if scenario.gateway == "smtp":
        return [(line["recipient"], line["message_id"]) for line in read_log(stage.log)]
    found = []
    for file in (stage.service.folder / "outbox").glob("*.eml"):
        head = file.read_text().partition("\n\n")[0].splitlines()
        fields = {line.partition(": ")[0]: line.partition(": ")[2] for line in head}
        found.append((fields["To"], fields["Message-ID"]))
    return found


def main() -> None:
    """Play the scenarios and print the table; the exit status says whether a law was broken."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--recipients", type=int, default=10_000)
    parser.add_argument("--only", default="", help="Scenarios whose name holds this")
    asked = parser.parse_args()
    table = Table(title=f"A campaign to {asked.recipients:,}, disturbed")
    for name in ("scenario", "seconds", "sent", "bounced", "unknown", "failed", "arrived", "twice", "laws broken"):
        table.add_column(name)
    broken = False
    for scenario in SCENARIOS:
        if asked.only not in scenario.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            verdict = asyncio.run(play(scenario, asked.recipients, Path(folder)))
        faults = verdict.faults(asked.recipients)
        broken = broken or bool(faults)
        counts = [str(verdict.states.get(state, 0)) for state in ("sent", "bounced", "unknown", "failed")]
        row = (scenario.name, f"{verdict.seconds:.1f}", *counts, str(verdict.accepted), str(verdict.twice))
        table.add_row(*row, "; ".join(faults) or "none")
        Console().print(*row, "; ".join(faults) or "none")
    Console(width=160).print(table)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
