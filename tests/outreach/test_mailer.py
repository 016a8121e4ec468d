"""The worker that hands messages over, with the service behind a socket and a real mail server: no message jams it."""

import asyncio
import email
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from crm_api.client import ApiClient
from crm_api.core.db import Database
from crm_api.outreach.message_schemas import MOST_BATCHES, MOST_CLAIMED
from crm_api.outreach.rendering import RenderRefused
from workers.gateways import HandOverUnknown, Outcome, SmtpGateway, SmtpServer
from workers.outreach import LANES, Mailer

from ..calling import Api
from ..gateways.scripted import scripted
from ..serving import served
from ..smtp_sink import SmtpSink
from .planting import campaign, readers, template
from .postman import Postman

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    """A mail server that does what it should."""
    with SmtpSink() as started:
        yield started


@pytest.fixture
async def working(app: FastAPI, credentials: tuple[str, str], clean: None) -> AsyncIterator[ApiClient]:
    """The client of a worker."""
    async with (
        served(app) as (host, port),
        ApiClient(f"http://{host}:{port}", *credentials, scope="jobs:work messages:work", patience_seconds=1) as client,
    ):
        yield client


@asynccontextmanager
async def mailing(client: ApiClient, gateway: Any) -> AsyncIterator[None]:
    """Let a mailer work meanwhile."""
    mailer = Mailer(client, gateway)
    running = asyncio.create_task(mailer.run())
    try:
        yield
    finally:
        mailer.stop()
        await running


async def launched(api: Api, words: dict[str, Any], code: str = "spring", **changed: Any) -> str:
    made = await campaign(api, await template(api, name=code, **words), code=code, **changed)
    await api.post(f"/v1/campaigns/{made}/launch", {}, expect=200)
    await Postman(api).plan()
    return made


async def counted(api: Api, made: str, seconds: float = 15) -> dict[str, Any]:
    """Wait until a campaign is through."""
    async with asyncio.timeout(seconds):
        while (await api.get(f"/v1/campaigns/{made}"))["status"] != "finished":
            await asyncio.sleep(0.05)
    counts: dict[str, Any] = await api.get(f"/v1/campaigns/{made}/counts")
    return counts


