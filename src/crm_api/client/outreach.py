"""Typed calls about campaigns and messages: for those who make them, and for the workers that hand them over."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ..outreach.message_schemas import ClaimedMessages, HandOver, Reported
from .session import ApiClient


async def claim_messages(api: ApiClient, gateway: str, *, can_look_up: bool, limit: int) -> ClaimedMessages:
    """Lease messages that are due."""
    body = {"gateway": gateway, "can_look_up": can_look_up, "limit": limit}
    return ClaimedMessages.model_validate(await api.post("/v1/messages/claim", body))


async def begin_hand_over(
    api: ApiClient, lease_id: UUID, gateway: str, messages: Sequence[Mapping[str, Any]], *, can_look_up: bool
) -> list[UUID]:
    """Write down what is about to be handed over; answers what may be."""
    body = {"lease_id": str(lease_id), "gateway": gateway, "can_look_up": can_look_up, "messages": list(messages)}
    return HandOver.model_validate(await api.put("/v1/messages/hand-over", body)).allowed


async def report_messages(
    api: ApiClient, lease_id: UUID, gateway: str, reports: Sequence[Mapping[str, Any]]
) -> Reported:
    """Say what became of messages."""
    body = {"lease_id": str(lease_id), "gateway": gateway, "reports": list(reports)}
    return Reported.model_validate(await api.put("/v1/messages/report", body))
