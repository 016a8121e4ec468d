"""One exchange with a worker, in one transaction: what became of messages, what goes out next, what is due after that.

The parts come in this order in every exchange, so that two of them lock things in the same order.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from .message_claim import MailDesk, claim
from .message_queue import lease_of
from .message_report import begin_hand_over, report
from .message_schemas import ExchangeWish


async def exchange(session: AsyncSession, wish: ExchangeWish, by: str, desk: MailDesk) -> dict[str, Any]:
    """Take a report, allow a hand-over, give out messages: each if it is asked for, null if not."""
    answer: dict[str, Any] = {"reported": None, "allowed": None, "claimed": None}
    if wish.report:
        answer["reported"] = await report(session, wish.report, wish.gateway, by)
    if wish.hand_over:
        answer["allowed"] = await begin_hand_over(
            session, wish.hand_over, wish.gateway, can_look_up=wish.can_look_up, lease=lease_of(desk.settings)
        )
    if wish.claim:
        answer["claimed"] = await claim(session, wish, by, desk)
    return answer