def read(mail: bytes) -> EmailMessage:
    message = email.message_from_bytes(mail, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def link(url: str) -> str:
    return f'<a href="{url}">x</a>'


@pytest.mark.parametrize(
    "words",
    [
        {"subject": "x" * 500},
        {"html": "".join(link(f"https://shop.example/{number}") for number in range(250))},
        {"html": link("https://shop.example/a b") + link("HTTPS://shop.example/") + link("https://shop.example/c")},
        {"html": link("https://shop.example/" + "a" * 2_500)},
        {"html": "".join(link(f"https://shop.example/{number}/{'a' * 990}") for number in range(150))},
        {"html": "<![if !mso]>" + link("https://shop.example/ü?a=ü&amp;b") + "<![endif]>"},
    ],
    ids=["long-subject", "many-links", "odd-links", "long-link", "many-long-links", "conditional"],
)
async def test_whatever_can_be_saved_can_be_sent(
    api: Api, working: ApiClient, sink: SmtpSink, words: dict[str, Any]
) -> None:
    await readers(api, 20)
    async with mailing(working, SmtpGateway(SmtpServer.at(sink.url))):
        made = await launched(api, words)
        counts = await counted(api, made)
    assert (counts["planned"], counts["sent"]) == (20, 20)
    assert set(sink.counts().values()) == {1}


async def test_links_beyond_what_is_followed_lead_where_they_lead(
    api: Api, working: ApiClient, sink: SmtpSink, anonymous: Api
) -> None:
    await readers(api, 1)
    html = "".join(link(f"https://shop.example/{number}") for number in range(201)) + link("https://shop.example/7")
    async with mailing(working, SmtpGateway(SmtpServer.at(sink.url))):
        await counted(api, await launched(api, {"html": html}))
    part = read(sink.accepted[0].content).get_body(("html",))
    assert part is not None
    found = [piece.partition('"')[0] for piece in str(part.get_content()).split('href="')[1:]]
    assert [url for url in found if "/p/click/" not in url] == ["https://shop.example/200"]
    assert found[201] == found[7], "what is followed once is followed everywhere"
    path = found[199].partition("/p/click/")[2]
    assert (await anonymous.client.get(f"/p/click/{path}")).headers["location"] == "https://shop.example/199"


@pytest.mark.parametrize("domain", ["bücher.example", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example", "straße.example"])
async def test_senders_of_any_domain_can_write(api: Api, working: ApiClient, sink: SmtpSink, domain: str) -> None:
    await readers(api, 2)
    async with mailing(working, SmtpGateway(SmtpServer.at(sink.url))):
        sender = {"name": "Shop", "address": f"news@{domain}"}
        counts = await counted(api, await launched(api, {}, sender=sender))
    assert counts["sent"] == 2
    assert len({each.message_id for each in sink.accepted}) == 2
    assert all(each.message_id.isascii() for each in sink.accepted)
    if not domain.isascii():
        assert b"@xn--" in sink.accepted[0].content


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"RCPT": "550 5.1.1 \udcff\x00\x7f no such user \udce4"}, "bounced"),
        ({"MAIL": "554 5.7.1 \x1b[31mgo away\udcff"}, "failed"),
        ({"message": "554 5.6.0 \udcff\udcfe\x01"}, "failed"),
    ],
)
async def test_a_server_may_say_anything(api: Api, working: ApiClient, answers: dict[str, str], reason: str) -> None:
    await readers(api, 1)
    async with scripted(**answers) as (place, _), mailing(working, SmtpGateway(SmtpServer.at(f"smtp://{place}"))):
        made = await launched(api, {})
        counts = await counted(api, made)
    assert counts["reasons"] == {reason: 1}
    [message] = (await api.get(f"/v1/messages?campaign_id={made}"))["data"]
    assert message["detail"].isprintable()


class Breaking:
    """A gateway that breaks at some recipients, as no gateway should."""

    name, can_look_up = "breaking", False

    def __init__(self, errors: dict[str, Exception]) -> None:
        self._errors = errors

    async def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Hand over, or break."""
        if error := self._errors.get(recipient):
            raise error
        await asyncio.sleep(0.1)
        return Outcome("sent", 250, "fine")

    def begin_no_more(self) -> None:
        """Go on."""

    async def look_up(self, message_id: str) -> bool:
        """Answer no."""
        return False

    async def close(self) -> None:
        """There is nothing to let go of."""


class BreakingAtOnce(Breaking):
    """A gateway that breaks before there is anything to wait for."""

    def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Awaitable[Outcome]:
        """Break, or hand over."""
        if error := self._errors.get(recipient):
            raise error
        return super().hand_over(message, sender, recipient, until)


@pytest.mark.parametrize("breaking", [Breaking, BreakingAtOnce])
async def test_what_breaks_in_a_gateway_is_one_message_alone(
    api: Api, working: ApiClient, breaking: type[Breaking]
) -> None:
    await readers(api, 5)
    errors: dict[str, Exception] = {
        "reader1@mail.example.com": RuntimeError("broken"),
        "reader3@mail.example.com": HandOverUnknown("silent"),
    }
    async with mailing(working, breaking(errors)):
        counts = await counted(api, await launched(api, {}))
    assert (counts["sent"], counts["unknown"]) == (3, 2)


class Holding(Breaking):
    """A gateway that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__({})
        self.begun, self.answers = 0, asyncio.Event()

    async def hand_over(self, message: bytes, sender: str, recipient: str, until: float) -> Outcome:
        """Wait, and have taken it."""
        self.begun += 1
        await self.answers.wait()
        return Outcome("sent", 250, "fine")


