"""One touchpoint: what is recorded, what is repeated, what is a conflict, what is refused."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.ids import source_id_uuid
from crm_api.touchpoints.models import OrderItem, Touchpoint
from crm_api.touchpoints.operations.record import INSERT_AT_ONCE
from crm_api.touchpoints.operations.rows import COLUMNS, ITEM_COLUMNS, item_rows, row_of
from crm_api.touchpoints.rules import fact_of
from crm_api.touchpoints.schemas import TouchpointCreate

from ..calling import Api, problem
from .planting import AT, happening, order, register

FULL: dict[str, Any] = {
    "kind": "order.placed",
    "channel": "store",
    "direction": "inbound",
    "department": "sales",
    "occurred_at": "2026-01-31T10:30:00.250+01:00",
    "source": "till",
    "source_id": "receipt 1",
    "amount": {"amount": "12.3", "currency": "EUR"},
    "cost": {"amount": "1", "currency": "JPY"},
    "campaign": "spring",
    "subject": "Bought a bike\nand a bell",
    "properties": {"store": {"id": 12, "open": True, "tags": ["a", None, 1.5]}},
    "items": [
        {"line_number": 7, "sku": "bike", "quantity": "0.5", "paid_amount": "10", "list_amount": "11.5"},
        {"line_number": 3, "sku": "bell", "paid_amount": "-2.30"},
    ],
}


async def test_everything_comes_back_in_its_canonical_form(api: Api) -> None:
    customer = await register(api)
    made = await api.post("/v1/touchpoints", {"customer_id": customer, **FULL}, expect=201)
    assert made["result"] == "created"
    assert made["id"] == str(source_id_uuid("till", "receipt 1"))
    assert made["id"][14] == "8"
    assert made["recorded_by"] == "tests"
    assert {name: made[name] for name in FULL if name not in ("occurred_at", "amount", "items")} == {
        name: value for name, value in FULL.items() if name not in ("occurred_at", "amount", "items")
    }
    assert made["occurred_at"] == "2026-01-31T09:30:00.250000Z"
    assert made["amount"] == {"amount": "12.30", "currency": "EUR"}
    assert made["items"] == [
        {"line_number": 3, "sku": "bell", "quantity": "1.000", "paid_amount": "-2.30", "list_amount": "-2.30"},
        {"line_number": 7, "sku": "bike", "quantity": "0.500", "paid_amount": "10.00", "list_amount": "11.50"},
    ]
    read = await api.get(f"/v1/customers/{customer}/timeline/{made['id']}", expect=200)
    assert {**read, "result": "created"} == made


async def test_what_was_left_out_is_null_or_empty(api: Api) -> None:
    customer = await register(api)
    answer = await api.send("POST", "/v1/touchpoints", happening(customer), expect=201)
    made = answer.json()
    assert made["id"][14] == "7"
    assert answer.headers["location"] == f"/v1/customers/{customer}/timeline/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    nothing = ("channel", "direction", "department", "source", "source_id", "amount", "cost", "campaign", "subject")
    assert {made[name] for name in nothing} == {None}
    assert made["properties"] == {}
    assert made["items"] == []
    assert await api.get(answer.headers["location"]) == {name: made[name] for name in made if name != "result"}


async def test_a_customer_is_found_by_another_systems_id(api: Api) -> None:
    customer = await register(api, "47/11")
    wish = happening(customer={"system": "shop", "external_id": "47/11"})
    assert (await api.post("/v1/touchpoints", wish, expect=201))["customer_id"] == customer


async def test_archived_customers_still_have_a_timeline(api: Api) -> None:
    customer = await register(api)
    await api.send("POST", f"/v1/customers/{customer}/archive")
    await api.post("/v1/touchpoints", happening(customer), expect=201)
    assert len((await api.get(f"/v1/customers/{customer}/timeline"))["data"]) == 1


async def test_the_same_again_is_repeated_however_it_is_spelled(api: Api, database: Database) -> None:
    customer = await register(api, "a")
    first = await api.post("/v1/touchpoints", {"customer_id": customer, **FULL}, expect=201)
    respelled = {
        **FULL,
        "customer": {"system": "shop", "external_id": "a"},
        "occurred_at": "2026-01-31T04:30:00.25-05:00",
        "amount": {"currency": "EUR", "amount": "12.30"},
        "properties": {"store": {"tags": ["a", None, 1.5], "open": True, "id": 12}},
        "items": [{**FULL["items"][1], "quantity": "1.00", "list_amount": "-2.3"}, FULL["items"][0]],
    }
    again = await api.post("/v1/touchpoints", respelled, expect=200)
    assert again == {**first, "result": "repeated"}
    async with database.session() as session:
        events = (await session.scalars(text("SELECT type FROM outbox_event WHERE type LIKE 'touchpoint%'"))).all()
    assert events == ["touchpoint.recorded"]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "order.refunded"},
        {"channel": "web"},
        {"direction": None},
        {"department": "service"},
        {"occurred_at": "2026-01-31T10:30:00.251+01:00"},
        {"amount": {"amount": "12.31", "currency": "EUR"}},
        {"amount": {"amount": "12.30", "currency": "USD"}},
        {"cost": None},
        {"campaign": "summer"},
        {"subject": "Bought a bike"},
        {"properties": {}},
        {"items": FULL["items"][:1]},
        {"items": [{**FULL["items"][0], "quantity": "0.501"}, FULL["items"][1]]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_something_else_under_the_same_id_is_a_conflict(api: Api, change: dict[str, Any]) -> None:
    customer = await register(api)
    first = await api.post("/v1/touchpoints", {"customer_id": customer, **FULL}, expect=201)
    told = await api.post(
        "/v1/touchpoints", {"customer_id": customer, **FULL, **change}, expect=problem("touchpoint-conflict", 409)
    )
    assert told["stored"]["id"] == first["id"]
    assert told["stored"]["recorded_at"] == first["recorded_at"]
    assert told["sent"]["source_id"] == "receipt 1"
    read = await api.get(told["stored"]["href"])
    assert {**read, "result": "created"} == first


async def test_uniqueness_is_per_customer(api: Api) -> None:
    one, other = await register(api), await register(api)
    ids = [
        (await api.post("/v1/touchpoints", {"customer_id": each, **FULL}, expect=201))["id"] for each in (one, other)
    ]
    assert ids[0] == ids[1]


async def test_of_many_at_once_one_is_created(api: Api) -> None:
    customer = await register(api)
    answers = await api.race(8, "POST", "/v1/touchpoints", {"customer_id": customer, **FULL})
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["recorded_at"] for answer in answers}) == 1


async def test_without_a_source_id_each_one_is_new(api: Api) -> None:
    customer = await register(api)
    made = [await api.post("/v1/touchpoints", happening(customer, source="till"), expect=201) for _ in range(2)]
    assert made[0]["id"] != made[1]["id"]


async def test_an_idempotency_key_makes_the_answer_the_same(api: Api, database: Database) -> None:
    customer = await register(api)
    key = {"Idempotency-Key": "once"}
    first = await api.send("POST", "/v1/touchpoints", happening(customer), headers=key, expect=201)
    again = await api.send("POST", "/v1/touchpoints", happening(customer), headers=key, expect=201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    async with database.session() as session:
        owner = await session.scalar(text("SELECT customer_id FROM idempotency_record"))
    assert str(owner) == customer


async def test_of_many_with_one_key_one_is_recorded(api: Api, database: Database) -> None:
    customer = await register(api)
    answers = await api.race(8, "POST", "/v1/touchpoints", happening(customer), headers={"Idempotency-Key": "once"})
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert made
    assert all(each == made[0] for each in made)
    assert all(answer.json()["code"] == "idempotency-key-in-use" for answer in answers if answer.status_code == 409)
    async with database.session() as session:
        counts = text(
            "SELECT (SELECT count(*) FROM touchpoint), (SELECT count(*) FROM outbox_event WHERE type = :type)"
        )
        assert list(*await session.execute(counts, {"type": "touchpoint.recorded"})) == [1, 1]


async def test_a_key_stands_for_one_body_whatever_else_is_wrong_with_the_next(api: Api) -> None:
    customer = await register(api)
    key = {"Idempotency-Key": "once"}
    wish = happening(customer, source="web", source_id="1")
    await api.post("/v1/touchpoints", wish, headers=key, expect=201)
    reused = problem("idempotency-key-reused", 422)
    await api.post("/v1/touchpoints", {**wish, "channel": "store"}, headers=key, expect=reused)
    nobodys = happening(customer={"system": "shop", "external_id": "nobody"})
    await api.post("/v1/touchpoints", nobodys, headers=key, expect=reused)
    # A repeat under another key is the same fact; its answer is kept as it was given.
    for _ in range(2):
        again = await api.post("/v1/touchpoints", wish, headers={"Idempotency-Key": "twice"}, expect=200)
        assert again["result"] == "repeated"


async def test_a_key_may_be_used_anew_when_its_day_is_over(api: Api, database: Database) -> None:
    customer = await register(api)
    key = {"Idempotency-Key": "once"}
    first = await api.post("/v1/touchpoints", happening(customer), headers=key, expect=201)
    async with database.session() as session:
        await session.execute(text("UPDATE idempotency_record SET expires_at = now()"))
    second = await api.post("/v1/touchpoints", happening(customer), headers=key, expect=201)
    assert second["id"] != first["id"]
    third = await api.post("/v1/touchpoints", happening(customer), headers=key, expect=201)
    assert third == second


async def test_what_was_stamped_long_before_it_is_stored_is_not(api: Api, database: Database) -> None:
    """Without a transaction around it, a late insertion would change what a feed has called final."""
    wish = TouchpointCreate.model_validate_json(json.dumps(happening(await register(api))))
    for age, is_made in ((timedelta(seconds=1), None), (timedelta(0), True)):
        fact = fact_of(wish, now())
        assert wish.customer_id is not None
        row = row_of(fact, wish.customer_id, now() - age, "tests")
        assert await database.pool.fetchval(f"{INSERT_AT_ONCE} RETURNING true", *row) is is_made


async def test_unknown_customers_are_refused_with_a_pointer(api: Api, database: Database) -> None:
    for wish, pointer in (
        (happening(uuid4()), "/customer_id"),
        (happening(customer={"system": "shop", "external_id": "nobody"}), "/customer"),
    ):
        told = await api.post("/v1/touchpoints", wish, expect=problem("customer-unknown", 422))
        assert [finding["pointer"] for finding in told["errors"]] == [pointer]
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM touchpoint")) == 0
        assert await session.scalar(text("SELECT count(*) FROM outbox_event")) == 0


ITEM = {"sku": "a", "paid_amount": "1.00"}
EUR = {"amount": "1.00", "currency": "EUR"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"customer": {"system": "shop", "external_id": "a"}}, "/customer_id"),
        ({"customer_id": None}, "/customer_id"),
        ({"customer_id": "nonsense"}, "/customer_id"),
        ({"customer": {"system": "shop"}, "customer_id": None}, "/customer/external_id"),
        ({"kind": "Order.Placed"}, "/kind"),
        ({"kind": ""}, "/kind"),
        ({"kind": "a" * 101}, "/kind"),
        ({"channel": "with\ttab"}, "/channel"),
        ({"channel": ""}, "/channel"),
        ({"direction": "sideways"}, "/direction"),
        ({"occurred_at": "1899-12-31T23:59:59Z"}, "/occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "/occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-23:59"}, "/occurred_at"),
        ({"occurred_at": "2026-01-31T09:30:00"}, "/occurred_at"),
        ({"occurred_at": "2026-02-30T09:30:00Z"}, "/occurred_at"),
        ({"occurred_at": "2026-01-31"}, "/occurred_at"),
        ({"occurred_at": 1769851800}, "/occurred_at"),
        ({"source_id": "1"}, "/source"),
        ({"source": "till", "source_id": "x" * 201}, "/source_id"),
        ({"amount": {"amount": "1.234", "currency": "EUR"}}, "/amount"),
        ({"amount": {"amount": 1.2, "currency": "EUR"}}, "/amount/amount"),
        ({"amount": {"amount": "1.00", "currency": "EURO"}}, "/amount/currency"),
        ({"amount": {"amount": "1.00", "currency": "XXX"}}, "/amount"),
        ({"kind": "order.refunded", "amount": {"amount": "-1.00", "currency": "EUR"}}, "/amount/amount"),
        ({"properties": []}, "/properties"),
        ({"properties": {"": 1}}, "/properties/"),
        ({"properties": {"a": "x" * 33_000}}, "/properties"),
        ({"properties": {str(n): n for n in range(101)}}, "/properties"),
        ({"items": [ITEM]}, "/amount"),
        ({"amount": EUR, "items": [{**ITEM, "quantity": "1.0001"}]}, "/items/0/quantity"),
        ({"amount": EUR, "items": [{**ITEM, "quantity": "1e3"}]}, "/items/0/quantity"),
        ({"amount": EUR, "items": [{**ITEM, "quantity": 1}]}, "/items/0/quantity"),
        ({"amount": EUR, "items": [ITEM, {**ITEM, "paid_amount": "1.001"}]}, "/items/1/paid_amount"),
        ({"amount": EUR, "items": [{**ITEM, "list_amount": "0.001"}]}, "/items/0/list_amount"),
        ({"amount": EUR, "items": [{**ITEM, "line_number": 2}, ITEM]}, "/items/1/line_number"),
        ({"amount": EUR, "items": [{**ITEM, "line_number": 0}]}, "/items/0/line_number"),
        ({"amount": EUR, "items": [{"paid_amount": "1"}]}, "/items/0/sku"),
        ({"amount": EUR, "items": [ITEM] * 2_001}, "/items"),
        ({"unknown": 1}, "/unknown"),
    ],
)
async def test_what_is_wrong_is_pointed_at(api: Api, database: Database, change: dict[str, Any], pointer: str) -> None:
    customer = await register(api)
    told = await api.post("/v1/touchpoints", happening(customer, **change), expect=problem("invalid-request", 422))
    assert pointer in [finding["pointer"] for finding in told["errors"]], told["errors"]
    async with database.session() as session:
        assert await session.scalar(text("SELECT count(*) FROM touchpoint")) == 0


async def test_all_findings_are_told_at_once(api: Api) -> None:
    customer = await register(api)
    wish = happening(customer, source_id="1", occurred_at="1800-01-01T00:00:00Z", items=[ITEM])
    told = await api.post("/v1/touchpoints", wish, expect=problem("invalid-request", 422))
    assert [finding["pointer"] for finding in told["errors"]] == ["/source", "/occurred_at", "/amount"]


async def test_times_reach_one_day_ahead(api: Api) -> None:
    customer = await register(api)
    soon, late = (now() + timedelta(hours=hours) for hours in (23, 25))
    await api.post("/v1/touchpoints", happening(customer, occurred_at=soon.isoformat()), expect=201)
    await api.post(
        "/v1/touchpoints",
        happening(customer, occurred_at=late.isoformat()),
        expect=problem("invalid-request", 422),
    )
    await api.post("/v1/touchpoints", happening(customer, occurred_at="1900-01-01T00:00:00Z"), expect=201)


async def test_unstorable_text_is_refused(api: Api) -> None:
    customer = await register(api)
    for raw in ('{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":1,"a":2}', '{"a":123456789012345678901234567890}'):
        body = f'{{"customer_id":"{customer}","kind":"a","occurred_at":"{AT}","properties":{raw}}}'
        answer = await api.post(
            "/v1/touchpoints",
            content=body.encode(),
            headers={"Content-Type": "application/json"},
            expect=problem("invalid-request", 422),
        )
        assert answer["errors"][0]["pointer"] == "/properties/a"


async def test_recording_waits_for_no_other_customer(api: Api) -> None:
    customers = [await register(api) for _ in range(10)]
    answers = await asyncio.gather(
        *(api.send("POST", "/v1/touchpoints", order(each, "1.00", "2.00")) for each in customers for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {201}


async def test_scopes_are_wanted(anonymous: Api, credentials: tuple[str, str], api: Api) -> None:
    reader = anonymous.bearing(await anonymous.token(*credentials, "touchpoints:read"))
    await reader.post("/v1/touchpoints", happening(uuid4()), expect=problem("insufficient-scope", 403))
    await reader.post("/v1/touchpoints/batch", content=b"", expect=problem("insufficient-scope", 403))
    writer = anonymous.bearing(await anonymous.token(*credentials, "touchpoints:write"))
    for path in ("/v1/touchpoints", f"/v1/customers/{uuid4()}/timeline", f"/v1/customers/{uuid4()}/timeline/{uuid4()}"):
        await writer.get(path, expect=problem("insufficient-scope", 403))


def test_rows_have_the_columns_of_their_tables() -> None:
    wish = TouchpointCreate.model_validate({"customer_id": uuid4(), **FULL}, strict=False)
    fact = fact_of(wish, now())
    row = dict(zip(COLUMNS, row_of(fact, uuid4(), now(), "me"), strict=True))
    assert Touchpoint(**row).campaign == "spring"
    assert row["cost_currency"] == "JPY"
    [first, _] = item_rows([(uuid4(), fact)])
    item = OrderItem(**dict(zip(ITEM_COLUMNS, first, strict=True)))
    assert (item.line_number, item.sku, item.paid_minor, item.list_minor) == (3, "bell", -230, -230)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _shuffled(value: Any) -> Any:
    """The same JSON value with the members of all objects in another order."""
    if isinstance(value, dict):
        return {name: _shuffled(value[name]) for name in reversed(value)}
    return [_shuffled(each) for each in value] if isinstance(value, list) else value


def _hash(**fields: Any) -> bytes:
    wish = {"customer_id": uuid4(), "kind": "a", "occurred_at": now(), "source": "s", "source_id": "1", **fields}
    return fact_of(TouchpointCreate.model_validate(wish, strict=False), now()).content_hash


AT_ONE_TIME = now()


@given(properties=st.dictionaries(st.text(min_size=1, max_size=5), JSON, max_size=4))
def test_the_order_of_members_does_not_change_the_content(properties: dict[str, Any]) -> None:
    one = _hash(properties=properties, occurred_at=AT_ONE_TIME)
    assert one == _hash(properties=_shuffled(properties), occurred_at=AT_ONE_TIME)


@given(one=st.dictionaries(st.text(min_size=1, max_size=3), JSON, max_size=2), subject=st.text(min_size=1, max_size=9))
def test_other_content_has_another_hash(one: dict[str, Any], subject: str) -> None:
    hashes = {
        _hash(properties=one, occurred_at=AT_ONE_TIME),
        _hash(properties={**one, "more": None}, occurred_at=AT_ONE_TIME),
        _hash(properties=one, occurred_at=AT_ONE_TIME, subject=subject),
        _hash(properties=one, occurred_at=AT_ONE_TIME, campaign=subject if subject.isprintable() else "x"),
        _hash(properties=one, occurred_at=AT_ONE_TIME + timedelta(microseconds=1)),
    }
    assert len(hashes) == 5
