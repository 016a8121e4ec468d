"""Why a customer gets a campaign's message, or does not: every rule by itself, and what the ledger says."""

from typing import Any
from uuid import UUID

from sqlalchemy import Text, and_, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Catalog, Moment
from ..core.clock import now
from ..customers.models import Customer
from ..customers.problems import CustomerNotFound
from ..privacy.models import Consent, Suppression
from ..settings import Settings
from . import recipients
from .campaign_models import Campaign, MailboxReached, Message
from .campaign_problems import CampaignNotFound
from .planning import OCCURRENCE
from .recipients import NO_OFFER


async def explain(
    session: AsyncSession, campaign_id: UUID, customer_id: UUID, catalog: Catalog, settings: Settings
) -> dict[str, Any]:
    """Look at every rule as things are now. Errors: CampaignNotFound, CustomerNotFound, InvalidAudience."""
    campaign = await session.get(Campaign, campaign_id)
    if campaign is None:
        raise CampaignNotFound(f"No campaign has the id {campaign_id}")
    moment = Moment(now(), settings.zone)
    meant = recipients.meant(campaign, catalog, moment)
    asked = select(
        Customer.archived_at, recipients.address().label("address"), case((meant, True), else_=False).label("meant")
    ).where(recipients.one(customer_id))
    row = (await session.execute(asked)).one_or_none()
    if row is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    terms = await recipients.terms_of(session, campaign)
    mine = and_(Consent.customer_id == customer_id, Consent.channel == terms.channel, Consent.purpose == terms.purpose)
    state = await session.scalar(select(Consent.state).where(mine))
    key = func.concat(f"{terms.channel}:", literal(row.address, Text), type_=Text)
    shut = await session.scalar(select(Suppression.reason).where(Suppression.key == key)) if row.address else None
    message = await session.scalar(
        select(Message).where(Message.customer_id == customer_id, Message.campaign_id == campaign_id)
    )
    rules = [
        _rule("not_archived", row.archived_at is None, "the customer is active", "the customer is archived"),
        _rule("audience", row.meant, "is in the audience", "is not in the audience"),
        _consent(terms, state),
        _rule("address", row.address is not None, f"has the address {row.address}", "has no e-mail address"),
        _rule("suppression", shut is None, "the address is not suppressed", f"the address is suppressed: {shut}"),
        await _mailbox(session, campaign, row.address, message),
    ]
    if campaign.with_offer:
        rules.append(_offer(message))
    return {
        "customer_id": customer_id,
        "campaign_id": campaign_id,
        "state": None if message is None else message.state,
        "reason": None if message is None else message.reason,
        "rules": rules,
        "as_of": moment.now,
    }


def _rule(name: str, passed: bool, yes: str, no: str) -> dict[str, Any]:
    return {"rule": name, "passed": passed, "detail": yes if passed else no}


async def _mailbox(
    session: AsyncSession, campaign: Campaign, address: str | None, message: Message | None
) -> dict[str, Any]:
    mine = (MailboxReached.campaign_id == campaign.id) & (MailboxReached.occurrence == OCCURRENCE)
    by = await session.scalar(select(MailboxReached.message_id).where(mine, MailboxReached.key == address))
    is_free = by is None or (message is not None and by == message.id)
    yes = "no other customer's message of this campaign went to the mailbox"
    return _rule("mailbox", is_free, yes, "another customer's message of this campaign went to the mailbox")


def _offer(message: Message | None) -> dict[str, Any]:
    if message is None or (message.decision_id is None and message.reason != NO_OFFER):
        return _rule("offer", True, "an offer is decided when it is sent", "")
    return _rule(
        "offer", message.reason != NO_OFFER, f"decision {message.decision_id} chose an offer", "no offer was open"
    )


def _consent(terms: recipients.Terms, state: str | None) -> dict[str, Any]:
    about = f"{terms.purpose} by {terms.channel}"
    if state == "withdrawn":
        return {"rule": "consent", "passed": False, "detail": f"consent to {about} was withdrawn"}
    if state == "granted":
        return {"rule": "consent", "passed": True, "detail": f"consent to {about} was granted"}
    detail = f"no consent to {about}, which needs one" if terms.needs_consent else f"{about} needs no consent"
    return {"rule": "consent", "passed": not terms.needs_consent, "detail": detail}
