"""When a campaign begins and when its customers are due: zones, the hour that is skipped, the hour that comes twice."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.outreach.links import LONGEST_LINK, MOST_LINKS, BatchLinks, Link, Signer, Use, link_number
from crm_api.outreach.message_report import pause_after
from crm_api.outreach.message_schemas import MOST_BATCHES, MOST_CLAIMED
from crm_api.outreach.schedule import is_past, starts_at
from crm_api.settings import Settings

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


def test_a_link_is_said_once_for_the_messages_of_a_batch() -> None:
    links, spring, summer = BatchLinks(), new_id(), new_id()
    bikes = "https://shop.example/bikes"
    found = [links.of_message(campaign)(bikes) for campaign in (spring, spring, summer)]
    assert found == [link_number(bikes)] * 3
    assert links.by_campaign == {spring: {found[0]: bikes}, summer: {found[0]: bikes}}
    for odd in ("https://shop.example/a b", "ftp://shop.example", f"https://shop.example/{'a' * LONGEST_LINK}"):
        assert links.of_message(spring)(odd) is None
    one = links.of_message(spring)
    numbers = [one(f"https://shop.example/{number}") for number in range(MOST_LINKS + 1)]
    assert numbers[-1] is None
    assert None not in numbers[:-1]
    assert one("https://shop.example/0") == numbers[0], "what is followed once is followed everywhere"
    assert links.of_message(spring)(f"https://shop.example/{MOST_LINKS}") is not None


def test_whatever_links_batches_have_their_exchange_fits_into_a_body() -> None:
    worst = '"\\' * 900
    batches = []
    for _ in range(MOST_BATCHES):
        links, campaign = BatchLinks(), new_id()
        for message in range(MOST_CLAIMED):
            number_of = links.of_message(campaign)
            taken = [number_of(f"https://a/{message}/{each}/{worst[: each * 9]}") for each in range(MOST_LINKS)]
        assert taken[-1] is None, "the batch is full"
        used = [{"number": number, "url": url} for number, url in links.by_campaign[campaign].items()]
        ids = [new_id() for _ in range(MOST_CLAIMED)]
        batches.append({"lease_id": new_id(), "messages": ids, "links": [{"campaign_id": campaign, "links": used}]})
    told = {
        "id": new_id(),
        "result": "deferred",
        "code": 451,
        "detail": "\U0001f6b2" * 300,
        "subject": "\U0001f6b2" * 500,
    }
    reports = [{"lease_id": new_id(), "reports": [told] * MOST_CLAIMED}] * MOST_BATCHES
    wish = {"report": reports, "hand_over": batches, "claim": MOST_BATCHES * MOST_CLAIMED}
    body = orjson.dumps({"gateway": "smtp", "can_look_up": False, **wish})
    assert len(body) < Settings.model_fields["max_body_bytes"].default


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
