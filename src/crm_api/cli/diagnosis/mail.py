"""Whether e-mails can leave as the worker's settings say: the mail server is greeted and logged in to, no more."""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiosmtplib import SMTPAuthenticationError, SMTPException, SMTPResponseException

from workers.gateways import SmtpServer, smtp_server
from workers.settings import SettingsWrong, read_settings

from ...client.session import LOOPBACK
from ...settings import Settings
from ..home import program
from .findings import Finding, Patient

_LONGEST_TEXT: Final = 200
_GATEWAY: Final = "CRM_EMAIL_GATEWAY"


async def check_mail(patient: Patient) -> list[Finding]:
    """Look at what the worker hands e-mails to."""
    try:
        settings = read_settings()
        if settings.email_gateway == "smtp":
            found = await _server(smtp_server(settings), patient.limits.mail_seconds)
            return [found, *_links(patient.settings)] if found.state == "ok" else [found]
    except SettingsWrong as wrong:
        if str(wrong).startswith("CRM_SMTP_URL"):
            cause, cure = "E-mails are to leave by SMTP, and no worker can start.", "Correct CRM_SMTP_URL."
            return [Finding("mail", "wrong", "CRM_SMTP_URL", str(wrong), cause, cure)]
        return [Finding("mail", "skipped", _GATEWAY, "the worker's settings cannot be read: see `settings`")]
    if settings.smtp_url is not None:
        cause = f"CRM_SMTP_URL is given, and {_GATEWAY} is {settings.email_gateway}: no e-mail leaves."
        cure = f"{_GATEWAY}=smtp for the workers, or unset CRM_SMTP_URL."
        return [Finding("mail", "warning", _GATEWAY, "the mail server is not used", cause, cure)]
    if settings.email_gateway == "console":
        return [Finding("mail", "ok", _GATEWAY, "e-mails are printed, and sent nowhere")]
    return [_folder(settings.home / "outbox")]


def _links(settings: Settings) -> Iterator[Finding]:
    """Look where the links in messages lead."""
    public = urlsplit(settings.issuer)
    if public.scheme == "https" and public.hostname not in LOOPBACK:
        return
    cause = "Whoever gets a message cannot unsubscribe there, and mail programs show their button for https only."
    cure = "CRM_PUBLIC_URL=https://… for the API: the address by which it is reached from outside."
    finding = f"links in messages lead to {settings.issuer}"
    yield Finding("mail", "warning", "CRM_PUBLIC_URL", finding, cause, cure)


def _folder(folder: Path) -> Finding:
    """Look whether files can be made in a folder, or the folder itself, without making any."""
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    looked_at = f"folder {folder}"
    if not place.is_dir():
        cause, cure = "Something else has its name.", "Move it away; the worker makes the folder."
        return Finding("mail", "wrong", looked_at, f"{place} is no folder", cause, cure)
    if not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        cause = "It belongs to another user, or the disk is mounted for reading only."
        cure = "Give it to the user whom the workers run as; messages wait and are tried again."
        return Finding("mail", "wrong", looked_at, f"nothing can be written into {place}", cause, cure)
    return Finding("mail", "ok", looked_at, f"e-mails become files; {program()} outbox list shows them")


async def _server(server: SmtpServer, seconds: float) -> Finding:
    """Connect, go over to TLS and log in as a worker does, and say goodbye."""
    looked_at = f"mail server {server.host}:{server.port}"
    try:
        async with asyncio.timeout(seconds):
            smtp = server.connection(await asyncio.to_thread(socket.getfqdn), seconds)
            await smtp.connect()
            has_tls = smtp.get_transport_info("sslcontext") is not None
    except (SMTPException, OSError, ValueError) as error:
        finding, cause, cure = _told(error, seconds)
        return Finding("mail", "wrong", looked_at, finding, cause, cure)
    try:
        await smtp.quit(timeout=1)
    except (SMTPException, OSError):
        smtp.close()
    login = "" if server.user is None else f", takes the login of {server.user}"
    return Finding("mail", "ok", looked_at, f"answers{' over TLS' if has_tls else ''}{login}")


def _told(error: Exception, seconds: float) -> tuple[str, str, str]:
    """Answer finding, cause and cure of what went wrong on the way."""
    ports = "Mail is taken at 587 (smtp://), or at 465 with TLS from the first byte on (smtps://)."
    whole = list(_chain(error))
    for each in whole:
        match each:
            case socket.gaierror() | UnicodeError():
                cause = "CRM_SMTP_URL names no server that is known here, or the name service does not answer."
                return "its name is not known", cause, "Correct CRM_SMTP_URL, or the machine's name service."
            case ConnectionRefusedError():
                cause = "Nothing listens there: the server does not run, or the port is another one."
                return "the connection is refused", cause, f"Start it, or correct CRM_SMTP_URL. {ports}"
            case ssl.SSLCertVerificationError():
                cause = "It ran out, is for another name, or comes from an authority that is not known here."
                cure = (
                    "Name the server as its certificate does, renew that, or let this machine know the authority; "
                    "CRM_SMTP_VERIFY_TLS=false only where nobody can come between."
                )
                return f"its certificate is not good: {each.verify_message}", cause, cure
            case ssl.SSLError():
                cause = "The port does not begin with TLS, or the two know no version of it in common."
                return f"TLS fails: {each.reason}", cause, f"Correct CRM_SMTP_URL. {ports}"
            case SMTPAuthenticationError() if each.code >= 500:
                cause = "The password in CRM_SMTP_URL is not the user's, or the server does not know this user."
                cure = "Correct them; an @ is written %40, a colon %3A."
                return f"it refuses the login: {_answer(each.code, each.message)}", cause, cure
            case SMTPResponseException():
                cause = "It does not want this machine or this login, or is not well."
                return (
                    f"it answers {_answer(each.code, each.message)}",
                    cause,
                    "See the server's log, or ask its owner.",
                )
    if any(isinstance(each, TimeoutError) for each in whole):
        cause = "A firewall drops what is sent to it, it is overloaded, or its port begins with TLS."
        return f"no answer within {seconds:g} s", cause, f"Open the way to it, or correct CRM_SMTP_URL. {ports}"
    if isinstance(error, OSError):
        cause = "It hung up, or no way leads to it: perhaps it is not a mail server, or does not want this machine."
        return f"no connection: {type(whole[-1]).__name__}", cause, f"Correct CRM_SMTP_URL, or ask its owner. {ports}"
    cause = "TLS or a login is asked for, and this port does not offer it: it is another one, or somebody is between."
    cure = f"{ports} For a server of this machine: CRM_SMTP_STARTTLS=never, and no user in CRM_SMTP_URL."
    return f"it cannot do what is asked for: {error}", cause, cure


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Follow an error to its causes."""
    yield error
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)


def _answer(code: int, text: str) -> str:
    return f"{code} {' '.join(text.split())}"[:_LONGEST_TEXT]
