"""Messages as mailboxes read them."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.outreach.rendering import Rendered, RenderRefused
from workers.gateways.mime import Envelope, bare_message_id, compose, mail_address, message_id_of

AT = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)
ENVELOPE = Envelope(
    "<0198c5a0@crm.example>",
    ("The Shop", "shop@example.com"),
    ("Ann Lee", "ann@example.org"),
    "help@example.com",
    "https://crm.example/p/u/" + "abc_-~=" * 40,
)


def read(message: bytes) -> EmailMessage:
    """Read a message as a mailbox does."""
    return cast(EmailMessage, message_from_bytes(message, policy=default))


def body(message: bytes, kind: str) -> str:
    """Answer the text or the HTML."""
    part = read(message).get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_message_has_everything() -> None:
    made = compose(ENVELOPE, Rendered("Grüße — für Ann", "Hällo\n", "<p>Hällo</p>\n"), at=AT)
    assert dict(read(made)) == {
        "From": "The Shop <shop@example.com>",
        "To": "Ann Lee <ann@example.org>",
        "Subject": "Grüße — für Ann",
        "Date": "Sun, 01 Feb 2026 09:30:00 +0000",
        "Message-ID": "<0198c5a0@crm.example>",
        "MIME-Version": "1.0",
        "Auto-Submitted": "auto-generated",
        "Reply-To": "help@example.com",
        "List-Unsubscribe": f"<{ENVELOPE.unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Content-Type": read(made)["Content-Type"],
    }
    assert read(made).get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read(made).iter_parts()] == ["text/plain", "text/html"]
    assert (body(made, "plain"), body(made, "html")) == ("Hällo\n", "<p>Hällo</p>\n")
    assert f"List-Unsubscribe: <{ENVELOPE.unsubscribe_url}>\r\n".encode() in made, "not folded, not encoded"
    assert compose(ENVELOPE, Rendered("Grüße — für Ann", "Hällo\n", "<p>Hällo</p>\n"), at=AT) == made
    assert message_id_of(made) == "0198c5a0@crm.example"


def test_a_message_may_be_text_alone() -> None:
    made = compose(Envelope("a@b.example", ("", "shop@example.com"), ("", "ann@example.org")), Rendered("x", "y", None))
    assert read(made).get_content_type() == "text/plain"
    assert (read(made)["From"], read(made)["List-Unsubscribe"]) == ("shop@example.com", None)
    assert body(made, "plain") == "y\n"


LINES = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=60)
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=200)


@given(LINES, LINES, TEXTS)
def test_what_goes_in_comes_out(subject: str, name: str, text: str) -> None:
    envelope = ENVELOPE._replace(recipient=(name, "ann@example.org"))
    made = compose(envelope, Rendered(subject, text, f"<p>{text}"), at=AT)
    found = read(made)
    assert " ".join(str(found["Subject"]).split()) == " ".join(subject.split())
    assert [each.addr_spec for each in found["To"].addresses] == ["ann@example.org"]
    assert len(found.keys()) == 11
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert body(made, "plain").rstrip("\n") == plain.rstrip("\n")
    assert body(made, "html").rstrip("\n") == f"<p>{plain}".rstrip("\n")
    assert made.isascii()
    assert all(len(line) < 998 for line in made.split(b"\r\n"))
    assert b"\n" not in made.replace(b"\r\n", b"")
    assert b"\r" not in made.replace(b"\r\n", b"")


HOSTILE = st.lists(
    st.sampled_from(["\r\n", "\n", "\r", "\x00", "\u2028", "\x85", "Bcc: x@evil.example", "<x@evil.example>"])
    | st.sampled_from(["=?utf-8?q?=0D=0ABcc:_x@evil.example?=", "=0D=0A", ": ", *'",;\\ \té()@.']),
    max_size=8,
).map("".join)  # fmt: skip


@given(HOSTILE, HOSTILE)
def test_nothing_breaks_out_of_a_header(subject: str, name: str) -> None:
    envelope = ENVELOPE._replace(recipient=(name, "ann@example.org"), sender=(name, "shop@example.com"))
    made = compose(envelope, Rendered(f"x{subject}", "text", None), at=AT)
    found = read(made)
    assert [each.addr_spec for each in found["To"].addresses] == ["ann@example.org"]
    assert [each.addr_spec for each in found["From"].addresses] == ["shop@example.com"]
    assert "Bcc" not in found
    names = [line.split(b":")[0] for line in made.split(b"\r\n\r\n")[0].split(b"\r\n") if not line.startswith(b" ")]
    assert len(names) == len(set(names)) == 12


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "Lee, Ann",
        "Dr. Ann O'Lee",
        'Ann "The" Lee',
        "Ann\\",
        "Änn Lée",
        "李安",
        "a" * 300,
        "=?x?=",
        "Ann (Shop) <x>",
    ],
)
def test_names_are_read_as_they_are(name: str) -> None:
    envelope = ENVELOPE._replace(recipient=(name, "ann@example.org"))
    [found] = read(compose(envelope, Rendered("x", "y", None)))["To"].addresses
    assert found.display_name == name[:200]


@pytest.mark.parametrize(
    "wrong",
    [
        ENVELOPE._replace(recipient=("Ann", "ann@example.org\r\nBcc: x@evil.example")),
        ENVELOPE._replace(recipient=("Ann", "ann@example.org, x@evil.example")),
        ENVELOPE._replace(sender=("Shop", "shop")),
        ENVELOPE._replace(reply_to="a@b.example\nX: y"),
        ENVELOPE._replace(message_id="<a@b.example>\r\nX: y"),
        ENVELOPE._replace(message_id="a/../b@c.example"),
        ENVELOPE._replace(unsubscribe_url="https://x.example/>\r\nX: y"),
        ENVELOPE._replace(unsubscribe_url="javascript:alert(1)"),
    ],
)
def test_what_cannot_stand_in_a_header_is_refused(wrong: Envelope) -> None:
    with pytest.raises(RenderRefused) as caught:
        compose(wrong, Rendered("x", "y", None))
    assert caught.value.code == "header-injection"
    assert "evil" not in str(caught.value)


def test_addresses_and_ids() -> None:
    assert mail_address("Ann.Lee+x@Bücher.example") == "Ann.Lee+x@xn--bcher-kva.example"
    assert mail_address("a@straße.example") == "a@xn--strae-oqa.example", "strasse.example is another domain"
    assert bare_message_id("<a@b.example>") == bare_message_id("a@b.example") == "a@b.example"
    with pytest.raises(ValueError, match="no Message-ID"):
        message_id_of(b"Subject: x\r\n\r\nMessage-ID: <a@b.example>\r\n")
