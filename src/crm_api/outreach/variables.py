"""What a template may name, made the same way for the preview and in earnest. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

_OF_A_CUSTOMER: Final = ("display_name", "given_name", "family_name", "organization_name", "language")


def of_customer(row: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what may be named of a customer; `custom_fields` comes as JSON text."""
    return {**{name: row[name] for name in _OF_A_CUSTOMER}, "custom": orjson.loads(row["custom_fields"])}


def of_offer(offer: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what may be named of an offer, with its content for the channel; `valid_until` as JSON answers have it."""
    return {**{name: offer[name] for name in ("code", "name", "valid_until")}, **content}
