"""Typed calls about customers, against the real service."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx import ASGITransport

from crm_api.client import ApiClient, ApiProblem, customers, households

SCOPE = "customers:read customers:write fields:read fields:write households:read households:write"


@pytest.fixture
async def client(app: FastAPI, clean: None, credentials: tuple[str, str]) -> AsyncIterator[ApiClient]:
    """A session on an empty CRM."""
    async with ApiClient("http://crm.test", *credentials, transport=ASGITransport(app), scope=SCOPE) as opened:
        yield opened


async def test_a_customer_from_beginning_to_end(client: ApiClient) -> None:
    made = await customers.register_customer(client, {"given_name": "Ann"}, idempotency_key="a")
    assert await customers.get_customer(client, made.id) == made
    put = await customers.upsert_customer(client, "shop", "a/1", {"given_name": "Bo"})
    assert (put.result, put.display_name) == ("created", "Bo")
    assert (await customers.get_customer_by(client, "shop", "a/1")).id == put.id
    changed = await customers.change_customer(client, made.id, {"tags": ["x"]}, version=1)
    assert (changed.version, changed.tags) == (2, ["x"])
    with pytest.raises(ApiProblem) as caught:
        await customers.change_customer(client, made.id, {"tags": []}, version=1)
    assert caught.value.code == "version-mismatch"
    assert (await customers.archive_customer(client, made.id)).archived_at is not None
    assert (await customers.restore_customer(client, made.id)).archived_at is None


async def test_customers_are_found_and_streamed(client: ApiClient) -> None:
    field = await customers.declare_field(client, {"key": "g_size", "type": "integer"})
    assert field in (await customers.list_fields(client, source="custom")).data
    lines = [{"display_name": f"C{number}", "custom_fields": {"g_size": number}} for number in range(3)]

    async def chunks() -> AsyncIterator[bytes]:
        for line in lines:
            yield json.dumps(line).encode() + b"\n"

    [summary] = [line async for line in customers.load_customers(client, chunks)]
    assert summary["summary"]["created"] == 3
    page = await customers.list_customers(client, sort="display_name", limit=2)
    assert [each.display_name for each in page.data] == ["C0", "C1"]
    found = await customers.search_customers(client, {"field": "custom.g_size", "gte": 1}, count="exact")
    assert found.count == 2
    table = b"".join([part async for part in customers.stream_customers(client)])
    assert len(table.splitlines()) == 4
    job = await customers.act_on_customers(client, "custom.g_size >= 1", "tag", add_tags=["g"], dry_run=True)
    assert (job.kind, job.arguments["add_tags"], job.arguments["dry_run"]) == ("customer-action", ["g"], True)


async def test_a_household_from_beginning_to_end(client: ApiClient) -> None:
    ann, ben = [await customers.register_customer(client, {"given_name": name}) for name in ("Ann", "Ben")]
    made = await households.form_household(client, "Main Street 5", [ann.id])
    joined = await households.join_household(client, made.id, ben.id)
    assert [member.customer_id for member in joined.members] == [ann.id, ben.id]
    assert (await households.rename_household(client, made.id, None, version=2)).name is None
    await households.leave_household(client, made.id, ann.id)
    assert (
        await households.get_household(client, made.id)
        == (await households.list_households(client, customer_id=str(ben.id))).data[0]
    )
    await households.dissolve_household(client, made.id)
    with pytest.raises(ApiProblem) as caught:
        await households.get_household(client, made.id)
    assert caught.value.code == "household-not-found"
