"""A scheduled campaign, from orders to the mailbox and back: over HTTP alone, with a real worker and mail server."""

import asyncio
import email
import json
import re
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ..calling import Api
from ..live import Service
from ..smtp_sink import SmtpSink

pytestmark = pytest.mark.xdist_group("live")
PEOPLE = 20
NDJSON = {"Content-Type": "application/x-ndjson"}
ZONE = ZoneInfo("America/New_York")


async def load(api: Api, path: str, lines: list[dict[str, Any]]) -> None:
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = await api.send("POST", path, content=content, headers=NDJSON, expect=200)
    assert json.loads(answer.text.splitlines()[-1])["summary"]["created"] == len(lines)


def named(number: int) -> dict[str, str]:
    return {"system": "shop", "external_id": str(number)}


async def shop(api: Api) -> None:
    """Twenty customers; the higher the number, the more they bought. All agreed to marketing but number 19."""
    people = [
        {
            "kind": "person",
            "display_name": f"Customer {number}",
            "external_ids": [named(number)],
            "contact_points": [{"kind": "email", "value": f"c{number}@mail.example.com"}],
        }
        for number in range(PEOPLE)
    ]
    orders = [
        {
            "customer": named(number),
            "kind": "order.placed",
            "occurred_at": f"2025-11-{turn + 1:02}T12:00:00Z",
            "source": "shop",
            "source_id": f"{number}-{turn}",
            "amount": {"amount": f"{10 * (number + 1)}.00", "currency": "USD"},
        }
        for number in range(PEOPLE)
        for turn in range(1 + number // 4)
    ]
    consents = [
        {"customer": named(number), "channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
        for number in range(PEOPLE - 1)
    ]
    await load(api, "/v1/customers/batch", people)
    await load(api, "/v1/touchpoints/batch", orders)
    await load(api, "/v1/consents/batch", consents)


async def ended(api: Api, location: str, seconds: float = 60) -> dict[str, Any]:
    """Wait for a job."""
    async with asyncio.timeout(seconds):
        while (job := await api.get(location))["state"] not in ("succeeded", "failed", "cancelled"):
            await asyncio.sleep(0.1)
    assert job["state"] == "succeeded", job
    return dict(job)


async def scored_and_segmented(api: Api) -> str:
    run = {"model": "rfm", "parameters": {"as_of": "2026-01-01", "currency": "USD"}}
    started = await api.send("POST", "/v1/analytics/runs", run, expect=202)
    await ended(api, started.headers["location"])
    wish = {"name": "High spenders", "definition": {"field": "rfm.monetary", "gte": 5}}
    segment = await api.post("/v1/segments", wish, expect=201)
    built = await api.send("POST", f"/v1/segments/{segment['id']}/builds", expect=202)
    await ended(api, built.headers["location"])
    return str(segment["id"])


async def launched(api: Api, segment: str, code: str, template: str) -> str:
    """Launch at the next second of the business's clock but one."""
    wish = {
        "code": code, "name": code, "segment_id": segment, "template_id": template, "with_offer": True,
        "sender": {"name": "Bike Shop", "address": "news@shop.example.com", "reply_to": "ask@shop.example.com"},
    }  # fmt: skip
    campaign = str((await api.post("/v1/campaigns", wish, expect=201))["id"])
    at = datetime.now(ZONE) + timedelta(seconds=2)
    await api.post(f"/v1/campaigns/{campaign}/launch", {"launch_at": f"{at:%Y-%m-%dT%H:%M:%S}"}, expect=200)
    return campaign


async def finished(api: Api, campaign: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (await api.get(f"/v1/campaigns/{campaign}"))["status"] != "finished":
            await asyncio.sleep(0.1)
    counts: dict[str, Any] = await api.get(f"/v1/campaigns/{campaign}/counts")
    return counts


def read(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_high_spenders_get_an_offer_each_and_may_say_no(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        environment = {"CRM_EMAIL_GATEWAY": "smtp", "CRM_SMTP_URL": sink.url, "CRM_SMTP_STARTTLS": "never"}
        async with Service(tmp_path, environment=environment) as service, service.caller() as api:
            await shop(api)
            segment = await scored_and_segmented(api)
            offer = {
                "code": "BELL", "name": "A bell", "status": "live", "priority": 1,
                "channels": {"email": {"title": "A free bell", "url": "https://shop.example.com/bell"}},
            }  # fmt: skip
            await api.post("/v1/offers", offer, expect=201)
            words = {
                "name": "For our best", "channel": "email",
                "subject": "{{ offer.title }} for {{ customer.display_name }}",
                "text": "{{ offer.url }}\n{{ unsubscribe_url }}",
                "html": '<a href="{{ offer.url }}">{{ offer.title }}</a> <a href="{{ unsubscribe_url }}">No more</a>',
            }  # fmt: skip
            template = str((await api.post("/v1/templates", words, expect=201))["id"])
            campaign = await launched(api, segment, "best", template)
            counts = await finished(api, campaign)
            assert (counts["planned"], counts["sent"], counts["reasons"]) == (4, 3, {"no_consent": 1})
            for number in (16, 17, 18):
                [mail] = sink.mails_to(f"c{number}@mail.example.com")
                assert read(mail)["Subject"] == f"A free bell for Customer {number}"
            assert sink.mails_to("c19@mail.example.com") == []
            await unsubscribe_and_send_again(api, sink, segment, template)


async def unsubscribe_and_send_again(api: Api, sink: SmtpSink, segment: str, template: str) -> None:
    """Customer 18 looks, follows the link, and unsubscribes with the mail program's button."""
    message = read(sink.mails_to("c18@mail.example.com")[0])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = message.get_body(("html",))
    assert html is not None
    links = re.findall(r'(?:href|src)="([^"]+)"', html.get_content())
    opened, clicked = (
        next(link for link in links if "/p/open/" in link),
        next(link for link in links if "/p/click/" in link),
    )
    anonymous = api.client
    assert (await anonymous.get(opened)).status_code == 200
    assert (await anonymous.get(clicked)).headers["location"] == "https://shop.example.com/bell"
    button = str(message["List-Unsubscribe"]).strip("<>")
    assert (await anonymous.post(button, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    counts = await finished(api, await launched(api, segment, "best-again", template))
    assert (counts["sent"], counts["reasons"]) == (2, {"no_consent": 1, "consent_withdrawn": 1})
    assert len(sink.mails_to("c18@mail.example.com")) == 1
    customer = (await api.get("/v1/customers/by/shop/18"))["id"]
    kinds = [row["kind"] for row in (await api.get(f"/v1/customers/{customer}/timeline"))["data"]]
    assert kinds[:4] == ["consent.withdrawn", "email.clicked", "email.opened", "email.sent"]
    ledger = (await api.get(f"/v1/consents?customer_id={customer}"))["data"]
    assert {(line["state"], line["source"]) for line in ledger} == {
        ("granted", "form"),
        ("withdrawn", "unsubscribe-link"),
    }
