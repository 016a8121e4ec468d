"""Making the offer of a code, or changing the one there is, whichever is needed."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Catalog
from ...core.etags import check_version
from ...core.problems import VersionMismatch
from ..models import Offer
from ..queries import written_offer
from ..schemas import OfferWish
from .change import apply
from .make import insert_offer, values_of


@dataclass(frozen=True, slots=True)
class Put:
    """The offer as it is now, and what became of it."""

    document: dict[str, Any]
    result: Literal["created", "updated", "unchanged"]
    changed: list[str]


async def put(
    session: AsyncSession, who: Principal, code: str, wish: OfferWish, catalog: Catalog, if_match: str | None
) -> Put:
    """Put a whole offer under its code; its products stay. Errors: InvalidAudience, VersionMismatch."""
    values = await values_of(session, wish, catalog)
    made = None if if_match is not None else await insert_offer(session, who, code, values)
    if made is not None:
        return Put(await written_offer(session, made), "created", sorted(wish.model_fields_set))
    offer = await session.scalar(select(Offer).where(Offer.code == code).with_for_update())
    if offer is None:
        raise VersionMismatch(f"There is no offer {code} yet", current=None)
    if if_match is not None:
        check_version(if_match, offer.version, await written_offer(session, offer.id))
    changed = apply(session, who, offer, values)
    return Put(await written_offer(session, offer.id), "updated" if changed else "unchanged", changed)
