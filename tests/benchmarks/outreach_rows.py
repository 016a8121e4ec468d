"""The rows of outreach: planning a send beside one hand-written statement, handing over beside the SMTP client alone."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiosmtplib
import asyncpg
import httpx
import redis
import uvloop

from crm_api.outreach.rendering import Rendered
from workers.gateways import mime

from ..smtp_sink import read_log, sink_process
from .bulk_rows import worker_of
from .report import Line, Round
from .stage import Stage

MAILS: Final = 6_000
"""Two seconds of them: in one, a pause of the machine weighs as much as anything that could be measured."""
CONNECTIONS: Final = 5
_TOKEN: Final = "A" * 64

TEMPLATE: Final = "018f0000-0000-7000-8000-00000000aaaa"
_CONSENTS: Final = """
INSERT INTO consent (customer_id, channel, purpose, state, since, event_id)
SELECT customer_id, 'email', 'marketing', CASE WHEN right(customer_id::text, 1) = '0' THEN 'withdrawn' ELSE 'granted' END,
  '2026-01-01', customer_id
FROM customer ON CONFLICT DO NOTHING;
ANALYZE consent
"""
_TEMPLATE: Final = """
INSERT INTO template (id, name, channel, subject, text, html, version, created_at, updated_at)
VALUES ($1, 'Bench', 'email', 'Hello {{ customer.display_name }}', 'Hello. {{ unsubscribe_url }}',
  '<p>Hello {{ customer.display_name }}, <a href="https://shop.example/bikes">bikes</a></p>', 1, now(), now())
ON CONFLICT DO NOTHING
"""
_FLOOR: Final = """
WITH judged AS (
  SELECT c.customer_id, gen_random_uuid() AS id, p.normalized AS address,
    CASE WHEN k.state = 'withdrawn' THEN 'consent_withdrawn' WHEN k.state IS NULL THEN 'no_consent'
      WHEN p.normalized IS NULL THEN 'no_address' WHEN s.key IS NOT NULL THEN 'suppressed' END AS reason
  FROM customer c
  LEFT JOIN contact_point p ON p.customer_id = c.customer_id AND p.kind = 'email' AND p.is_primary
  LEFT JOIN consent k ON k.customer_id = c.customer_id AND k.channel = 'email' AND k.purpose = 'marketing'
  LEFT JOIN suppression s ON s.key = 'email:' || p.normalized
  WHERE c.kind = 'person' AND c.archived_at IS NULL
),
made AS (
  INSERT INTO message (customer_id, id, campaign_id, purpose, occurrence, state, reason, address, due_at, planned_at, ended_at)
  SELECT customer_id, id, $1::uuid, 'marketing', 1, CASE WHEN reason IS NULL THEN 'pending' ELSE 'skipped' END, reason, address,
    now(), now(), CASE WHEN reason IS NULL THEN NULL ELSE now() END
  FROM judged RETURNING id, customer_id, state
)
INSERT INTO message_due (message_id, customer_id, campaign_id, due_at, state, attempt)
SELECT id, customer_id, $1::uuid, now(), 'waiting', 0 FROM made WHERE state = 'pending'
"""


async def measure_plan(stage: Stage, rounds: int) -> Line:
    """Measure the steps of a plan, driven as a worker drives them, beside one statement that writes the same rows."""
    line = Line("plan a send (time)", f"{stage.customers:,}", "≤ 2, goal 1.3")
    connection: asyncpg.Connection = await stage.connect()
    await connection.execute(_CONSENTS)
    await connection.execute(_TEMPLATE, TEMPLATE)
    headers = {"Authorization": f"Bearer {stage.fresh_token()}"}
    async with httpx.AsyncClient(base_url=stage.base_url, headers=headers, timeout=120) as client:
        for number in range(rounds):
            ours = await _plan(client, f"ours-{number}")
            floor_campaign = await _draft(client, f"floor-{number}")
            began = time.perf_counter()
            await connection.execute(_FLOOR, floor_campaign)
            beside = {"seconds": time.perf_counter() - began}
            line.rounds.append(Round(ours["seconds"] / beside["seconds"], ours, beside))
            await connection.execute("TRUNCATE message, message_due, mailbox_reached")
    await connection.close()
    return line


async def _draft(client: httpx.AsyncClient, mark: str) -> str:
    wish = {
        "code": f"{mark}-{uuid4().hex[:8]}", "name": mark, "audience": {"field": "kind", "eq": "person"},
        "template_id": TEMPLATE, "sender": {"name": "Shop", "address": "news@shop.example.com"},
    }  # fmt: skip
    return str((await client.post("/v1/campaigns", json=wish)).raise_for_status().json()["id"])


async def _plan(client: httpx.AsyncClient, mark: str) -> dict[str, Any]:
    campaign = await _draft(client, mark)
    (await client.post(f"/v1/campaigns/{campaign}/launch", json={})).raise_for_status()
    claimed: list[dict[str, Any]] = []
    while not claimed:
        wish = {"worker": "bench", "limit": 10}
        claimed = (await client.post("/v1/jobs/claim", json=wish)).raise_for_status().json()["data"]
        claimed = [job for job in claimed if job["kind"] == "campaign-plan"]
    began, steps, done = time.perf_counter(), 0, False
    while not done:
        step = await client.post(f"/v1/jobs/{claimed[0]['id']}/steps", json={"lease_id": claimed[0]["lease_id"]})
        done, steps = step.raise_for_status().json()["done"], steps + 1
    return {"seconds": time.perf_counter() - began, "steps": float(steps)}


async def measure_send(stage: Stage, rounds: int) -> Line:
    """Measure a campaign from the queue to the mail server, beside the SMTP client alone with as many connections."""
    line = Line("e-mail per worker", f"{MAILS:,}", "≥ .5, goal .8")
    connection: asyncpg.Connection = await stage.connect()
    await connection.execute(_CONSENTS)
    await connection.execute(_TEMPLATE, TEMPLATE)
    await connection.close()
    headers = {"Authorization": f"Bearer {stage.fresh_token()}"}
    async with httpx.AsyncClient(base_url=stage.base_url, headers=headers, timeout=120) as client:
        for number in range(rounds):
            beside = await _alone(stage.folder / f"alone-{number}.jsonl")
            mine = await _campaign(stage, client, stage.folder / f"sent-{number}.jsonl")
            line.rounds.append(Round(mine["mails/s"] / beside["mails/s"], mine, beside))
    return line


async def measure_due(stage: Stage, rounds: int) -> Line:
    """Measure how long after its time a campaign's first mail arrives; each round once more, with Redis flushed."""
    line = Line("due campaign starts (seconds)", f"{stage.customers:,}", "≤ 5", note="absolute, the later of both")
    connection: asyncpg.Connection = await stage.connect()
    await connection.execute(_CONSENTS)
    await connection.execute(_TEMPLATE, TEMPLATE)
    await connection.close()
    headers = {"Authorization": f"Bearer {stage.fresh_token()}"}
    async with httpx.AsyncClient(base_url=stage.base_url, headers=headers, timeout=120) as client:
        for number in range(rounds):
            usually = await _late(stage, client, stage.folder / f"due-{number}.jsonl", flushes=False)
            flushed = await _late(stage, client, stage.folder / f"flushed-{number}.jsonl", flushes=True)
            told = {"seconds": usually, "Redis flushed": flushed}
            line.rounds.append(Round(max(usually, flushed), told, {}))
    return line


