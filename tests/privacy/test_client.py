"""The typed calls about consents, against the service itself."""

from collections.abc import AsyncIterator

import orjson
import pytest
from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.access import SCOPES
from crm_api.client import ApiClient, ApiProblem
from crm_api.client import consents as calls

from ..calling import Api
from .planting import LATER, register, said


async def test_from_purpose_to_suppression(app: FastAPI, api: Api, credentials: tuple[str, str]) -> None:
    ann = await register(api)

    async def lines() -> AsyncIterator[bytes]:
        yield orjson.dumps(said(ann, purpose="news", state="withdrawn", occurred_at=LATER)) + b"\n"

    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        assert (await calls.put_purpose(client, "news", {"label": "News"})).result == "created"
        assert (await calls.get_purpose(client, "news")).needs_consent
        assert [each.name for each in (await calls.list_purposes(client)).data] == ["marketing", "news", "service"]
        line = await calls.record_consent(client, said(ann, purpose="news"), idempotency_key="k")
        assert (line.result, line.is_current) == ("created", True)
        assert [line async for line in calls.load_consents(client, lines)][-1]["summary"]["created"] == 1
        ledger = await calls.list_consents(client, customer_id=ann, channel="email")
        assert [each.state for each in ledger.data] == ["granted", "withdrawn"]
        [now] = [each for each in (await calls.read_consents(client, ann)).data if each.state is not None]
        assert (now.purpose, now.channel, now.is_allowed) == ("news", "email", False)
        put = await calls.suppress(client, "email", "a+b/c?d@example.com", "by letter")
        assert (put.address, put.result) == ("a+b/c?d@example.com", "created")
        assert [each.detail for each in (await calls.list_suppressions(client, kind="email")).data] == ["by letter"]
        await calls.lift(client, "email", "A+B/c?d@example.com", "asked & answered")
        with pytest.raises(ApiProblem, match="suppress"):
            await calls.lift(client, "email", "a+b/c?d@example.com", "twice")
