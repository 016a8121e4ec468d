"""Making an offer, and what all writes of offers share."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import LANGUAGE_VERSION, Catalog, write_tree
from ...core.clock import now
from ...core.db import before_commit
from ...core.ids import new_id
from ...core.trail import emit, record
from ...segments.operations import approve
from ..models import Offer, OfferEdition
from ..problems import OfferCodeTaken
from ..schemas import OfferCreate, OfferWish

Values = dict[str, Any]
_EDITION: Final = 1


async def make(session: AsyncSession, who: Principal, wish: OfferCreate, catalog: Catalog) -> UUID:
    """Make an offer. Errors: InvalidAudience, OfferCodeTaken."""
    made = await insert_offer(session, who, wish.code, await values_of(session, wish, catalog))
    if made is None:
        owner = await session.scalar(select(Offer.id).where(Offer.code == wish.code))
        raise OfferCodeTaken(f"{wish.code} is the code of another offer", existing_id=str(owner))
    return made


async def insert_offer(session: AsyncSession, who: Principal, code: str, values: Values) -> UUID | None:
    """Insert an offer, or nothing when there is one with the code."""
    at = now()
    row = insert(Offer).values(
        id=new_id(), code=code, **values, product_count=0, version=1, created_at=at, updated_at=at
    )
    made: UUID | None = await session.scalar(row.on_conflict_do_nothing(index_elements=["code"]).returning(Offer.id))
    if made is not None:
        record(session, who.client_id, "offer.made", ("offer", made))
        emit(session, "offer.made", {"id": str(made), "code": code})
        mark_edition(session)
    return made


async def values_of(session: AsyncSession, wish: OfferWish, catalog: Catalog) -> Values:
    """Answer what a wish puts into the columns of an offer. Errors: InvalidAudience."""
    eligibility = None
    if wish.eligibility is not None:
        eligibility = write_tree(await approve(session, wish.eligibility, catalog, "/eligibility", live=True))
    return {
        "name": wish.name,
        "description": wish.description,
        "status": wish.status,
        "valid_from": wish.valid_from,
        "valid_until": wish.valid_until,
        "priority": wish.priority,
        "margin_minor": None if wish.margin is None else wish.margin.minor,
        "margin_currency": None if wish.margin is None else wish.margin.currency,
        "eligibility": eligibility,
        "language_version": LANGUAGE_VERSION,
        "channels": {name: content.model_dump() for name, content in sorted(wish.channels.items())},
        "campaign": wish.campaign,
    }


def mark_edition(session: AsyncSession) -> None:
    """Let every process see that offers changed, as the last act: writers of offers wait for each other from here."""

    async def mark() -> None:
        row = insert(OfferEdition).values(id=_EDITION, mark=new_id())
        await session.execute(row.on_conflict_do_update(index_elements=["id"], set_={"mark": row.excluded.mark}))

    before_commit(session, mark)
