"""Callers on this machine, who may look after it without a token."""

import re
from ipaddress import ip_address
from typing import Final

from fastapi import Request
from fastapi.security import OAuth2, SecurityScopes

from .principal import FLOWS, Principal, authorized

_NAMED: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", re.IGNORECASE)
_PASSED_ON: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class _AuthorizeFromAfar(OAuth2):
    """As `authorize`, but whoever calls from this machine needs no token."""

    def __init__(self) -> None:
        super().__init__(flows=FLOWS, scheme_name="OAuth2", description="Client credentials; tokens live for minutes")

    async def __call__(  # type: ignore[override]
        self, request: Request, required: SecurityScopes
    ) -> Principal | None:
        if "authorization" not in request.headers and is_nearby(request):
            return None
        return await authorized(request, required)


authorize_from_afar = _AuthorizeFromAfar()


def is_nearby(request: Request) -> bool:
    """Say whether a request began on this machine.

    To call from a loopback address is not enough: what a proxy on this machine passes on does so too, and so does a
    page in a browser here whose name was made to point here. Such requests carry the name that was asked for, or traces
    of the proxy.
    """
    headers, peer = request.headers, request.client
    return (
        peer is not None
        and _is_loopback(peer.host)
        and _NAMED.fullmatch(headers.get("host", "")) is not None
        and not any(name in headers for name in _PASSED_ON)
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
