"""Customers with mailboxes and consent, a template, a campaign: what most tests of outreach begin with."""

from collections import Counter
from typing import Any

from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api

AUDIENCE: dict[str, Any] = {"field": "display_name", "like": "Reader*"}
SENDER = {"name": "Bike Shop", "address": "news@shop.example"}
TEXT = "Hello {{ customer.display_name }}, {{ unsubscribe_url }}"
HTML = (
    '<html><body><p>Hello {{ customer.display_name }}</p><a href="https://shop.example/bikes">Bikes</a> '
    '<a href="{{ unsubscribe_url }}">No more</a></body></html>'
)


async def readers(api: Api, count: int, *, consent: bool = True) -> list[str]:
    """Register so many customers, each with a mailbox, and their consent to marketing."""
    made = []
    for number in range(count):
        wish = {
            "kind": "person",
            "display_name": f"Reader {number}",
            "contact_points": [{"kind": "email", "value": f"reader{number}@mail.example.com"}],
        }
        made.append((await api.post("/v1/customers", wish, expect=201))["id"])
    if consent:
        for customer in made:
            await grant(api, customer)
    return made


async def grant(api: Api, customer: str, state: str = "granted") -> None:
    """Report a consent to marketing by e-mail."""
    wish = {"customer_id": customer, "channel": "email", "purpose": "marketing", "state": state, "source": "form"}
    await api.post("/v1/consents", wish, expect=201)


async def template(api: Api, **changed: Any) -> str:
    """Make a template."""
    subject = "Spring for {{ customer.display_name }}"
    wish = {"name": "Spring", "channel": "email", "subject": subject, "text": TEXT, "html": HTML}
    return str((await api.post("/v1/templates", {**wish, **changed}, expect=201))["id"])


async def campaign(api: Api, template_id: str, **changed: Any) -> str:
    """Make a draft."""
    wish = {"code": "spring", "name": "Spring", "audience": AUDIENCE, "template_id": template_id, "sender": SENDER}
    return str((await api.post("/v1/campaigns", {**wish, **changed}, expect=201))["id"])


async def launched(api: Api, **changed: Any) -> str:
    """Make a campaign and launch it."""
    made = await campaign(api, await template(api), **changed)
    await api.post(f"/v1/campaigns/{made}/launch", {}, expect=200)
    return made


async def states(api: Api, campaign_id: str) -> dict[str, int]:
    """Count the messages of a campaign by their reason, or state."""
    page = await api.get(f"/v1/messages?campaign_id={campaign_id}&limit=200")
    return dict(Counter(message["reason"] or message["state"] for message in page["data"]))


async def expire_leases(database: Database) -> None:
    """Let all leases be over."""
    async with database.session() as session:
        await session.execute(text("UPDATE message_due SET leased_until = now() - interval '1 second'"))