async def queued(database: Database) -> dict[str, int]:
    """Count what is in the queue, by state."""
    async with database.session() as session:
        found = await session.execute(text("SELECT state, count(*) AS number FROM message_due GROUP BY state"))
        return {each.state: each.number for each in found}


async def test_a_worker_that_stops_ends_what_it_began_and_gives_the_rest_back(
    api: Api, working: ApiClient, database: Database
) -> None:
    most = LANES * MOST_BATCHES * MOST_CLAIMED
    await readers(api, most + 30)
    made = await launched(api, {})
    holding = Holding()
    async with mailing(working, holding):
        try:
            async with asyncio.timeout(20):
                while await queued(database) != {"handing_over": most, "claimed": 30} or holding.begun < most:
                    await asyncio.sleep(0.05)
        finally:
            asyncio.get_running_loop().call_later(0.2, holding.answers.set)
    assert await queued(database) == {"waiting": 30}
    assert (await api.get(f"/v1/campaigns/{made}/counts"))["sent"] == most


async def test_a_worker_that_stops_does_not_wait_for_a_slow_mail_server(
    api: Api, working: ApiClient, sink: SmtpSink, database: Database
) -> None:
    sink.behavior.delay_seconds = 0.5
    await readers(api, 50)
    made = await launched(api, {})
    async with asyncio.timeout(10):
        async with mailing(working, SmtpGateway(SmtpServer.at(sink.url), connections=2)):
            while await queued(database) != {"handing_over": 50} or not sink.accepted:
                await asyncio.sleep(0.05)
    counts = await api.get(f"/v1/campaigns/{made}/counts")
    assert counts["sent"] == len(sink.accepted) == sum(sink.counts().values())
    assert await queued(database) == {"waiting": 50 - counts["sent"]}
    async with database.session() as session:
        assert set(await session.scalars(text("SELECT attempt FROM message_due"))) == {0}


class Forgetful(Breaking):
    """A gateway that could be asked, and does not answer."""

    can_look_up = True

    async def look_up(self, message_id: str) -> bool:
        """Break."""
        raise OSError("no such file")


async def test_what_cannot_be_looked_up_now_holds_up_no_other(api: Api, working: ApiClient, database: Database) -> None:
    await readers(api, 5)
    made = await launched(api, {})
    postman = Postman(api, gateway="breaking", can_look_up=True)
    [stuck] = await postman.begin(await postman.claim(limit=1))
    await postman.claim(limit=4)
    async with database.session() as session:
        await session.execute(text("UPDATE message_due SET leased_until = now() - interval '1 second'"))
    async with mailing(working, Forgetful({})), asyncio.timeout(15):
        while (await api.get(f"/v1/campaigns/{made}/counts"))["sent"] < 4:
            await asyncio.sleep(0.05)
    messages = (await api.get(f"/v1/messages?campaign_id={made}"))["data"]
    assert {message["id"]: message["state"] for message in messages}[stuck] == "handing_over"


async def test_what_breaks_while_it_is_composed_is_one_message_alone(
    api: Api, working: ApiClient, sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known to break there; were something found, it would come back again and again, before all others."""
    from workers.gateways import mime

    compose = mime.compose

    def breaking(envelope: mime.Envelope, content: Any) -> bytes:
        if envelope.recipient[0] == "Reader 0":
            raise KeyError("Reader 0")
        if envelope.recipient[0] == "Reader 1":
            raise RenderRefused("output-too-long", "too much")
        return compose(envelope, content)

    monkeypatch.setattr(mime, "compose", breaking)
    await readers(api, 4)
    async with mailing(working, SmtpGateway(SmtpServer.at(sink.url))):
        counts = await counted(api, await launched(api, {}))
    assert (counts["sent"], counts["reasons"]) == (2, {"template-invalid": 1, "output-too-long": 1})
