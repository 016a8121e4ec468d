"""Addresses of mailboxes as mail servers and headers know them. Pure."""

from functools import lru_cache
from typing import Final

import idna

_LONGEST: Final = 253
_LONGEST_LABEL: Final = 63
_LONGEST_DOMAIN: Final = 100
"""Of a Message-ID; what is cut off was only there to be read."""


def ascii_domain(address: str) -> str:
    """Answer the domain of an address in ASCII (RFC 5891). Errors: ValueError, when it has no such form."""
    return _in_ascii(address.rpartition("@")[2])


@lru_cache(maxsize=4096)
def _in_ascii(domain: str) -> str:
    try:
        written = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        written = ""
    if len(written) > _LONGEST or not all(0 < len(label) <= _LONGEST_LABEL for label in written.split(".")):
        raise ValueError("the domain of the address cannot be written in ASCII, or is too long")
    return written


def message_id(unique: str, sender: str) -> str:
    """Make the Message-ID of a message (RFC 5322, section 3.6.4), of the domain of who sends it. Errors: ValueError."""
    return f"<{unique}@{ascii_domain(sender)[-_LONGEST_DOMAIN:].lstrip('-.')}>"
