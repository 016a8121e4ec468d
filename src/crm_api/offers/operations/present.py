"""Say which offers a customer could get now, without deciding."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.read import Reader
from ..rules import decide
from .decide import Desk, ask, told_reasons

MOST_PRESENT: Final = 50
_NOWHERE: Final[dict[str, Any]] = {"offers": [], "count": 0, "is_complete": True}


async def present_offers(
    session: AsyncSession, reader: Reader, customer_id: str, at: datetime, desk: Desk
) -> dict[str, Any]:
    """Answer the offers a decision would choose from for a customer, in any channel, the best first. Nothing is kept.
    For an archived or unknown customer there is none.
    """
    answered = await ask(session, reader, [customer_id], None, at, desk)
    for row in answered.rows:
        if row["archived_at"] is None:
            eligible = answered.question.answers(row)
            verdict = decide(answered.slate, eligible, channel="", at=at, limit=MOST_PRESENT, most_rejected=0)
            chosen = [
                {
                    **answered.shelf.told[offer.offer_id],
                    "channels": list(offer.channels),
                    "reasons": told_reasons(reasons),
                }
                for offer, reasons in verdict.chosen
            ]
            count = sum(offer.eligibility is None or eligible[offer.eligibility] for offer in answered.slate.candidates)
            return {"offers": chosen, "count": count, "is_complete": count == len(chosen)}
    return _NOWHERE
