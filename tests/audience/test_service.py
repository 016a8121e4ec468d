"""On the service's own tables: SQL and evaluator agree about real customers, whatever field is asked for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from crm_api.audience import Audience, Catalog, Moment, condition, with_segment_ids
from crm_api.audience.evaluate import judge
from crm_api.audience.load_facts import FactLoader
from crm_api.core.clock import written
from crm_api.core.db import Database
from crm_api.core.read import Prepared
from crm_api.customers.models import Customer

from ..calling import Api
from ..segments.conftest import Builder
from .test_parse_text import read

MOMENT = Moment(datetime(2026, 3, 1, 4, 30, tzinfo=UTC), ZoneInfo("America/New_York"))
"""It is the last hour of 28 February for the business; in Kiritimati it is 1 March already."""
PRODUCTS = (
    {"sku": "steak", "name": "Rib Eye", "department": "GROCERY", "category": "MEAT", "product_type": "BEEF"},
    {"sku": "milk", "name": "Milk 1 l", "brand": "Acme", "department": "GROCERY", "category": "DAIRY"},
    {"sku": "lamp", "name": "Lamp", "department": "HOME", "size": "40 cm"},
)
CUSTOM_FIELDS = {"color": "text", "size": "integer", "weight": "number", "renews": "date", "member": "boolean"}
PEOPLE: tuple[dict[str, Any], ...] = (
    {
        "kind": "person",
        "display_name": "Ann Lee",
        "given_name": "Ann",
        "birth_date": "2000-02-29",
        "language": "de",
        "time_zone": "Pacific/Kiritimati",
        "tags": ["VIP", "new"],
        "addresses": [{"city": "Köln", "region": "NRW", "postal_code": "50667", "country": "DE"}],
        "contact_points": [
            {"kind": "email", "value": "ann@mail.example.com"},
            {"kind": "phone", "value": "+12025550123"},
        ],
        "custom_fields": {"color": "red", "size": 42, "weight": 1.5, "renews": "2026-03-05", "member": True},
    },
    {"kind": "organization", "display_name": "Acme", "organization_name": "Acme", "time_zone": "Pacific/Pago_Pago"},
    {
        "kind": "person",
        "display_name": "Bob",
        "birth_date": "1980-03-03",
        "custom_fields": {"size": -1, "member": False},
    },
    {"kind": "person", "display_name": "Zoe", "external_ids": [{"system": "shop", "external_id": "4711"}]},
)


@pytest.fixture
async def planted(api: Api) -> list[str]:
    """Four customers with everything that can be asked for, and a segment; answers their ids."""
    for key, kind in CUSTOM_FIELDS.items():
        await api.post("/v1/fields", {"key": key, "type": kind}, expect=201)
    for product in PRODUCTS:
        await api.post("/v1/products", product, expect=201)
    ids = [str((await api.post("/v1/customers", person, expect=201))["id"]) for person in PEOPLE]
    for number, days, lines in (
        (0, 1, [("steak", "2", "30.00"), ("milk", "1", "10.00")]),
        (0, 40, [("lamp", "1", "60.00"), ("gone", "1", "0.00")]),
        (2, 400, [("milk", "0.5", "1.00")]),
    ):
        total = f"{sum(float(paid) for *_, paid in lines):.2f}"
        await touch(
            api,
            ids[number],
            "order.placed",
            days,
            amount={"amount": total, "currency": "EUR"},
            channel="web",
            items=[{"sku": sku, "quantity": quantity, "paid_amount": paid} for sku, quantity, paid in lines],
        )
    for number, path in enumerate(("/bikes/1", "/bikes/2", "/Bikes/3", 7, None)):
        await touch(api, ids[0], "page.viewed", number, properties={"path": path, "n": number})
    sent = {"subject": "Spring Sale", "cost": {"amount": "0.01", "currency": "EUR"}, "campaign": "spring"}
    await touch(api, ids[1], "email.sent", 3, **sent)
    wish = {"customer_id": ids[0], "channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
    await api.post("/v1/consents", wish, expect=201)
    builder = Builder(api)
    await builder.build(await builder.define("Germans", {"field": "country", "eq": "DE"}))
    return ids


async def touch(api: Api, customer_id: str, kind: str, days_ago: int, **told: Any) -> None:
    """Record a touchpoint so many days ago."""
    at = written(MOMENT.now - timedelta(days=days_ago))
    wish = {"customer_id": customer_id, "kind": kind, "occurred_at": at, **told}
    await api.post("/v1/touchpoints", wish, expect=201)


@pytest.fixture
async def catalog(app: FastAPI, database: Database, planted: list[str]) -> AsyncIterator[Catalog]:
    """The catalog as it is once everything is planted."""
    living = app.state.catalog
    yield living.at(await database.reader.row(living.declarations) or ())


async def both(database: Database, catalog: Catalog, tree: Audience) -> set[str]:
    """Ask PostgreSQL and the evaluator; answers the names of whom both choose."""
    statement = select(Customer.customer_id, Customer.display_name)
    everyone = {UUID(row[0]): row[1] for row in await database.reader.rows(Prepared(statement))}
    found = await database.reader.rows(Prepared(statement.where(condition(tree, catalog, MOMENT))))
    facts = await FactLoader([tree], catalog).load(database.reader, list(everyone), MOMENT)
    verdict = judge(tree, catalog)
    judged = {everyone[customer_id] for customer_id, each in facts.items() if verdict.holds(each)}
    assert judged == {row[1] for row in found}, tree
    return judged


async def test_both_know_every_field(database: Database, catalog: Catalog) -> None:
    known = 0
    for field in catalog:
        if "known" in field.offered and not field.is_context:
            some = await both(database, catalog, read(f"`{field.name}` is known"))
            none = await both(database, catalog, read(f"`{field.name}` is unknown"))
            assert some | none == {"Ann Lee", "Acme", "Bob", "Zoe"} and not some & none
            known += bool(some)
    assert known > 20


TEXTS: dict[str, set[str]] = {
    'display_name like "A*"': {"Ann Lee", "Acme"},
    'email = "ANN@mail.example.com" and phone like "+1*" and known_in has "shop"': set(),
    'known_in has "shop"': {"Zoe"},
    'tags has "vip" and postal_code like "506*" and region = "nrw"': {"Ann Lee"},
    'custom.color = "RED" and custom.size = 42 and custom.weight < 1.6 and custom.member = true': {"Ann Lee"},
    "custom.size < 0 and custom.member = false": {"Bob"},
    "custom.renews within next 30 days": {"Ann Lee"},
    "custom.renews within last 30 days": set(),
    "custom.renews anniversary within next 12 months": set(),
    "age >= 40": {"Bob"},
    "age between 25 and 26": {"Ann Lee"},
    "not age >= 26": {"Acme", "Zoe"},
    "birthday within next 1 day": set(),
    'birthday within next 1 day leap "03-01"': {"Ann Lee"},
    "birthday within next 4 days": {"Bob"},
    "birthday within next 3 days": set(),
    "created_at >= 2026-03-02 and not created_at within last 12 months": {"Ann Lee", "Acme", "Bob", "Zoe"},
    'consents("email", "marketing")': {"Ann Lee"},
    'consent.email.marketing != "granted"': set(),
    "count(page.viewed, last 14 days) >= 5": {"Ann Lee"},
    'count(page.viewed where properties.path like "/bikes/*", last 14 days) = 2': {"Ann Lee"},
    "count(page.viewed where properties.path = 7) = 1": {"Ann Lee"},
    'count(page.viewed where properties.path = "7") >= 1': set(),
    "count(page.viewed where properties.path is unknown) = 1": {"Ann Lee"},
    "count(page.viewed where properties.n between 1 and 2.5) = 2": {"Ann Lee"},
    'never(email.sent where subject like "Spring*" and cost = 0.01 EUR)': {"Ann Lee", "Bob", "Zoe"},
    'count(order.placed with items (category = "MEAT"), last 365 days) >= 1': {"Ann Lee"},
    'count(order.placed with items (category != "MEAT")) >= 1': {"Ann Lee", "Bob"},
    "count(order.placed with items (category is unknown and name is unknown)) >= 1": {"Ann Lee"},
    'count(order.placed with items (brand = "Acme" and quantity < 1)) >= 1': {"Bob"},
    'sum(items.paid of order.placed with items (department = "GROCERY")) = 40.00 EUR': {"Ann Lee"},
    "sum(items.quantity of order.placed, last 7 days) = 3": {"Ann Lee"},
    "sum(amount of order.placed where amount > 50.00 EUR) = 60.00 EUR": {"Ann Lee"},
    "average(amount of order.placed) = 50.00 EUR": {"Ann Lee"},
    "average(items.paid of order.placed) = 25.00 EUR": {"Ann Lee"},
    'share(items.paid of order.placed with items (category = "MEAT")) = 30%': {"Ann Lee"},
    'share(items.paid of order.placed with items (category = "MEAT")) = 0': {"Bob"},
    'not share(items.paid of order.placed with items (category = "MEAT")) >= 0': {"Acme", "Zoe"},
    "latest(order.placed) within last 7 days": {"Ann Lee"},
    "first(order.placed) < 2025-12-01": {"Bob"},
    "not latest(order.placed) within last 7 days and latest(order.placed) <= 2030-01-01": {"Bob"},
    'in_segment("germans")': {"Ann Lee"},
    'not bucket("a", 2) = 0 or bucket("a", 2) = 0': {"Ann Lee", "Acme", "Bob", "Zoe"},
}


async def test_both_choose_whom_a_text_means(database: Database, catalog: Catalog) -> None:
    for text, chosen in TEXTS.items():
        tree = await with_segment_ids(read(text), catalog, database.reader)
        assert await both(database, catalog, tree) == chosen, text
