"""Consent as a field of audiences: in the catalog, in search, in segments, in decisions; and the SQL of who may be
contacted.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from crm_api.core.db import Database
from crm_api.customers.models import Customer
from crm_api.privacy.queries import is_allowed
from crm_api.privacy.schemas import CHANNELS

from ..calling import Api, problem
from ..segments.conftest import Builder
from .planting import LATER, load, register, report, said, standing

GRANTED = {"field": "consent.email.marketing", "eq": "granted"}


@pytest.fixture
async def said_by(api: Api) -> dict[str, str]:
    """Three customers: one granted, one withdrew, of one nothing is known."""
    customers = {name: await register(api, display_name=name) for name in ("Ann", "Ben", "Cleo")}
    await report(api, customers["Ann"])
    await report(api, customers["Ben"])
    await report(api, customers["Ben"], state="withdrawn", occurred_at=LATER)
    await report(api, customers["Cleo"], channel="sms")
    return customers


async def found(api: Api, audience: dict[str, Any]) -> list[str]:
    wish = {"audience": audience, "sort": "display_name"}
    page = await api.post("/v1/customers/search", wish, expect=200)
    return [each["display_name"] for each in page["data"]]


async def test_every_purpose_has_a_field_for_each_channel(api: Api) -> None:
    page = await api.get("/v1/fields?source=consent", expect=200)
    names = [f"consent.{channel}.{purpose}" for channel in CHANNELS for purpose in ("marketing", "service")]
    assert [each["name"] for each in page["data"]] == sorted(names)
    field = await api.get("/v1/fields/consent.email.marketing", expect=200)
    assert (field["type"], field["choices"], field["source"]) == ("choice", ["granted", "withdrawn"], "consent")
    assert field["operators"] == ["eq", "ne", "in", "known"]
    assert field["label"] == "Consent to Marketing by e-mail"
    await api.put("/v1/purposes/newsletter", {"label": "News"}, expect=201)
    assert (await api.get("/v1/fields/consent.push.newsletter", expect=200))[
        "label"
    ] == "Consent to News by push message"
    await api.post("/v1/fields", {"key": "color", "type": "text"}, expect=201)
    assert {"custom.color", "consent.push.newsletter"} <= {
        each["name"] for each in (await api.get("/v1/fields"))["data"]
    }


@pytest.mark.parametrize(
    ("audience", "names"),
    [
        (GRANTED, ["Ann"]),
        ({"field": "consent.email.marketing", "eq": "withdrawn"}, ["Ben"]),
        ({"field": "consent.email.marketing", "ne": "withdrawn"}, ["Ann"]),
        ({"field": "consent.email.marketing", "in": ["granted", "withdrawn"]}, ["Ann", "Ben"]),
        ({"field": "consent.email.marketing", "known": False}, ["Cleo"]),
        ({"field": "consent.email.service", "known": True}, []),
        ({"not": GRANTED}, ["Ben", "Cleo"]),
        ({"any": [GRANTED, {"field": "consent.sms.marketing", "eq": "granted"}]}, ["Ann", "Cleo"]),
        ({"count": {"touchpoint": "consent.withdrawn"}, "gte": 1}, ["Ben"]),
    ],
)
async def test_customers_are_found_by_what_they_said(
    api: Api, said_by: dict[str, str], audience: dict[str, Any], names: list[str]
) -> None:
    assert await found(api, audience) == names


@pytest.mark.parametrize(
    ("audience", "pointer", "hint"),
    [
        ({"field": "consent.email.marketting", "eq": "granted"}, "/audience/field", "consent.email.marketing"),
        ({"field": "consent.email.marketing", "eq": "yes"}, "/audience/eq", "granted, withdrawn"),
        ({"field": "consent.email.marketing", "like": "g*"}, "/audience/like", "eq, ne, in, known"),
    ],
)
async def test_wrong_questions_are_told_where(api: Api, audience: dict[str, Any], pointer: str, hint: str) -> None:
    refused = await api.post("/v1/customers/search", {"audience": audience}, expect=problem("invalid-audience", 422))
    assert [each["pointer"] for each in refused["errors"]] == [pointer]
    assert hint in refused["detail"]


@pytest.fixture
async def builder(api: Api) -> AsyncIterator[Builder]:
    """A builder of segments."""
    yield Builder(api)


async def test_a_segment_is_built_over_consent(api: Api, builder: Builder, said_by: dict[str, str]) -> None:
    segment = await builder.define("May be mailed", GRANTED)
    await builder.build(segment)
    assert await builder.members(segment) == ["Ann"]
    await load(api, said(said_by["Ann"], state="withdrawn", occurred_at=LATER), said(said_by["Cleo"]))
    await builder.build(segment)
    assert await builder.members(segment) == ["Cleo"]
    told = await api.post("/v1/segments/preview", {"definition": GRANTED}, expect=200)
    assert (told["count"], told["depends_on"]) == (1, ["consent"])


async def test_offers_of_one_shape_keep_their_channels_and_purposes_apart(api: Api, said_by: dict[str, str]) -> None:
    for channel, purpose in (("email", "marketing"), ("sms", "marketing"), ("email", "service")):
        wish = {
            "code": f"{channel}-{purpose}",
            "name": "x",
            "status": "live",
            "channels": {"email": {"title": "x"}},
            "eligibility": {"field": f"consent.{channel}.{purpose}", "eq": "granted"},
        }
        await api.post("/v1/offers", wish, expect=201)
    chosen = {}
    for name, customer in said_by.items():
        decision = await api.post("/v1/decisions", {"customer_id": customer, "channel": "email"}, expect=201)
        chosen[name] = [each["code"] for each in decision["chosen"]]
    assert chosen == {"Ann": ["email-marketing"], "Ben": [], "Cleo": ["sms-marketing"]}


async def test_a_purpose_declared_a_moment_ago_is_asked_for_at_once(api: Api, app: FastAPI) -> None:
    ann = await register(api, display_name="Ann")
    audience = {"field": "consent.letter.news", "eq": "granted"}
    await api.post("/v1/customers/search", {"audience": audience}, expect=problem("invalid-audience", 422))
    await api.put("/v1/purposes/news", {"label": "News"}, expect=201)
    await report(api, ann, channel="letter", purpose="news")
    assert await found(api, audience) == ["Ann"]


@pytest.mark.parametrize("purpose", ["marketing", "service"])
async def test_the_condition_says_what_the_api_says(
    api: Api, database: Database, said_by: dict[str, str], purpose: str
) -> None:
    await report(api, said_by["Cleo"], purpose="service", state="withdrawn")
    asked = is_allowed(Customer.customer_id, "email", purpose, needs_consent=purpose == "marketing")
    async with database.session() as session:
        allowed = set((await session.scalars(select(Customer.customer_id).where(asked))).all())
    for customer in said_by.values():
        assert (UUID(customer) in allowed) is (await standing(api, customer, purpose=purpose))[2]
    assert len(allowed) == {"marketing": 1, "service": 2}[purpose]
