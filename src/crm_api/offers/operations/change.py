"""Changing an offer."""

from typing import Any, Final
from uuid import UUID

from pydantic import MISSING, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Catalog
from ...core.clock import now
from ...core.etags import check_version
from ...core.failures import request_findings
from ...core.money import Money
from ...core.problems import InvalidRequest
from ...core.read import dump
from ...core.trail import emit, record
from ..models import Offer
from ..problems import OfferNotFound
from ..queries import written_offer
from ..schemas import OfferPatch, OfferWish
from .make import Values, mark_edition, values_of

_PLAIN: Final = (
    "name",
    "description",
    "status",
    "valid_from",
    "valid_until",
    "priority",
    "margin",
    "eligibility",
    "campaign",
)
_LANGUAGE: Final = "language_version"


async def change(
    session: AsyncSession,
    who: Principal,
    offer_id: UUID,
    patch: OfferPatch,
    catalog: Catalog,
    if_match: str | None,
) -> None:
    """Change an offer by a merge patch; what results is judged as a whole.

    Errors: OfferNotFound, VersionMismatch, InvalidRequest, InvalidAudience.
    """
    offer = await locked(session, offer_id, if_match)
    apply(session, who, offer, await values_of(session, merged(offer, patch), catalog))


async def locked(session: AsyncSession, offer_id: UUID, if_match: str | None = None) -> Offer:
    """Lock an offer for a change. Errors: OfferNotFound, VersionMismatch."""
    offer = await session.scalar(select(Offer).where(Offer.id == offer_id).with_for_update())
    if offer is None:
        raise OfferNotFound(f"No offer has the id {offer_id}")
    if if_match is not None:
        check_version(if_match, offer.version, await written_offer(session, offer_id))
    return offer


def apply(session: AsyncSession, who: Principal, offer: Offer, values: Values) -> list[str]:
    """Give an offer new values; answer the names of the fields that differ. Nothing is written when none does."""
    differing = [name for name, value in values.items() if getattr(offer, name) != value and name != _LANGUAGE]
    if not differing:
        return []
    for name in (*differing, _LANGUAGE):
        setattr(offer, name, values[name])
    changed = sorted({"margin" if name.startswith("margin_") else name for name in differing})
    tell_changed(session, who, offer, changed)
    return changed


def tell_changed(session: AsyncSession, who: Principal, offer: Offer, changed: list[str]) -> None:
    """Make it the next version of the offer, and tell."""
    offer.version += 1
    offer.updated_at = now()
    told = {"version": offer.version, "changed": changed}
    record(session, who.client_id, "offer.changed", ("offer", offer.id), changes=told)
    emit(session, "offer.changed", {"id": str(offer.id), "code": offer.code, **told})
    mark_edition(session)


def merged(offer: Offer, patch: OfferPatch) -> OfferWish:
    """Answer the wish that a patch makes of the offer there is. Errors: InvalidRequest."""
    tree = wish_of(offer)
    for name in _PLAIN:
        value = getattr(patch, name)
        if value is not MISSING:
            tree[name] = patch.model_dump(mode="json", include={name}).get(name)
    if patch.channels is not MISSING:
        tree["channels"] = _merged_channels(tree["channels"], patch)
    try:
        wish = OfferWish.model_validate_json(dump(tree))
    except ValidationError as wrong:
        errors: Any = [{**each, "loc": ("body", *each["loc"])} for each in wrong.errors(include_url=False)]
        found = request_findings(errors, tree)
        raise InvalidRequest(found[0]["detail"], errors=found) from None
    # The audience as it was read: written as text, it knows where in the text its parts stand.
    return wish if patch.eligibility is MISSING else wish.model_copy(update={"eligibility": patch.eligibility})


def wish_of(offer: Offer) -> dict[str, Any]:
    """Write an offer as the JSON tree of the wish that would make it."""
    margin = None
    if offer.margin_minor is not None and offer.margin_currency is not None:
        margin = Money.from_minor(offer.margin_minor, offer.margin_currency).model_dump()
    plain = {name: getattr(offer, name) for name in (*_PLAIN, "channels") if name != "margin"}
    return {**plain, "margin": margin}


def _merged_channels(present: dict[str, Any], patch: OfferPatch) -> dict[str, Any]:
    if patch.channels is None or patch.channels is MISSING:
        return {}
    channels = dict(present)
    for name, content in patch.channels.items():
        if content is None:
            channels.pop(name, None)
        else:
            channels[name] = {**channels.get(name, {}), **content.model_dump(exclude_unset=True)}
    return channels
