"""Gateways: how a message leaves the house, and what is then known of it."""

from ..settings import SettingsWrong, WorkerSettings
from .console import ConsoleGateway
from .file import FileGateway
from .outcome import Gateway, HandOverUnknown, Outcome
from .smtp import SmtpGateway, SmtpServer

__all__ = [
    "ConsoleGateway",
    "FileGateway",
    "Gateway",
    "HandOverUnknown",
    "Outcome",
    "SmtpGateway",
    "SmtpServer",
    "open_gateway",
    "smtp_server",
]


def open_gateway(settings: WorkerSettings) -> Gateway:
    """Answer the gateway for e-mail that the settings name, which connects when it is needed. Errors: SettingsWrong."""
    match settings.email_gateway:
        case "smtp":
            return SmtpGateway(
                smtp_server(settings),
                connections=settings.smtp_connections,
                patience_seconds=settings.smtp_patience_seconds,
            )
        case "console":
            return ConsoleGateway()
        case "file":
            return FileGateway(settings.home / "outbox")


def smtp_server(settings: WorkerSettings) -> SmtpServer:
    """Answer the mail server that the settings name. Errors: SettingsWrong, which does not quote a password."""
    if settings.smtp_url is None:
        raise SettingsWrong("CRM_SMTP_URL: missing; it names the mail server, as in smtp://user:password@host:port")
    try:
        return SmtpServer.at(settings.smtp_url.get_secret_value(), settings.smtp_starttls, settings.smtp_verify_tls)
    except ValueError as wrong:
        raise SettingsWrong(f"CRM_SMTP_URL: {wrong}") from None
