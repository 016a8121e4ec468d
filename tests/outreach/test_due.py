"""A campaign whose time comes starts by itself: with a real worker, also when Redis has forgotten everything."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ..live import Service
from ..smtp_sink import SmtpSink
from .planting import campaign, readers, template

pytestmark = pytest.mark.xdist_group("live")
ZONE = ZoneInfo("America/New_York")
PEOPLE = 3


@pytest.fixture(scope="module")
async def sending(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Service, SmtpSink]]:
    """One service whose messages end in a mail server, with customers who agreed."""
    with SmtpSink() as sink:
        environment = {"CRM_EMAIL_GATEWAY": "smtp", "CRM_SMTP_URL": sink.url, "CRM_SMTP_STARTTLS": "never"}
        async with Service(tmp_path_factory.mktemp("service"), environment=environment) as service:
            async with service.caller() as api:
                await readers(api, PEOPLE)
            yield service, sink


@pytest.mark.parametrize("flushed", [False, True], ids=["usually", "redis-flushed"])
async def test_a_campaign_starts_when_it_is_due(sending: tuple[Service, SmtpSink], flushed: bool) -> None:
    service, sink = sending
    before = len(sink.accepted)
    async with service.caller() as api:
        code = f"due-{flushed}".lower()
        made = await campaign(api, await template(api, name=code), code=code)
        at = datetime.now(ZONE).replace(microsecond=0) + timedelta(seconds=4)
        await api.post(f"/v1/campaigns/{made}/launch", {"launch_at": f"{at:%Y-%m-%dT%H:%M:%S}"}, expect=200)
        if flushed:
            service.flush_redis()
        async with asyncio.timeout(60):
            while len(sink.accepted) == before:
                await asyncio.sleep(0.1)
        assert datetime.now(ZONE) >= at, "nobody is written to before the time has come"
        async with asyncio.timeout(60):
            while (await api.get(f"/v1/campaigns/{made}"))["status"] != "finished":
                await asyncio.sleep(0.1)
        counts = await api.get(f"/v1/campaigns/{made}/counts")
    assert (counts["planned"], counts["sent"]) == (PEOPLE, PEOPLE)
    assert len(sink.accepted) == before + PEOPLE
