"""Messages as they travel (RFC 5322, RFC 2045): text and HTML side by side, and headers that nothing breaks out of."""

import hashlib
import re
from binascii import b2a_qp
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from typing import Final, NamedTuple

from crm_api.outreach.addresses import ascii_domain
from crm_api.outreach.rendering import Rendered, RenderRefused

_LONGEST_NAME: Final = 200
_SHORT: Final = 60
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_ADDRESS: Final = re.compile(r"""[^\s<>()\[\]\\,;:@"\x00-\x20\x7f]{1,64}@([^\s<>()\[\]\\,;:@"\x00-\x20\x7f]{1,255})""")
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9._+=-]{1,128}@[A-Za-z0-9.-]{1,128}")
_MESSAGE_ID_LINE: Final = re.compile(rb"^Message-ID: <([^<>\r\n]*)>\r$", re.MULTILINE)
_URL: Final = re.compile(r"https?://[!#-;=?-~]{1,900}")
_LINE_END: Final = re.compile(r"\r\n?|\n")


class Envelope(NamedTuple):
    """Who writes to whom, and what makes it one message and no other."""

    message_id: str
    """Made when the message was planned; with or without angle brackets."""
    sender: tuple[str, str]
    """Name, which may be empty, and address; also of the recipient."""
    recipient: tuple[str, str]
    reply_to: str | None = None
    unsubscribe_url: str | None = None
    """Where one POST unsubscribes (RFC 8058); only messages that nobody can object to have none."""


def compose(envelope: Envelope, content: Rendered, *, at: datetime | None = None) -> bytes:
    """Write a message; the same twice, but for its date, which `at` gives.

    Errors: RenderRefused, when an address or an id cannot stand in a header.
    """
    message_id = bare_message_id(envelope.message_id)
    headers = [
        f"From: {_sender(*envelope.sender)}",
        f"To: {_mailbox('To', *envelope.recipient)}",
        f"Subject: {_encoded('Subject', _line(content.subject))}",
        f"Date: {_written((at or datetime.now(UTC)).replace(microsecond=0))}",
        f"Message-ID: <{message_id}>",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
    ]
    if envelope.reply_to is not None:
        headers.append(f"Reply-To: {mail_address(envelope.reply_to)}")
    if envelope.unsubscribe_url is not None:
        headers += [
            f"List-Unsubscribe: <{_url(envelope.unsubscribe_url)}>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ]
    return "\r\n".join(headers).encode() + b"\r\n" + _body(message_id, content)


def bare_message_id(message_id: str) -> str:
    """Answer a Message-ID without its brackets. Errors: RenderRefused."""
    bare = message_id.removeprefix("<").removesuffix(">")
    if not _MESSAGE_ID.fullmatch(bare):
        raise _unfit("the Message-ID")
    return bare


def message_id_of(message: bytes) -> str:
    """Read the Message-ID of a message, without its brackets. Errors: ValueError."""
    found = _MESSAGE_ID_LINE.search(message[: message.find(b"\r\n\r\n") + 2])
    if found is None:
        raise ValueError("the message has no Message-ID")
    return found[1].decode("ascii")


def mail_address(address: str) -> str:
    """Answer an address as mail servers know it, its domain in ASCII (RFC 5891). Errors: RenderRefused."""
    found = _ADDRESS.fullmatch(address)
    if found is None or _CONTROLS.search(address):
        raise _unfit("an address")
    try:
        domain = ascii_domain(address)
    except ValueError:
        raise _unfit("the domain of an address") from None
    return f"{address[: found.start(1)]}{domain}"


def _unfit(what: str) -> RenderRefused:
    return RenderRefused("header-injection", f"{what} cannot stand in a header")


@lru_cache(maxsize=256)
def _sender(name: str, address: str) -> str:
    return _mailbox("From", name, address)


@lru_cache(maxsize=8)
def _written(at: datetime) -> str:
    return format_datetime(at)


def _mailbox(header: str, name: str, address: str) -> str:
    shown = _line(name)[:_LONGEST_NAME].strip()
    if not shown:
        return mail_address(address)
    if not _ATOMS.fullmatch(shown) and shown.isascii() and "=?" not in shown:
        quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{mail_address(address)}>'
    return f"{_encoded(header, shown)} <{mail_address(address)}>"


def _line(text: str) -> str:
    """Make one line of a text; names and subjects are checked before, this is the last door."""
    return _CONTROLS.sub(" ", text)


def _encoded(header: str, text: str) -> str:
    """Write a text as the value of a header, in encoded words (RFC 2047) if it needs them."""
    if text.isascii() and "=?" not in text:
        return text if len(text) <= _SHORT else Header(text, "us-ascii", header_name=header).encode(linesep="\r\n")
    return Header(text, "utf-8", header_name=header).encode(linesep="\r\n")


def _url(url: str) -> str:
    if not _URL.fullmatch(url):
        raise _unfit("the address to unsubscribe by")
    return url


def _body(message_id: str, content: Rendered) -> bytes:
    if content.html is None:
        return _part("plain", content.text)
    # Quoted-printable never writes "=_", so that no text can hold the boundary.
    boundary = "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]
    opening = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode()
    # The line end before a boundary is part of it (RFC 2046, section 5.1.1).
    between, end = f"\r\n--{boundary}\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()
    return b"".join([opening, between, _part("plain", content.text), between, _part("html", content.html), end])


def _part(kind: str, text: str) -> bytes:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    lines = _LINE_END.sub("\n", text if text.endswith("\n") else text + "\n")
    return head.encode() + b2a_qp(lines.encode()).replace(b"\n", b"\r\n")
