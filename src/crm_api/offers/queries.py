"""Statements about offers, the products they cover, and decisions."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, DateTime, Select, Text, Uuid, bindparam, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import print_text, read_tree
from ..core.money import Money
from ..core.read import Prepared, Reader, raw_json
from ..customers.models import Customer
from .models import Decision, Offer, OfferEdition, OfferProduct

OFFER: Final[Select[*tuple[Any, ...]]] = select(
    Offer.id,
    Offer.code,
    Offer.name,
    Offer.description,
    Offer.status,
    Offer.valid_from,
    Offer.valid_until,
    Offer.priority,
    Offer.margin_minor,
    Offer.margin_currency,
    Offer.eligibility,
    Offer.channels,
    Offer.campaign,
    Offer.product_count,
    Offer.version,
    Offer.created_at,
    Offer.updated_at,
)
ONE_OFFER: Final = Prepared(OFFER.where(Offer.id == bindparam("offer_id", type_=Uuid)))
IS_THERE: Final = Prepared(select(Offer.id).where(Offer.id == bindparam("offer_id", type_=Uuid)))
LIVE_OFFERS: Final = Prepared(OFFER.where(Offer.status == "live"))
OTHER_OFFERS: Final = Prepared(
    OFFER.where(Offer.status != "live").order_by(Offer.updated_at.desc(), Offer.id).limit(bindparam("limit"))
)
EDITION: Final = select(OfferEdition.mark).where(OfferEdition.id == 1).scalar_subquery()
PRESENT_EDITION: Final = Prepared(select(EDITION.label("edition")))
FILTERS: Final = ("status", "channel", "campaign", "live_at")


def document(row: Any) -> dict[str, Any]:
    """Answer a row of OFFER as the object callers see; JSON that came as text is passed through."""
    found = dict(row)
    minor, currency = found.pop("margin_minor"), found["margin_currency"]
    members = list(found.items())
    place = [name for name, _ in members].index("margin_currency")
    members[place] = ("margin", None if minor is None else Money.from_minor(minor, currency).model_dump())
    place = [name for name, _ in members].index("eligibility")
    members.insert(place + 1, ("eligibility_text", _text_of(found["eligibility"])))
    return {name: raw_json(value) if name in _AS_JSON and isinstance(value, str) else value for name, value in members}


def _text_of(eligibility: Any) -> str | None:
    if eligibility is None:
        return None
    return print_text(read_tree(orjson.loads(eligibility) if isinstance(eligibility, str) else eligibility))


_AS_JSON: Final = ("eligibility", "channels")


async def uses_of_segment(reader: Reader, segment_id: UUID) -> Sequence[dict[str, Any]]:
    """Answer the offers that ask for membership in a segment and are not over."""
    rows = await reader.rows(_ASKING, needle=f"%{segment_id}%")
    return [{"type": "offer", **row} for row in rows]


_NAMED: Final[Select[*tuple[Any, ...]]] = select(Offer.id, Offer.name)
_ASKING: Final = Prepared(
    _NAMED.where(
        Offer.status != "retired", cast(Offer.eligibility, Text).like(bindparam("needle", type_=Text))
    ).order_by(Offer.name)
)


async def written_offer(session: AsyncSession, offer_id: UUID) -> dict[str, Any]:
    """Read an offer inside the transaction that changed it."""
    await session.flush()
    return document((await session.execute(OFFER.where(Offer.id == offer_id))).mappings().one())


def _filtered(filters: frozenset[str]) -> list[ColumnElement[bool]]:
    """Answer the conditions of the filters that are given, each bound under its name."""
    at = bindparam("live_at", type_=DateTime(timezone=True))
    conditions: dict[str, list[ColumnElement[bool]]] = {
        "status": [Offer.status == bindparam("status", type_=Text)],
        "channel": [Offer.channels.has_key(bindparam("channel", type_=Text))],
        "campaign": [Offer.campaign == bindparam("campaign", type_=Text)],
        "live_at": [
            Offer.status == "live",
            or_(Offer.valid_from.is_(None), Offer.valid_from <= at),
            or_(Offer.valid_until.is_(None), Offer.valid_until > at),
        ],
    }
    return [each for name in FILTERS if name in filters for each in conditions[name]]


@lru_cache
def listed(filters: frozenset[str], *, after: bool) -> Prepared:
    """List offers in order of their codes; binds the filters, `after` (a code) as wanted, and `limit`."""
    statement = OFFER.where(*_filtered(filters)).order_by(Offer.code).limit(bindparam("limit"))
    if after:
        statement = statement.where(Offer.code > bindparam("after", type_=Offer.code.type))
    return Prepared(statement)


@lru_cache
def counted(filters: frozenset[str]) -> Prepared:
    """Count the offers of a list; binds the filters."""
    return Prepared(select(func.count()).select_from(Offer).where(*_filtered(filters)))


@lru_cache
def products(*, after: bool) -> Prepared:
    """List the products of an offer in order of their numbers; binds `offer_id`, `after` (a sku) and `limit`."""
    statement = (
        select(OfferProduct.sku)
        .where(OfferProduct.offer_id == bindparam("offer_id", type_=Uuid))
        .order_by(OfferProduct.sku)
        .limit(bindparam("limit"))
    )
    if after:
        statement = statement.where(OfferProduct.sku > bindparam("after", type_=OfferProduct.sku.type))
    return Prepared(statement)


ONE_DECISION: Final = Prepared(
    select(Decision.document).where(
        Decision.customer_id == bindparam("customer_id", type_=Uuid),
        Decision.id == bindparam("decision_id", type_=Uuid),
    )
)
IS_CUSTOMER: Final = Prepared(
    select(Customer.customer_id).where(Customer.customer_id == bindparam("customer_id", type_=Uuid))
)


@lru_cache
def decisions(*, by_channel: bool, after: bool) -> Prepared:
    """List the decisions of a customer, the newest first; binds `customer_id`, `channel`, `after` (an id), `limit`."""
    statement = (
        select(Decision.id, Decision.document)
        .where(Decision.customer_id == bindparam("customer_id", type_=Uuid))
        .order_by(Decision.id.desc())
        .limit(bindparam("limit"))
    )
    if by_channel:
        statement = statement.where(Decision.channel == bindparam("channel", type_=Text))
    if after:
        statement = statement.where(Decision.id < bindparam("after", type_=Uuid))
    return Prepared(statement)
