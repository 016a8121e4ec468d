"""Passwords and messages travel encrypted where they can, and passwords nowhere else."""

from pathlib import Path
from typing import Any

import pytest

from workers.gateways import ConsoleGateway, FileGateway, SmtpGateway, SmtpServer, open_gateway
from workers.settings import SettingsWrong, WorkerSettings

from ..secure_sink import secured, write_certificate
from ..smtp_sink import SmtpSink
from .conftest import SENDER, mail, soon
from .scripted import scripted

ANN = "ann@example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "sink.pem")


async def test_a_login_goes_over_tls(certificate: Path) -> None:
    seen: list[Any] = []
    with secured(certificate, seen) as sink:
        server = SmtpServer.at(f"smtp://shop:s%3Acr%40t@127.0.0.1:{sink.port}", verify=False)
        gateway = SmtpGateway(server)
        message_id, message = mail()
        outcome = await gateway.hand_over(message, SENDER, ANN, soon())
        assert outcome.result == "sent", outcome
        assert (seen, sink.received(message_id)) == ([(b"shop", b"s:cr@t", True)], 1)
        await gateway.close()


async def test_a_wrong_password_and_a_wrong_certificate_defer(certificate: Path) -> None:
    seen: list[Any] = []
    with secured(certificate, seen) as sink:
        _, message = mail()
        wrong = SmtpGateway(SmtpServer.at(f"smtp://shop:guess@127.0.0.1:{sink.port}", verify=False))
        outcome = await wrong.hand_over(message, SENDER, ANN, soon())
        assert (outcome.result, outcome.code) == ("deferred", 535)
        assert "guess" not in outcome.text
        seen.clear()
        careful = SmtpGateway(SmtpServer.at(f"smtp://shop:s%3Acr%40t@127.0.0.1:{sink.port}"))
        outcome = await careful.hand_over(message, SENDER, ANN, soon())
        assert (outcome.result, sink.accepted, seen) == ("deferred", [], []), outcome


async def test_a_password_is_not_sent_in_the_open() -> None:
    async with scripted(EHLO="250-hello\n250 AUTH PLAIN LOGIN") as (place, lines):
        gateway = SmtpGateway(SmtpServer.at(f"smtp://shop:secret@{place}"))
        _, message = mail()
        assert (await gateway.hand_over(message, SENDER, ANN, soon())).result == "deferred"
        assert [line for line in lines if "AUTH" in line] == []


@pytest.mark.parametrize("starttls", ["always", "never"])
async def test_tls_can_be_demanded_or_left_out(sink: SmtpSink, starttls: Any) -> None:
    gateway = SmtpGateway(SmtpServer.at(sink.url, starttls))
    _, message = mail()
    outcome = await gateway.hand_over(message, SENDER, ANN, soon())
    assert outcome.result == ("deferred" if starttls == "always" else "sent")
    await gateway.close()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://localhost", ("localhost", 25, None, None, False)),
        ("smtp://localhost:2525", ("localhost", 2525, None, None, False)),
        ("smtp://shop:p%40ss@mail.example", ("mail.example", 587, "shop", "p@ss", False)),
        ("smtps://shop:pass@mail.example", ("mail.example", 465, "shop", "pass", True)),
        ("smtp://[::1]:25/", ("::1", 25, None, None, False)),
    ],
)
def test_the_address_of_a_server(url: str, wanted: tuple[Any, ...]) -> None:
    server = SmtpServer.at(url)
    assert (server.host, server.port, server.user, server.password, server.tls) == wanted
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://u:hush/x@mail.example"])
def test_an_address_that_is_none_stops_the_start_without_quoting_it(url: str) -> None:
    settings = WorkerSettings(email_gateway="smtp", smtp_url=url)  # type: ignore[arg-type]
    with pytest.raises(SettingsWrong, match="CRM_SMTP_URL: write it as smtp://") as caught:
        open_gateway(settings)
    assert "hush" not in str(caught.value)


def test_the_gateway_is_the_one_that_the_settings_name(tmp_path: Path) -> None:
    assert isinstance(open_gateway(WorkerSettings(home=tmp_path)), FileGateway)
    assert isinstance(open_gateway(WorkerSettings(email_gateway="console")), ConsoleGateway)
    smtp = WorkerSettings(email_gateway="smtp", smtp_url="smtp://localhost")  # type: ignore[arg-type]
    assert isinstance(open_gateway(smtp), SmtpGateway)
    with pytest.raises(SettingsWrong, match="CRM_SMTP_URL: missing"):
        open_gateway(WorkerSettings(email_gateway="smtp"))
