"""A mail server, a gateway to it, and mails to send."""

import time
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from crm_api.outreach.rendering import Rendered
from workers.gateways import SmtpGateway, SmtpServer
from workers.gateways.mime import Envelope, compose

from ..smtp_sink import SmtpSink

SENDER = "shop@example.com"
_NUMBERS = count(1)


def mail(text: str = "Hello\n", *, to: str = "ann@example.org") -> tuple[str, bytes]:
    """Make a message; answers its id too."""
    message_id = f"m{next(_NUMBERS)}@crm.example"
    return message_id, compose(Envelope(message_id, ("Shop", SENDER), ("Ann", to)), Rendered("Hi", text, None))


def soon(seconds: float = 10.0) -> float:
    """By when an answer is needed."""
    return time.monotonic() + seconds


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A mail server that does what it should, until told otherwise."""
    with SmtpSink() as started:
        yield started


@pytest.fixture
async def gateway(sink: SmtpSink) -> AsyncIterator[SmtpGateway]:
    """A gateway to it."""
    made = SmtpGateway(SmtpServer.at(sink.url), connections=3)
    yield made
    await made.close()
