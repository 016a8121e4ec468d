"""Who gets a campaign: the customers of its audience, each with an address or with the reason for being left out.

One select for all that is asked of it: the plan counts it, the launch inserts it, the explanation reads one row of it.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Label, Select, Text, and_, case, false, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Audience, Catalog, Column, Moment, condition, read_tree
from ..audience.problems import audience_at
from ..customers.models import ContactPoint, Customer
from ..customers.ranges import Range
from ..privacy.models import Consent, Purpose, Suppression
from ..segments.queries import present_customers
from .campaign_models import Campaign

NO_ADDRESS: Final = "no_address"
NO_CONSENT: Final = "no_consent"
WITHDRAWN: Final = "consent_withdrawn"
SUPPRESSED: Final = "suppressed"
NO_OFFER: Final = "no_offer"
EVERYBODY: Final = Range(None, None)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a campaign asks of a customer."""

    channel: str
    purpose: str
    needs_consent: bool


async def terms_of(session: AsyncSession, campaign: Campaign) -> Terms:
    """Read what a campaign's purpose wants."""
    needs = await session.scalar(select(Purpose.needs_consent).where(Purpose.name == campaign.purpose))
    return Terms(campaign.channel, campaign.purpose, bool(needs))


def audience_of(campaign: Campaign) -> Audience:
    """Answer the audience of a campaign; for a segment it is membership in it."""
    with audience_at("/audience"):
        return read_tree(campaign.audience or {"segment": str(campaign.segment_id)})


def meant(campaign: Campaign, catalog: Catalog, moment: Moment) -> ColumnElement[bool]:
    """Answer the condition on the customers in the audience. Errors: InvalidAudience."""
    with audience_at("/audience"):
        return condition(audience_of(campaign), catalog, moment)


def address() -> ColumnElement[str]:
    """Answer the mailbox of a customer: the primary e-mail address, else the oldest."""
    mine = (ContactPoint.customer_id == Customer.customer_id) & (ContactPoint.kind == "email")
    order = (ContactPoint.is_primary.desc(), ContactPoint.id)
    return select(ContactPoint.normalized).where(mine).order_by(*order).limit(1).correlate(Customer).scalar_subquery()


def judged(terms: Terms, wanted: ColumnElement[bool], part: Range = EVERYBODY) -> Select[Any]:
    """Answer customer_id, display_name, time_zone, address and reason (null: gets it) of those in a range."""
    inside = (
        select(Customer.customer_id, Customer.display_name, Customer.time_zone, address().label("address"))
        .where(present_customers(), wanted, part.of(Customer.customer_id))
        .cte("inside")
        .prefix_with("MATERIALIZED")
    )
    asked = and_(
        Consent.customer_id == inside.c.customer_id, Consent.channel == terms.channel, Consent.purpose == terms.purpose
    )
    shut = Suppression.key == func.concat(f"{terms.channel}:", inside.c.address, type_=Text)
    return (
        select(inside, _reason(inside.c.address, Consent.state, Suppression.key, terms))
        .select_from(inside)
        .outerjoin(Consent, asked)
        .outerjoin(Suppression, shut)
    )


def judged_few(terms: Terms, wanted: ColumnElement[bool], *more: Column) -> Select[Any]:
    """Answer the same of a few customers, and more columns of theirs, each thing looked up by its key.

    Joined, a planner that knows little of the tables reads all consents there are, once for every few.
    """
    said = select(Consent.state).where(
        Consent.customer_id == Customer.customer_id, Consent.channel == terms.channel, Consent.purpose == terms.purpose
    )
    inside = (
        select(
            Customer.customer_id,
            Customer.display_name,
            Customer.time_zone,
            address().label("address"),
            said.correlate(Customer).scalar_subquery().label("consent"),
            *more,
        )
        .where(present_customers(), wanted)
        .cte("inside")
        .prefix_with("MATERIALIZED")
    )
    key = func.concat(f"{terms.channel}:", inside.c.address, type_=Text)
    shut = select(Suppression.key).where(Suppression.key == key).correlate(inside).scalar_subquery()
    return select(inside, _reason(inside.c.address, inside.c.consent, shut, terms))


def _reason(
    mailbox: ColumnElement[str | None],
    consent: Column,
    suppression: Column,
    terms: Terms,
) -> Label[Any]:
    """Say why somebody is left out; the first reason counts."""
    unasked = consent.is_(None) if terms.needs_consent else false()
    reasons = case(
        (consent == "withdrawn", literal(WITHDRAWN)),
        (unasked, literal(NO_CONSENT)),
        (mailbox.is_(None), literal(NO_ADDRESS)),
        (suppression.is_not(None), literal(SUPPRESSED)),
    )
    return reasons.label("reason")


def one(customer_id: UUID) -> ColumnElement[bool]:
    """Narrow the audience to one customer."""
    return Customer.customer_id == customer_id


def some(ids: list[UUID]) -> ColumnElement[bool]:
    """Narrow the audience to some customers."""
    return or_(false(), Customer.customer_id.in_(ids))
