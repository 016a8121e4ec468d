"""What customers said, over HTTP: the ledger, what counts now, the timeline, repeats, order and races."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent
from crm_api.privacy.models import Consent, ConsentEvent
from crm_api.privacy.operations import set_consents
from crm_api.privacy.problems import PurposeUnknown
from crm_api.privacy.rules import ConsentChange, newest
from crm_api.privacy.schemas import CHANNELS, STATES
from crm_api.touchpoints.problems import CustomerUnknown

from ..calling import Api, problem
from .planting import AT, LATER, ledger, register, report, said, standing


async def test_a_grant_is_in_the_ledger_counts_now_and_is_told(api: Api, database: Database) -> None:
    ann = await register(api)
    line = await report(api, ann, wording="Yes,\nsend me offers.")
    assert (line["result"], line["is_current"], line["recorded_by"]) == ("created", True, "tests")
    assert {**said(ann), "wording": "Yes,\nsend me offers."}.items() <= line.items()
    stored = {name: value for name, value in line.items() if name not in ("result", "is_current")}
    assert await ledger(api) == [stored]
    assert await standing(api, ann) == ("granted", AT, True)
    [told] = (await api.get(f"/v1/customers/{ann}/timeline"))["data"]
    assert {
        "kind": "consent.granted", "channel": "email", "occurred_at": AT, "source": "consents", "source_id": line["id"],
        "recorded_by": "tests", "properties": {"purpose": "marketing", "source": "web-form"},
    }.items() <= told.items()  # fmt: skip
    async with database.session() as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "consent.granted"))).one()
        event = (await session.scalars(select(OutboxEvent).where(OutboxEvent.type == "consent.changed"))).one()
    assert (entry.resource_id, str(entry.customer_id), entry.actor) == (line["id"], ann, "tests")
    about = {"channel": "email", "purpose": "marketing", "state": "granted", "occurred_at": AT}
    assert event.data == {"id": line["id"], "customer_id": ann, **about}
    assert str(event.customer_id) == ann


async def test_a_withdrawal_ends_what_was_granted(api: Api) -> None:
    ann = await register(api, "4711")
    await report(api, ann)
    wish = {**said(state="withdrawn", occurred_at=LATER), "customer": {"system": "shop", "external_id": "4711"}}
    line = await api.post("/v1/consents", wish, expect=201)
    assert line["customer_id"] == ann
    assert await standing(api, ann) == ("withdrawn", LATER, False)
    assert await standing(api, ann, "sms") == (None, None, False)
    assert [each["state"] for each in await ledger(api)] == ["granted", "withdrawn"]


async def test_silence_means_no_where_consent_is_needed(api: Api) -> None:
    ann = await register(api)
    page = await api.get(f"/v1/customers/{ann}/consents", expect=200)
    assert page["next_cursor"] is None
    assert [(each["purpose"], each["channel"], each["is_allowed"]) for each in page["data"]] == [
        (purpose, channel, purpose == "service") for purpose in ("marketing", "service") for channel in CHANNELS
    ]
    assert {each["state"] for each in page["data"]} == {None}
    await report(api, ann, purpose="service", state="withdrawn")
    assert await standing(api, ann, purpose="service") == ("withdrawn", AT, False)
    first = await api.get(f"/v1/customers/{ann}/consents?limit=7")
    second = await api.get(f"/v1/customers/{ann}/consents?limit=7&cursor={first['next_cursor']}")
    assert (first["data"] + second["data"]) == (await api.get(f"/v1/customers/{ann}/consents"))["data"]
    assert second["next_cursor"] is None


async def test_an_older_report_is_a_line_of_the_ledger_and_no_more(api: Api, database: Database) -> None:
    ann = await register(api)
    await report(api, ann, state="withdrawn", occurred_at=LATER)
    old = await report(api, ann)
    assert (old["result"], old["is_current"]) == ("created", False)
    assert await standing(api, ann) == ("withdrawn", LATER, False)
    assert [each["state"] for each in await ledger(api)] == ["granted", "withdrawn"]
    assert len((await api.get(f"/v1/customers/{ann}/timeline"))["data"]) == 2
    async with database.session() as session:
        events = (await session.scalars(select(OutboxEvent).where(OutboxEvent.type == "consent.changed"))).all()
        entries = (await session.scalars(select(AuditEntry).where(AuditEntry.resource_type == "consent"))).all()
    assert [event.data["state"] for event in events] == ["withdrawn"]
    assert len(entries) == 2


async def everything(database: Database) -> list[int]:
    """Count what a report leaves behind."""
    tables = ("consent", "consent_event", "touchpoint", "audit_entry", "outbox_event")
    async with database.session() as session:
        return [int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in tables]


async def test_a_repeat_writes_nothing(api: Api, database: Database) -> None:
    ann = await register(api)
    first = await report(api, ann, wording="Yes.")
    before = await everything(database)
    again = await report(api, ann, expect=200, wording="Other words.", occurred_at="2026-01-31T10:30:00+01:00")
    assert again == {**first, "result": "repeated"}
    assert await everything(database) == before
    await report(api, ann, state="withdrawn", occurred_at=LATER)
    late = await report(api, ann, expect=200)
    assert (late["result"], late["is_current"]) == ("repeated", False)


async def test_without_a_time_it_was_said_now(api: Api) -> None:
    ann = await register(api)
    wish = {name: value for name, value in said(ann).items() if name != "occurred_at"}
    headers = {"Idempotency-Key": "k"}
    first = await api.post("/v1/consents", wish, expect=201, headers=headers)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first["occurred_at"])) < timedelta(seconds=5)
    assert await api.post("/v1/consents", wish, expect=201, headers=headers) == first
    assert len(await ledger(api)) == 1
    await api.post("/v1/consents", wish, expect=201)
    assert len(await ledger(api)) == 2


async def test_of_many_reports_at_once_each_is_kept_and_the_newest_counts(api: Api, database: Database) -> None:
    ann = await register(api)
    days = [f"2026-01-{day:02}T00:00:00Z" for day in range(1, 21)]
    reports = [said(ann, occurred_at=at, state=STATES[n % 2]) for n, at in enumerate(days)]
    answers = await asyncio.gather(*(api.post("/v1/consents", each, expect=201) for each in reports[::-1]))
    assert {each["result"] for each in answers} == {"created"}
    assert await standing(api, ann) == ("withdrawn", days[-1], False)
    assert [each["occurred_at"] for each in await ledger(api)] == days


async def test_of_many_repeats_at_once_one_is_stored(api: Api, database: Database) -> None:
    ann = await register(api)
    answers = await api.race(10, "POST", "/v1/consents", said(ann))
    assert sorted(answer.status_code for answer in answers) == 9 * [200] + [201]
    assert (await everything(database))[:3] == [1, 1, 1]


changes = st.tuples(
    st.sampled_from(CHANNELS[:2]), st.sampled_from(STATES), st.integers(0, 2), st.sampled_from(["form", "shop"])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(changes, min_size=1, max_size=8).flatmap(st.permutations), cuts=st.integers(1, 4))
async def test_the_newest_counts_in_whatever_order_and_however_many_at_once(
    api: Api, database: Database, told: list[tuple[Any, ...]], cuts: int
) -> None:
    ann = UUID(await register(api))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    reports = [
        ConsentChange(ann, channel, "marketing", state, start + timedelta(days=days), source)
        for channel, state, days, source in told
    ]
    results: list[str] = []
    for first in range(0, len(reports), cuts):
        async with database.session() as session:
            done = await set_consents(session, reports[first : first + cuts], by="tests")
        results += [each.result for each in done]
    async with database.session() as session:
        held = select(Consent.channel, Consent.state, Consent.since, Consent.event_id)
        found = (await session.execute(held.where(Consent.customer_id == ann))).all()
        lines = await session.scalar(select(func.count()).where(ConsentEvent.customer_id == ann))
    meant = [(one.channel, one.state, one.occurred_at, id) for id, one in newest((each.id, each) for each in reports)]
    assert sorted(map(tuple, found)) == meant
    assert lines == results.count("created") == len(set(told))


async def test_consents_are_set_inside_any_transaction(api: Api, database: Database) -> None:
    ann, nobody = UUID(await register(api)), uuid4()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ZeroDivisionError):
        async with database.session() as session:
            await set_consents(session, [ConsentChange(ann, "email", "marketing", "granted", at, "x")], by="page")
            raise ZeroDivisionError
    assert await ledger(api) == []
    with pytest.raises(CustomerUnknown, match=str(nobody)):
        async with database.session() as session:
            await set_consents(session, [ConsentChange(nobody, "email", "marketing", "granted", at, "x")], by="page")
    with pytest.raises(PurposeUnknown, match="did you mean service"):
        async with database.session() as session:
            await set_consents(session, [ConsentChange(ann, "email", "servise", "granted", at, "x")], by="page")
    async with database.session() as session:
        assert await set_consents(session, [], by="page") == []
        both = [ConsentChange(ann, "sms", "service", "withdrawn", at, "x")] * 2
        done = await set_consents(session, both, by="page")
    assert [(each.result, each.is_current) for each in done] == [("created", True), ("repeated", False)]
    assert [each["recorded_by"] for each in await ledger(api)] == ["page"]


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"purpose": "marketting"}, "purpose-unknown", "/purpose"),
        ({"purpose": "x" * 51}, "invalid-request", "/purpose"),
        ({"customer_id": str(uuid4())}, "customer-unknown", "/customer_id"),
        ({"customer": {"system": "shop", "external_id": "1"}}, "invalid-request", "/customer_id"),
        ({"customer_id": None}, "invalid-request", "/customer_id"),
        ({"customer_id": None, "customer": {"system": "s", "external_id": "no"}}, "customer-unknown", "/customer"),
        ({"occurred_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "invalid-request", "/occurred_at"),
        ({"occurred_at": "1899-12-31T23:59:59Z"}, "invalid-request", "/occurred_at"),
        ({"occurred_at": "2026-01-31"}, "invalid-request", "/occurred_at"),
        ({"wording": "x" * 5_001}, "invalid-request", "/wording"),
        ({"wording": "a\x00b"}, "invalid-request", "/wording"),
        ({"wording": ""}, "invalid-request", "/wording"),
        ({"source": "a\nb"}, "invalid-request", "/source"),
        ({"source": None}, "invalid-request", "/source"),
        ({"channel": "pigeon"}, "invalid-request", "/channel"),
        ({"state": "maybe"}, "invalid-request", "/state"),
        ({"consent": True}, "invalid-request", "/consent"),
    ],
)  # fmt: skip
async def test_wrong_reports_are_told_where_and_store_nothing(
    api: Api, database: Database, fields: dict[str, Any], code: str, pointer: str
) -> None:
    ann = await register(api)
    before = await everything(database)
    refused = await api.post("/v1/consents", {**said(ann), **fields}, expect=problem(code, 422))
    assert [each["pointer"] for each in refused["errors"]] == [pointer]
    assert await everything(database) == before


async def test_an_unknown_purpose_names_the_nearest(api: Api) -> None:
    ann = await register(api)
    refused = await api.post("/v1/consents", said(ann, purpose="Marketing"), expect=problem("purpose-unknown", 422))
    assert refused["nearest"] == "marketing"
    assert "did you mean marketing?" in refused["detail"]


async def test_the_ledger_is_filtered_and_read_in_pages(api: Api) -> None:
    ann, ben = sorted([await register(api), await register(api)])
    for customer in (ben, ann):
        for channel in ("sms", "email"):
            await report(api, customer, channel=channel, state="withdrawn", occurred_at=LATER)
            await report(api, customer, channel=channel, purpose="service")
    lines = await ledger(api)
    assert [(each["customer_id"], each["occurred_at"]) for each in lines] == [
        (customer, at) for customer in (ann, ben) for at in (AT, AT, LATER, LATER)
    ]
    assert await ledger(api, customer_id=ben) == lines[4:]
    assert await ledger(api, channel="sms", customer_id=ann) == [each for each in lines[:4] if each["channel"] == "sms"]
    assert await ledger(api, purpose="service") == [*lines[:2], *lines[4:6]]
    assert await ledger(api, state="withdrawn") == [*lines[2:4], *lines[6:]]
    assert await ledger(api, purpose="nothing") == []
    found, cursor = [], ""
    while cursor is not None:
        page = await api.get(f"/v1/consents?limit=3&cursor={cursor}" if cursor else "/v1/consents?limit=3", expect=200)
        found += page["data"]
        cursor = page["next_cursor"]
    assert found == lines


async def test_the_ledger_streams(api: Api) -> None:
    ann = await register(api)
    await report(api, ann, wording='He said "yes",\nand so did she.')
    await report(api, ann, state="withdrawn", occurred_at="2026-02-01T09:30:00.25Z")
    lines = await ledger(api)
    answer = await api.send("GET", "/v1/consents", headers={"Accept": "application/x-ndjson"}, expect=200)
    assert [json.loads(line) for line in answer.text.splitlines()] == lines
    answer = await api.send("GET", "/v1/consents?state=withdrawn", headers={"Accept": "text/csv"}, expect=200)
    header, row = answer.text.splitlines()
    assert header == ",".join(lines[1])
    assert row == ",".join(lines[1][name] or "" for name in lines[1])
    await api.get("/v1/consents", headers={"Accept": "image/png"}, expect=problem("not-acceptable", 406))


async def test_of_an_unknown_customer_nothing_is_told(api: Api) -> None:
    await api.get(f"/v1/customers/{uuid4()}/consents", expect=problem("customer-not-found", 404))


async def test_scopes(anonymous: Api, api: Api, database: Database, credentials: tuple[str, str]) -> None:
    ann = await register(api)
    reader = anonymous.bearing(await anonymous.token(*credentials, "consents:read"))
    await reader.post("/v1/consents", said(ann), expect=problem("insufficient-scope", 403))
    await reader.get("/v1/consents", expect=200)
    writer = anonymous.bearing(await anonymous.token(*credentials, "consents:write"))
    await writer.post("/v1/consents", said(ann), expect=201)
    await writer.get(f"/v1/customers/{ann}/consents", expect=problem("insufficient-scope", 403))
    await writer.put("/v1/purposes/news", {"label": "News"}, expect=problem("insufficient-scope", 403))
    await writer.put("/v1/suppressions/email/a@b.com", {}, expect=problem("insufficient-scope", 403))
