"""Public pages that links in messages lead to: a signature instead of a login. Only POST changes a consent."""

import base64
import re
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..core.clock import now
from ..privacy.models import Consent, Purpose
from ..privacy.operations import set_consents
from ..privacy.rules import ConsentChange
from ..touchpoints.operations import append_touchpoints
from ..touchpoints.schemas import TouchpointCreate
from .campaign_models import Campaign, CampaignLink, Message
from .links import Link, Signer, Use
from .message_queries import one
from .message_report import SOURCE

router = APIRouter(prefix="/p", include_in_schema=False)
Token = Annotated[str, Path()]
BY: Final = "public-link"
_PIXEL: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_STYLE: Final = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:0 auto;padding:2rem 1.25rem;color:#1a1a1a;"
    "background:#fff}h1{font-size:1.5rem;line-height:1.25}button{font:inherit;font-weight:600;width:100%;"
    "padding:.9rem 1rem;border:0;border-radius:.5rem;background:#1f4fd8;color:#fff;cursor:pointer}"
    "button:focus-visible{outline:3px solid #f5b301;outline-offset:2px}p{overflow-wrap:anywhere}"
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Robots-Tag": "noindex",
}


@router.get("/unsubscribe/{token}")
async def ask_unsubscribe(request: Request, token: Token) -> Response:
    """Ask whether the person means it; a GET changes nothing, since mail scanners follow every link."""
    async with request.app.state.database.session() as session:
        found = await _found(request, session, "unsubscribe", token)
        if found is None:
            return _invalid()
        message, purpose = found, await _label(session, found)
        if await _is_withdrawn(session, message):
            return _done(purpose)
    button = '<form method="post"><button type="submit">Unsubscribe</button></form>'
    return _page("Unsubscribe", f"<p>Stop e-mail about <b>{escape(purpose)}</b>?</p>{button}")


@router.post("/unsubscribe/{token}")
async def unsubscribe(request: Request, token: Token) -> Response:
    """Withdraw the consent, by the page's button or by the mail program (RFC 8058); saying it again changes nothing."""
    async with request.app.state.database.session() as session:
        message = await _found(request, session, "unsubscribe", token, locked=True)
        if message is None:
            return _invalid()
        purpose = await _label(session, message)
        consent = await session.scalar(_consent_of(message).with_for_update())
        if consent is None or consent.state != "withdrawn":
            # A grant may bear a time to come, up to a day ahead; who says no now means it after that as well.
            at = now() if consent is None else max(now(), consent.since)
            withdrawn = ConsentChange(
                message.customer_id, "email", message.purpose, "withdrawn", at, "unsubscribe-link",
                f"message {message.id}",
            )  # fmt: skip
            await set_consents(session, [withdrawn], by=BY)
    return _done(purpose)


@router.get("/open/{token}.gif")
async def note_opening(request: Request, token: Token) -> Response:
    """Answer the picture that stands in a message, and note the first time that somebody looked."""
    async with request.app.state.database.session() as session:
        message = await _found(request, session, "open", token)
        if message is not None:
            await _note(session, message, "email.opened", f"{message.id}:opened", None)
    return Response(_PIXEL, media_type="image/gif", headers={"Cache-Control": "no-store"})


@router.get("/click/{token}/{number}")
async def follow_link(request: Request, token: Token, number: str) -> Response:
    """Lead on to where the link of the campaign leads, and note the first time that somebody followed it."""
    async with request.app.state.database.session() as session:
        message = await _found(request, session, "click", token)
        is_ours = message is not None and _NUMBER.fullmatch(number)
        link = await session.get(CampaignLink, (message.campaign_id, int(number))) if message and is_ours else None
        if message is None or link is None:
            return _invalid()
        await _note(session, message, "email.clicked", f"{message.id}:clicked:{number}", link.url)
    return RedirectResponse(link.url, status_code=302, headers={"Cache-Control": "no-store"})


async def _found(
    request: Request, session: AsyncSession, use: Use, token: str, *, locked: bool = False
) -> Message | None:
    """Answer the message a link stands in; nothing for a forged link, or when the message is gone.

    With it `locked`, whoever presses twice at once comes one after the other.
    """
    signer: Signer = request.app.state.message_signer
    link: Link | None = signer.read(use, token)
    if link is None:
        return None
    wanted = one(link.customer_id, link.message_id)
    found: Message | None = await session.scalar(wanted.with_for_update() if locked else wanted)
    return found


async def _label(session: AsyncSession, message: Message) -> str:
    return (await session.scalars(select(Purpose.label).where(Purpose.name == message.purpose))).one()


async def _is_withdrawn(session: AsyncSession, message: Message) -> bool:
    consent = await session.scalar(_consent_of(message))
    return consent is not None and consent.state == "withdrawn"


def _consent_of(message: Message) -> Select[Consent]:
    mine = (Consent.customer_id == message.customer_id) & (Consent.channel == "email")
    return select(Consent).where(mine, Consent.purpose == message.purpose)


async def _note(session: AsyncSession, message: Message, kind: str, source_id: str, url: str | None) -> None:
    code = await session.scalar(select(Campaign.code).where(Campaign.id == message.campaign_id))
    properties: dict[str, object] = {"message_id": str(message.id)}
    if url is not None:
        properties["url"] = url
    fact = TouchpointCreate(
        customer_id=message.customer_id, kind=kind, channel="email", direction="inbound", occurred_at=now(),
        source=SOURCE, source_id=source_id, campaign=code, properties=properties, items=[],
    )  # fmt: skip
    await append_touchpoints(session, [fact], by=BY)


def _done(purpose: str) -> HTMLResponse:
    about = f"<p>You get no more e-mail about <b>{escape(purpose)}</b>."
    text = f"{about} This holds at once; only what has left already may still arrive.</p>"
    return _page("You are unsubscribed", text)


def _invalid() -> HTMLResponse:
    text = "<p>It is incomplete or too old. Use the link in the newest message that you got, or write to us.</p>"
    return _page("This link is not valid", text, status=404)


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    main = f"<main><h1>{escape(title)}</h1>{body}</main>"
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{main}</body></html>'
    return HTMLResponse(page, status, _HEADERS)
