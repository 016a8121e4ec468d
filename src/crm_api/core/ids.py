"""Identifiers, always made by the application, never by the database."""

import hashlib
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562, section 5.7): unique, and ascending in time, so that indexes grow at their end."""
    return uuid7()


def source_id_uuid(source: str, source_id: str) -> UUID:
    """Derive the UUIDv8 (RFC 9562, section 5.8) of a fact from the system that reported it and its name there.

    The same fact reported twice gets the same id, so the repeat is a primary-key conflict and nothing has to be looked
    up.
    """
    digest = bytearray(hashlib.sha256(f"{source}\x00{source_id}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))