async def _late(stage: Stage, client: httpx.AsyncClient, log: Path, *, flushes: bool) -> float:
    """Schedule a campaign while a worker is there, and say how late its first mail is."""
    with sink_process(log) as url:
        environment = {"CRM_EMAIL_GATEWAY": "smtp", "CRM_SMTP_URL": url, "CRM_SMTP_STARTTLS": "never"}
        with worker_of(stage, environment):
            campaign = await _draft(client, "due")
            at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
            wish = {"launch_at": f"{at:%Y-%m-%dT%H:%M:%S}"}
            (await client.post(f"/v1/campaigns/{campaign}/launch", json=wish)).raise_for_status()
            if flushes:
                with redis.Redis.from_url(stage.valkey.url) as connection:
                    connection.flushall()
            while not read_log(log):
                await asyncio.sleep(0.1)
        (await client.post(f"/v1/campaigns/{campaign}/stop")).raise_for_status()
    return float(read_log(log)[0]["at"]) - at.timestamp()


async def _alone(log: Path) -> dict[str, Any]:
    """Send mails like the campaign's, made before, with nothing but the client, on the event loop that workers use."""
    mails = [_mail(number) for number in range(MAILS)]
    with sink_process(log) as url:
        await asyncio.to_thread(uvloop.run, _sent(mails, int(url.rpartition(":")[2])))
        return _rate(log)


async def _sent(mails: Sequence[bytes], port: int) -> None:
    waiting = iter(enumerate(mails))

    async def line_of_mails() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as smtp:
            for number, mail in waiting:
                await smtp.sendmail("news@shop.example.com", [f"customer-{number}@bench.example"], mail)

    await asyncio.gather(*(line_of_mails() for _ in range(CONNECTIONS)))


def _mail(number: int) -> bytes:
    """Make a mail of the words that the template makes, as long to the byte."""
    page = "http://bench.local/p"
    unsubscribe, name = f"{page}/unsubscribe/{_TOKEN}", f"Customer {number}"
    html = (
        f'<p>Hello {name}, <a href="{page}/click/{_TOKEN}/1234567890123456">bikes</a></p>'
        f'<img src="{page}/open/{_TOKEN}.gif" width="1" height="1" alt="">'
    )
    envelope = mime.Envelope(
        f"{number:032x}@shop.example.com", ("Shop", "news@shop.example.com"), (name, f"customer-{number}@bench.example"),
        unsubscribe_url=unsubscribe,
    )  # fmt: skip
    return mime.compose(envelope, Rendered(f"Hello {name}", f"Hello. {unsubscribe}", html))


async def _campaign(stage: Stage, client: httpx.AsyncClient, log: Path) -> dict[str, Any]:
    with sink_process(log) as url:
        environment = {"CRM_EMAIL_GATEWAY": "smtp", "CRM_SMTP_URL": url, "CRM_SMTP_STARTTLS": "never"}
        campaign = await _draft(client, "send")
        with worker_of(stage, environment) as worker:
            (await client.post(f"/v1/campaigns/{campaign}/launch", json={})).raise_for_status()
            while log.read_bytes().count(b"\n") < MAILS if log.exists() else True:
                await asyncio.sleep(0.2)
            memory = worker.memory_info().rss / 1e6
        (await client.post(f"/v1/campaigns/{campaign}/stop")).raise_for_status()
    return {**_rate(log), "worker MB": memory}


def _rate(log: Path) -> dict[str, Any]:
    """Mails a second between the first and the last of those that count."""
    times = [line["at"] for line in read_log(log)][:MAILS]
    return {"mails/s": (len(times) - 1) / (times[-1] - times[0])}
