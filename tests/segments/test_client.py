"""The typed calls about segments, against the service itself."""

from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.access import SCOPES
from crm_api.audience import write_tree
from crm_api.client import ApiClient
from crm_api.client import segments as calls

from ..calling import Api
from .conftest import Builder, Register

GERMANS = {"field": "country", "eq": "DE"}


async def test_from_definition_to_members(
    app: FastAPI, api: Api, credentials: tuple[str, str], builder: Builder, register: Register
) -> None:
    ann = await register("Ann", country="DE")
    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        assert (await calls.preview_segment(client, GERMANS)).count == 1
        made = await calls.define_segment(client, "Germans", GERMANS, idempotency_key="k")
        job = await calls.build_segment(client, made.id)
        [claimed] = await builder.worker.claim()
        assert claimed["id"] == str(job.id)
        await builder.finish(claimed)
        assert (await calls.get_segment(client, made.id)).member_count == 1
        nested = await calls.define_segment(client, "Nested", {"segment": str(made.id)})
        assert (await calls.get_segment(client, nested.id)).definition_text == f'in_segment("{made.id}")'
        assert (await calls.preview_segment(client, f'in_segment("{made.id}")')).count == 1
        changed = await calls.change_segment(client, nested.id, {"description": "x"}, if_match='"1"')
        assert changed.version == 2
        assert len((await calls.list_versions(client, nested.id)).data) == 1
        assert [each.display_name for each in (await calls.list_members(client, made.id)).data] == ["Ann"]
        lines = b"".join([chunk async for chunk in calls.stream_members(client, made.id)])
        assert lines.count(b"\n") == 1
        [entry] = (await calls.list_segments_of_customer(client, ann)).data
        assert entry.segment_id == made.id
        told = await calls.explain_segment(client, nested.id, ann)
        assert told.meets_definition and told.explanation.value is True
        await calls.archive_segment(client, nested.id)
        assert [each.id for each in (await calls.list_segments(client)).data] == [made.id]


async def test_the_library_is_read_as_types(app: FastAPI, api: Api, credentials: tuple[str, str]) -> None:
    async with ApiClient("http://crm.test", *credentials, ASGITransport(app), scope=" ".join(SCOPES)) as client:
        [lapsed] = (await calls.list_library(client, key="lapsed", days=90)).data
        assert [(each.name, each.value) for each in lapsed.parameters] == [("orders", 2), ("days", 90)]
        made = await calls.define_segment(client, lapsed.name, write_tree(lapsed.definition))
        assert made.definition_text == lapsed.definition_text
