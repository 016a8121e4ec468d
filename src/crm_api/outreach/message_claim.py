"""Claim: a few messages that are due become one worker's; what may have changed since the plan is looked at again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, cast
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.db import driver
from ..core.read import Prepared, Reader
from ..customers.models import Customer
from ..offers.operations import Desk, Made, decide_for_many
from ..settings import Settings
from . import recipients, variables
from .addresses import message_id
from .links import Link, Signer
from .message_ending import Ended, end
from .message_queue import Taken, leases_for, put_in_order, take, take_next, take_to_ask
from .message_schemas import ExchangeWish
from .planning import OCCURRENCE

_CAMPAIGNS: Final = """
SELECT c.id, c.code, c.name, c.channel, c.purpose, p.needs_consent, c.with_offer, c.sender_name, c.sender_address,
  c.reply_to, c.content::text AS content
FROM campaign c JOIN purpose p ON p.name = c.purpose WHERE c.id = ANY($1::uuid[])
"""
# Addresses may have changed since the plan. The arrays are for the planner, as in message_ending.
_REACH: Final = """
WITH given AS (
  SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::text[]) AS g (customer_id, message_id, address)
),
reached AS (
  INSERT INTO mailbox_reached AS r (campaign_id, occurrence, key, message_id)
  SELECT $1::uuid, $2::int, g.address, g.message_id FROM given g ORDER BY 3
  ON CONFLICT (campaign_id, occurrence, key) DO UPDATE SET message_id = EXCLUDED.message_id
  WHERE r.message_id = EXCLUDED.message_id
  RETURNING message_id
),
noted AS (
  UPDATE message m SET address = g.address FROM given g JOIN reached r ON r.message_id = g.message_id
  WHERE m.customer_id = ANY($3::uuid[]) AND m.id = ANY($4::uuid[])
    AND m.customer_id = g.customer_id AND m.id = g.message_id AND m.address IS DISTINCT FROM g.address
)
SELECT message_id FROM reached
"""
_DECIDED: Final = """
UPDATE message m SET decision_id = n.decision_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS n (customer_id, id, decision_id)
WHERE m.customer_id = n.customer_id AND m.id = n.id AND m.decision_id IS DISTINCT FROM n.decision_id
"""


_NOBODY: Final = {"name": "", "address": ""}


@dataclass(frozen=True, slots=True)
class MailDesk:
    """What this process claims with."""

    reader: Reader
    offers: Desk
    signer: Signer
    settings: Settings


async def claim(session: AsyncSession, wish: ExchangeWish, by: str, desk: MailDesk) -> dict[str, Any]:
    """Lease what is due and may still be sent. When there is too little, the queue is put in order first."""
    connection: asyncpg.Connection = await driver(session)
    leases = leases_for(wish.claim, desk.settings)
    taken = await take_next(connection, leases, wish.claim)
    if len(taken) < wish.claim:
        await put_in_order(session, connection)
        if wish.can_look_up:
            taken += await take_to_ask(connection, wish.gateway, leases, len(taken), wish.claim - len(taken))
        taken += await take(connection, leases, len(taken), wish.claim - len(taken))
    ready: dict[UUID, list[dict[str, Any]]] = {id: [] for id in leases.ids}
    campaigns = await _campaigns(connection, {each.campaign_id for each in taken})
    for campaign in campaigns:
        mine = [each for each in taken if each.campaign_id == campaign.id]
        for each, document in await _ready(session, connection, campaign, mine, by, desk):
            ready[each.lease_id].append(document)
    seconds = desk.settings.lease_seconds
    return {
        "campaigns": [_shared(campaign) for campaign in campaigns],
        "batches": [{"lease_id": id, "lease_seconds": seconds, "data": data} for id, data in ready.items() if data],
    }


@dataclass(frozen=True, slots=True)
class Sending:
    """What is asked of a campaign while it is sent."""

    id: UUID
    code: str
    name: str
    terms: recipients.Terms
    with_offer: bool
    sender_name: str
    sender_address: str
    reply_to: str | None
    content: Mapping[str, Any]


async def _campaigns(connection: asyncpg.Connection, ids: Collection[UUID]) -> list[Sending]:
    rows = await connection.fetch(_CAMPAIGNS, ids) if ids else []
    return [
        Sending(
            id=row["id"],
            code=row["code"],
            name=row["name"],
            terms=recipients.Terms(row["channel"], row["purpose"], row["needs_consent"]),
            with_offer=row["with_offer"],
            sender_name=row["sender_name"],
            sender_address=row["sender_address"],
            reply_to=row["reply_to"],
            content=orjson.loads(row["content"] or "{}"),
        )
        for row in rows
    ]


async def _ready(
    session: AsyncSession,
    connection: asyncpg.Connection,
    campaign: Sending,
    taken: Sequence[Taken],
    by: str,
    desk: MailDesk,
) -> list[tuple[Taken, dict[str, Any]]]:
    """Answer what is to be sent of one campaign; whoever may no longer get it is ended with the reason."""
    people = await _people(connection, campaign.terms, [each.customer_id for each in taken])
    skipped: list[Ended] = []
    going: list[Taken] = []
    for each in taken:
        person = people.get(each.customer_id)
        reason = "customer_archived" if person is None else person["reason"]
        if each.reconcile or reason is None:
            going.append(each)
        else:
            skipped.append(Ended(each.message_id, each.customer_id, "skipped", reason))
    fresh = [each for each in going if not each.reconcile]
    reached = await _reached(connection, campaign, fresh, people)
    offers: dict[UUID, Made] = {}
    if campaign.with_offer:
        ids = [each.customer_id for each in fresh if each.message_id in reached]
        offers = await decide_for_many(session, desk.reader, by, ids, campaign.terms.channel, desk.offers)
    sent: list[Taken] = []
    for each in fresh:
        if each.message_id not in reached:
            skipped.append(Ended(each.message_id, each.customer_id, "skipped", "already_reached"))
        elif campaign.with_offer and each.customer_id not in offers:
            skipped.append(Ended(each.message_id, each.customer_id, "skipped", recipients.NO_OFFER))
        else:
            sent.append(each)
    await end(connection, skipped)
    if offers:
        await _note(connection, sent, offers)
    asked = [each for each in going if each.reconcile]
    return [
        (each, _document(campaign, each, people.get(each.customer_id), offers.get(each.customer_id), desk))
        for each in (*asked, *sent)
    ]


@lru_cache(maxsize=256)
def _people_asked(terms: recipients.Terms) -> Prepared:
    """Prepare the look at some customers: whether they may still get it, and what its words may name."""
    meant = Customer.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))
    columns = (Customer.given_name, Customer.family_name, Customer.organization_name, Customer.language)
    custom = cast(Customer.custom_fields, Text).label("custom_fields")
    return Prepared(recipients.judged_few(terms, meant, *columns, custom))


async def _people(
    connection: asyncpg.Connection, terms: recipients.Terms, ids: list[UUID]
) -> dict[UUID, Mapping[str, Any]]:
    asked = _people_asked(terms)
    rows = await connection.fetch(asked.sql, *asked.arguments({"customer_ids": ids}))
    return {row["customer_id"]: dict(row) for row in rows}


async def _reached(
    connection: asyncpg.Connection,
    campaign: Sending,
    going: Sequence[Taken],
    people: Mapping[UUID, Mapping[str, Any]],
) -> set[UUID]:
    """Claim the mailboxes for these messages; one that another message of the campaign has is not reached again."""
    if not going:
        return set()
    rows = [(each.customer_id, each.message_id, people[each.customer_id]["address"]) for each in going]
    reached = await connection.fetch(_REACH, campaign.id, OCCURRENCE, *map(list, zip(*rows, strict=True)))
    return {row["message_id"] for row in reached}


async def _note(connection: asyncpg.Connection, sent: Iterable[Taken], offers: Mapping[UUID, Made]) -> None:
    """Note what was decided for whom."""
    rows = [(each.customer_id, each.message_id, offers[each.customer_id].decision_id) for each in sent]
    if rows:
        await connection.execute(_DECIDED, *map(list, zip(*rows, strict=True)))


def _document(
    campaign: Sending, each: Taken, person: Mapping[str, Any] | None, offer: Made | None, desk: MailDesk
) -> dict[str, Any]:
    link = Link(each.customer_id, each.message_id)
    sign, base = desk.signer.write, desk.settings.issuer
    return {
        "id": each.message_id,
        "customer_id": each.customer_id,
        "campaign_id": campaign.id,
        "reconcile": each.reconcile,
        "message_id": message_id(each.message_id.hex, campaign.sender_address),
        "recipient": {"name": person["display_name"], "address": person["address"] or ""} if person else _NOBODY,
        "variables": _variables(person, offer) if person else {},
        "unsubscribe_url": f"{base}/p/unsubscribe/{sign('unsubscribe', link)}",
        "open_url": f"{base}/p/open/{sign('open', link)}.gif",
        "click_prefix": f"{base}/p/click/{sign('click', link)}/",
    }


def _shared(campaign: Sending) -> dict[str, Any]:
    """Answer what the messages of a campaign have in common."""
    sender = {"name": campaign.sender_name, "address": campaign.sender_address}
    return {
        "id": campaign.id,
        "sender": sender,
        "reply_to": campaign.reply_to,
        "content": {name: campaign.content.get(name) for name in ("subject", "text", "html")},
        "variables": {"campaign": {"name": campaign.name, "code": campaign.code}, "sender": sender},
    }


def _variables(person: Mapping[str, Any], offer: Made | None) -> dict[str, Any]:
    """Answer what the words may name of a recipient."""
    found: dict[str, Any] = {"customer": variables.of_customer(person)}
    if offer is not None:
        chosen = orjson.loads(offer.document)["chosen"][0]
        found["offer"] = variables.of_offer(chosen, chosen["content"])
    return found
