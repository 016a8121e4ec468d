"""What `crm doctor` finds on the way that e-mails take, planted in real mail servers and folders."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crm_api.cli.diagnosis import Finding, Limits, Patient, examine
from crm_api.cli.diagnosis.mail import check_mail
from crm_api.cli.home import Home
from crm_api.settings import Settings

from ..gateways.scripted import HANG_UP, scripted
from ..secure_sink import secured, write_certificate
from ..smtp_sink import SmtpSink
from .planting import ailing, check_told


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "sink.pem")


@pytest.fixture
def by_smtp(well: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An installation whose e-mails leave by SMTP; the test names the server."""
    monkeypatch.setenv("CRM_EMAIL_GATEWAY", "smtp")
    monkeypatch.setenv("CRM_PUBLIC_URL", "https://crm.example")
    return monkeypatch


async def mail() -> Finding:
    """What is said of the mail, well or not."""
    [finding] = [finding for finding in await examine() if finding.check == "mail"]
    return finding


async def test_a_server_that_is_well_is_greeted_and_gets_nothing(by_smtp: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        by_smtp.setenv("CRM_SMTP_URL", sink.url)
        assert await ailing() == {}
        assert (sink.connection_count, sink.accepted) == (1, [])
    async with scripted() as (place, lines):
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://{place}")
        assert await ailing() == {}
        assert [line.split()[0] for line in lines] == ["EHLO", "QUIT"]


async def test_a_server_with_tls_and_a_login(by_smtp: pytest.MonkeyPatch, certificate: Path) -> None:
    seen: list[Any] = []
    with secured(certificate, seen) as sink:
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://shop:s%3Acr%40t@127.0.0.1:{sink.port}")
        check_told(await ailing(), "mail", "wrong", "certificate is not good: self", "CRM_SMTP_VERIFY_TLS")
        assert seen == [], "the password is not shown to a server that nobody vouches for"
        by_smtp.setenv("SSL_CERT_FILE", str(certificate))
        finding = await mail()
        assert (finding.state, seen) == ("ok", [(b"shop", b"s:cr@t", True)]), finding
        assert "over TLS, takes the login of shop" in finding.finding
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://shop:guess@127.0.0.1:{sink.port}")
        found = await ailing()
        check_told(found, "mail", "wrong", "refuses the login: 535", "does not know this user")
        assert "guess" not in str(found)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("smtp://no-such-host.invalid", ("name is not known", "Correct CRM_SMTP_URL")),
        ("smtp://mail..example", ("name is not known",)),
        ("smtp://127.0.0.1:1", ("refused", "Nothing listens", "587")),
    ],
)
async def test_a_server_that_is_not_there(by_smtp: pytest.MonkeyPatch, url: str, told: tuple[str, ...]) -> None:
    by_smtp.setenv("CRM_SMTP_URL", url)
    check_told(await ailing(), "mail", "wrong", *told)


async def test_a_server_that_is_not_named(by_smtp: pytest.MonkeyPatch) -> None:
    missing = await mail()
    assert missing.finding.startswith("CRM_SMTP_URL: missing")
    by_smtp.setenv("CRM_SMTP_URL", "smtp://shop:hush/x@mail.example")
    unreadable = await mail()
    assert unreadable.finding.startswith("CRM_SMTP_URL: write it as smtp://")
    assert "hush" not in str(unreadable)
    assert missing.state == unreadable.state == "wrong"


async def test_a_server_that_is_silent(by_smtp: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        check_told(await ailing(Limits(mail_seconds=0.3)), "mail", "wrong", "no answer within 0.3 s", "firewall", "465")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"greeting": HANG_UP}, ("no connection", "It hung up")),
        ({"greeting": "554 5.7.1 Not from you"}, ("answers 554 5.7.1 Not from you", "does not want this machine")),
        ({"EHLO": "250-hello\n250 STARTTLS", "STARTTLS": "454 4.7.0 No TLS now"}, ("answers 454 4.7.0 No TLS now",)),
    ],
)
async def test_a_server_that_refuses(
    by_smtp: pytest.MonkeyPatch, answers: dict[str, str], told: tuple[str, ...]
) -> None:
    async with scripted(**answers) as (place, _):
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://{place}")
        check_told(await ailing(), "mail", "wrong", *told)


async def test_a_server_without_the_tls_that_is_asked_for(by_smtp: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        by_smtp.setenv("CRM_SMTP_URL", f"smtp://shop:secret@127.0.0.1:{sink.port}")
        check_told(await ailing(), "mail", "wrong", "cannot do what is asked for", "STARTTLS", "CRM_SMTP_STARTTLS")
        by_smtp.setenv("CRM_SMTP_URL", f"smtps://127.0.0.1:{sink.port}")
        check_told(await ailing(), "mail", "wrong", "TLS fails", "does not begin with TLS", "587")


@pytest.mark.parametrize("url", ["", "http://crm.example", "https://127.0.0.1:8000"])
async def test_links_that_lead_nowhere(by_smtp: pytest.MonkeyPatch, url: str) -> None:
    if url:
        by_smtp.setenv("CRM_PUBLIC_URL", url)
    else:
        by_smtp.delenv("CRM_PUBLIC_URL")
    with SmtpSink() as sink:
        by_smtp.setenv("CRM_SMTP_URL", sink.url)
        check_told(await ailing(), "mail", "warning", "links in messages lead to", url, "CRM_PUBLIC_URL=https://")


async def test_a_server_that_is_named_and_not_used(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SMTP_URL", "smtp://127.0.0.1:1")
    check_told(await ailing(), "mail", "warning", "CRM_EMAIL_GATEWAY is file", "CRM_EMAIL_GATEWAY=smtp")


async def test_where_files_go(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (well / "outbox").write_text("")
    check_told(await ailing(), "mail", "wrong", "is no folder", str(well / "outbox"))
    monkeypatch.setenv("CRM_EMAIL_GATEWAY", "console")
    assert "sent nowhere" in (await mail()).finding


@pytest.mark.parametrize("is_made", [True, False])
async def test_a_folder_into_which_nothing_can_be_written(well: Path, own_settings: Settings, is_made: bool) -> None:
    if is_made:
        (well / "outbox").mkdir(mode=0o500)
    else:
        well.chmod(0o500)
    with nobody():
        found = await check_mail(Patient(own_settings, Home(well), Limits()))
    check_told({each.check: each for each in found}, "mail", "wrong", "nothing can be written into", "another user")
    well.chmod(0o700)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may not do everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
