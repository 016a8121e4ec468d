"""Which parts a profile has, and which of them a caller may see; without a database."""

from collections.abc import Collection
from typing import Final, Literal, NamedTuple, get_args

Part = Literal["customer", "consents", "scores", "segments", "last_touches", "offers", "totals"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
SCOPES: Final[dict[Part, str]] = {
    "customer": "customers:read",
    "consents": "consents:read",
    "scores": "scores:read",
    "segments": "segments:read",
    "last_touches": "touchpoints:read",
    "offers": "offers:read",
    "totals": "touchpoints:read",
}


class Share(NamedTuple):
    """What of a profile is shown, and what is not although it was asked for."""

    shown: frozenset[Part]
    withheld: tuple[Part, ...]


def share_of(wanted: Collection[Part], scopes: Collection[str]) -> Share:
    """Sort the parts that are wanted by whether the scopes cover them."""
    shown = frozenset(part for part in wanted if SCOPES[part] in scopes)
    return Share(shown, tuple(part for part in PARTS if part in wanted and part not in shown))
