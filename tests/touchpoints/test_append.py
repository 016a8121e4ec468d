"""Touchpoints that the service itself appends, inside whatever transaction makes them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_api.core.db import Database
from crm_api.touchpoints.operations import append_touchpoints
from crm_api.touchpoints.schemas import TouchpointCreate

from ..calling import Api
from .planting import register

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def told(customer: str | None, name: str, subject: str = "Hello") -> TouchpointCreate:
    """A touchpoint of the service's own."""
    return TouchpointCreate(
        customer_id=None if customer is None else UUID(customer),
        kind="email.sent",
        channel="email",
        direction="outbound",
        occurred_at=AT,
        source="messages",
        source_id=name,
        subject=subject,
        properties={"message_id": name},
        items=[],
    )


async def test_they_read_like_any_other(api: Api, database: Database) -> None:
    ann, ben = await register(api), await register(api)
    async with database.session() as session:
        await append_touchpoints(session, [told(ann, "1"), told(ben, "1"), told(ann, "2")], by="worker")
    page = await api.get(f"/v1/customers/{ann}/timeline?expand=items", expect=200)
    assert {(each["source_id"], each["recorded_by"], each["subject"]) for each in page["data"]} == {
        ("1", "worker", "Hello"),
        ("2", "worker", "Hello"),
    }
    wish = told(ann, "1").model_dump(mode="json", exclude={"customer", "items"}, exclude_none=True)
    assert (await api.post("/v1/touchpoints", wish, expect=200))["result"] == "repeated", "the same content and id"


async def test_what_is_there_stays_as_it_is(api: Api, database: Database) -> None:
    ann = await register(api)
    async with database.session() as session:
        await append_touchpoints(session, [], by="worker")
        await append_touchpoints(session, [told(ann, "1"), told(ann, "1", "Bye")], by="worker")
        await append_touchpoints(session, [told(ann, "1", "Bye")], by="worker")
    [found] = (await api.get(f"/v1/customers/{ann}/timeline"))["data"]
    assert found["subject"] == "Hello"


async def test_who_is_meant_was_found_out_before(api: Api, database: Database) -> None:
    with pytest.raises(ValueError, match="by id"):
        async with database.session() as session:
            await append_touchpoints(session, [told(None, "1")], by="worker")
