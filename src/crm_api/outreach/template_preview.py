"""What named customers would get: the same rendering as in earnest, with stand-ins for what only a campaign has."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from ..access import Principal
from ..core.clock import written
from ..core.problems import InsufficientScope, InvalidRequest, finding
from ..core.read import Reader
from ..offers.queries import ONE_OFFER
from ..settings import Settings
from . import variables
from .bounds import Limits, RenderRefused
from .template_queries import PERSONS
from .template_schemas import PreviewWish

STAND_INS: Final[dict[str, Any]] = {
    "campaign": {"name": "Preview", "code": "preview"},
    "sender": {"name": "Preview", "address": "preview@example.com"},
}
_LIMITS: Final = Limits(seconds=0.2)


async def preview(
    reader: Reader, who: Principal, words: Mapping[str, str | None], wish: PreviewWish, settings: Settings
) -> dict[str, Any]:
    """Render a template for each customer. Errors: InvalidRequest, InsufficientScope."""
    shared = {**STAND_INS, "unsubscribe_url": f"{settings.issuer}/p/unsubscribe/preview"}
    if wish.offer_id is not None:
        shared["offer"] = await _offer(reader, who, wish.offer_id)
    customers = await _customers(reader, wish.customer_ids)
    words = {part: words[part] for part in ("subject", "text", "html")}
    shown = await asyncio.to_thread(_shown, words, [(id, {**shared, "customer": each}) for id, each in customers])
    return {"data": shown}


async def _offer(reader: Reader, who: Principal, offer_id: UUID) -> dict[str, Any]:
    if "offers:read" not in who.scopes:
        raise InsufficientScope("The token lacks offers:read", missing=["offers:read"])
    row = await reader.row(ONE_OFFER, offer_id=offer_id)
    content = None if row is None else orjson.loads(row["channels"]).get("email")
    if row is None or content is None:
        told = f"no offer has the id {offer_id}" if row is None else f"{row['code']} has no content for email"
        raise InvalidRequest(told, errors=[finding("/offer_id", "unfit-offer", told)])
    until = None if row["valid_until"] is None else written(row["valid_until"])
    return variables.of_offer({"code": row["code"], "name": row["name"], "valid_until": until}, content)


async def _customers(reader: Reader, ids: Sequence[UUID]) -> list[tuple[str, dict[str, Any]]]:
    """Answer what a template may name of each customer, in the order asked for."""
    rows = {row["customer_id"]: row for row in await reader.rows(PERSONS, customer_ids=list(ids))}
    errors = [
        finding(f"/customer_ids/{place}", "unknown-customer", f"no customer has the id {id}")
        for place, id in enumerate(ids)
        if str(id) not in rows
    ]
    if errors:
        raise InvalidRequest(errors[0]["detail"], errors=errors)
    return [(str(id), variables.of_customer(rows[str(id)])) for id in ids]


def _shown(words: Mapping[str, str | None], named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Render for one after the other; what is too slow for one is not tried for the rest."""
    from .rendering import render  # here, since a process that serves renders rarely

    shown: list[dict[str, Any]] = []
    too_slow: dict[str, Any] | None = None
    for customer_id, each in named:
        rendered, refusal = None, too_slow
        if too_slow is None:
            try:
                rendered = render(words, each, _LIMITS)._asdict()
            except RenderRefused as why:
                refusal = {"code": why.code, "part": why.part, "line": why.line, "detail": why.detail}
                too_slow = refusal if why.code == "template-too-slow" else None
        shown.append({"customer_id": customer_id, "rendered": rendered, "refusal": refusal})
    return shown
