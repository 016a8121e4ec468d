"""Typed calls about campaigns and messages: for those who make them, and for the workers that hand them over."""

from typing import Any

from ..outreach.message_schemas import Exchange
from .session import ApiClient


async def exchange_messages(api: ApiClient, gateway: str, *, can_look_up: bool, **parts: Any) -> Exchange:
    """Report on messages, begin to hand over, and claim more; `parts` are those of the exchange."""
    body = {"gateway": gateway, "can_look_up": can_look_up, **parts}
    answer = await api.send("PUT", "/v1/messages/exchange", body=body)
    return Exchange.model_validate_json(answer.content)
