"""Identifiers, always made by the application, never by the database."""

import hashlib
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

_VERSION_8: Final = 0x8 << 76 | 0b10 << 62
_WITHOUT_MARKS: Final = ~(0xF << 76 | 0b11 << 62)


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562, section 5.7): unique, and ascending in time, so that indexes grow at their end."""
    return uuid7()


def source_id_uuid(source: str, source_id: str) -> UUID:
    """Derive the UUIDv8 (RFC 9562, section 5.8) of a fact from the system that reported it and its name there.

    The same fact reported twice gets the same id, so the repeat is a primary-key conflict and nothing has to be looked
    up.
    """
    digest = hashlib.sha256(f"{source}\x00{source_id}".encode()).digest()
    return UUID(int=int.from_bytes(digest[:16], "big") & _WITHOUT_MARKS | _VERSION_8)
