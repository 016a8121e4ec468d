"""The typed calls about advertising, against the service itself."""

from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.access import SCOPES
from crm_api.client import ApiClient
from crm_api.client import advertising as calls

from .conftest import Advertiser, sha256


async def test_from_opening_to_ending(app: FastAPI, ads: Advertiser, credentials: tuple[str, str]) -> None:
    await ads.register("ann", "email")
    await ads.open()
    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        opened = await calls.open_audience(client, ads.segment, "Google", "marketing", ["email"], phone_form="e164")
        export = await calls.request_export(client, opened.id)
        await ads.builder.finish(await ads.builder.worker.claim_one(job_id=str(export.job_id)))
        assert (await calls.get_export(client, opened.id, export.number)).addition_count == 1
        lines = [line async for line in calls.stream_identifiers(client, opened.id, export.number)]
        assert [(line.change, line.identifier, line.sha256) for line in lines] == [
            ("addition", "email", sha256("ann@example.com"))
        ]
        assert (await calls.acknowledge_export(client, opened.id, export.number)).status == "acknowledged"
        assert (await calls.end_audience(client, opened.id)).ended_at is not None
