"""Signed links in messages: who may do what with them, without a login. Pure.

A token is the message's and the customer's id, what it is for, and a signature (HMAC-SHA-256, cut to 16 bytes) under a
key that is derived from the deployment's secret. It holds no address and no name.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

import orjson

Use = Literal["unsubscribe", "open", "click"]
_MARKS: Final[dict[Use, bytes]] = {"unsubscribe": b"u", "open": b"o", "click": b"c"}
_SIGNATURE: Final = 16
_PURPOSE: Final = b"crm-api message links"
MOST_LINKS: Final = 200
"""Of one message that are followed; further ones lead where they lead, and nobody knows who went there."""
LONGEST_LINK: Final = 2_000
LONGEST_LINKS: Final = 95_000
"""Bytes of all of a batch's as JSON has them: batches are handed over together, in a body that is bounded."""
_BESIDE_A_LINK: Final = 36
FOLLOWED: Final = r"^https?://[^\s\u0000-\u001f]+$"
_FOLLOWED: Final = re.compile(FOLLOWED)


@dataclass(frozen=True, slots=True)
class Link:
    """Whose message a link stands in."""

    customer_id: UUID
    message_id: UUID


class Signer:
    """Writes and reads the tokens of one deployment."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")

    def write(self, use: Use, link: Link) -> str:
        """Write a token of 64 characters, all of them plain in a URL."""
        body = link.customer_id.bytes + link.message_id.bytes
        return base64.urlsafe_b64encode(body + self._signature(use, body)).decode()

    def read(self, use: Use, token: str) -> Link | None:
        """Answer whose message it stands in, or nothing when it was not written here for this use."""
        try:
            given = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return None
        body, signature = given[:32], given[32:]
        if len(given) != 32 + _SIGNATURE or not hmac.compare_digest(signature, self._signature(use, body)):
            return None
        return Link(UUID(bytes=body[:16]), UUID(bytes=body[16:]))

    def _signature(self, use: Use, body: bytes) -> bytes:
        return hmac.digest(self._key, _MARKS[use] + body, "sha256")[:_SIGNATURE]


@lru_cache(maxsize=4096)
def link_number(url: str) -> int:
    """Number a URL within its campaign, the same in every process: 52 bits of its SHA-256, which JSON keeps exact."""
    return int.from_bytes(hashlib.sha256(url.encode()).digest()[:8], "big") >> 12


class BatchLinks:
    """The links that are followed in the messages of one batch, each of them once for its campaign."""

    def __init__(self) -> None:
        self.by_campaign: dict[UUID, dict[int, str]] = {}
        """URLs by their numbers."""
        self._size = 0

    def of_message(self, campaign_id: UUID) -> Callable[[str], int | None]:
        """Answer what numbers the links of one message; those that are not followed have no number."""
        known, mine = self.by_campaign.setdefault(campaign_id, {}), set[int]()

        def number_of(url: str) -> int | None:
            number = link_number(url)
            if number in mine:
                return number
            if len(mine) >= MOST_LINKS or not (number in known or self._takes(url)):
                return None
            known[number] = url
            mine.add(number)
            return number

        return number_of

    def _takes(self, url: str) -> bool:
        size = len(orjson.dumps(url)) + _BESIDE_A_LINK
        if len(url) > LONGEST_LINK or self._size + size > LONGEST_LINKS or not _FOLLOWED.fullmatch(url):
            return False
        self._size += size
        return True
