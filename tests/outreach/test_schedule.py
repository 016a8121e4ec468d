"""When a campaign begins and when its customers are due: zones, the hour that is skipped, the hour that comes twice."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from crm_api.core.db import Database
from crm_api.outreach.links import Link, Signer, Use, link_number
from crm_api.outreach.message_report import pause_after
from crm_api.outreach.schedule import is_past, starts_at

from ..calling import Api
from .planting import campaign, readers, template
from .postman import Postman

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("local", "instant"),
    [
        ("2026-01-15T09:00", "2026-01-15T08:00"),
        ("2026-07-15T09:00", "2026-07-15T07:00"),
        ("2026-03-29T02:30", "2026-03-29T01:30"),  # skipped: half past three on the new clock
        ("2026-10-25T02:30", "2026-10-25T00:30"),  # twice: the first one
        ("2028-02-29T00:00", "2028-02-28T23:00"),
    ],
)
def test_a_local_time_of_the_business_is_one_instant(local: str, instant: str) -> None:
    wanted = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert starts_at(datetime.fromisoformat(local), "business", BERLIN) == wanted


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["Pacific/Kiritimati", "Pacific/Midway"])
)
def test_customers_are_planned_before_anybody_is_due(local: datetime, zone: str) -> None:
    due = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert starts_at(local, "customer", BERLIN) <= due


def test_a_time_is_past_some_minutes_after_it() -> None:
    local = datetime(2026, 1, 15, 9, 0)
    start = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
    assert not is_past(local, "business", BERLIN, start + timedelta(minutes=4))
    assert is_past(local, "business", BERLIN, start + timedelta(minutes=6))


def test_pauses_double_up_to_six_hours() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, 40)]
    assert pauses[:3] == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=6)


USES: tuple[Use, ...] = ("unsubscribe", "open", "click")


@given(st.uuids(), st.uuids(), st.sampled_from(USES))
def test_a_link_is_read_for_its_use_alone(customer: UUID, message: UUID, use: Use) -> None:
    signer, link = Signer("one secret"), Link(customer, message)
    token = signer.write(use, link)
    assert signer.read(use, token) == link
    assert all(signer.read(other, token) is None for other in USES if other != use)
    assert Signer("another secret").read(use, token) is None


@given(st.uuids(), st.integers(0, 63), st.integers(1, 63))
def test_a_link_with_another_character_is_forged(message: UUID, place: int, step: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = Signer("one secret").write("click", Link(message, message))
    other = alphabet[(alphabet.index(token[place]) + step) % 64]
    assert Signer("one secret").read("click", token[:place] + other + token[place + 1 :]) is None


@given(st.text())
def test_whatever_else_is_no_link(token: str) -> None:
    assert Signer("one secret").read("open", token) is None


def test_numbers_of_links_are_exact_in_json() -> None:
    assert 0 <= link_number("https://shop.example/bikes") < 2**53
    assert link_number("https://shop.example/a") != link_number("https://shop.example/b")


@pytest.mark.usefixtures("clean")
async def test_the_missing_hour_comes_once_where_the_customer_lives(api: Api, database: Database) -> None:
    people = await readers(api, 2)
    await api.patch(f"/v1/customers/{people[0]}", {"time_zone": "Europe/Berlin"})
    made = await campaign(api, await template(api), launch_zone="customer")
    await api.post(f"/v1/campaigns/{made}/launch", {"launch_at": "2199-03-31T02:30"}, expect=200)
    async with database.session() as session:
        plant = "UPDATE campaign SET launch_at = '2026-03-29 02:30+00', starts_at = '2026-03-28 12:30+00'"
        await session.execute(text(plant))
    postman = Postman(api)
    await postman.plan()
    await postman.plan()
    page = await api.get(f"/v1/messages?campaign_id={made}")
    due = {message["customer_id"]: message["due_at"] for message in page["data"]}
    assert due == {people[0]: "2026-03-29T01:30:00Z", people[1]: "2026-03-29T06:30:00Z"}, "New York is the business's"
    assert len(await postman.claim()) == 2
