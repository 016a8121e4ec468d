"""What is true of consents without a database: which report counts, whom one may contact, what is refused."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.problems import InvalidRequest
from crm_api.privacy.rules import (
    ConsentChange,
    DeclaredPurpose,
    is_allowed,
    newest,
    purpose_unknown,
    report_of,
    standings,
    touchpoint_of,
)
from crm_api.privacy.schemas import CHANNELS, STATES, ConsentCreate

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ANN, BEN = UUID(int=1), UUID(int=2)

changes = st.builds(
    ConsentChange,
    customer_id=st.sampled_from([ANN, BEN]),
    channel=st.sampled_from(CHANNELS[:2]),
    purpose=st.sampled_from(["marketing", "service"]),
    state=st.sampled_from(STATES),
    occurred_at=st.integers(0, 3).map(lambda days: NOW + timedelta(days=days)),
    source=st.sampled_from(["form", "shop"]),
)


def wish(**fields: Any) -> ConsentCreate:
    told: dict[str, Any] = {"channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
    return ConsentCreate(**{"customer_id": ANN, **told, **fields})


def counting(reports: list[ConsentChange]) -> list[tuple[Any, ...]]:
    return [(change.place, change.state, change.occurred_at, id) for id, change in newest((c.id, c) for c in reports)]


@given(st.lists(changes, max_size=12).flatmap(lambda made: st.tuples(st.just(made), st.permutations(made))))
def test_the_order_of_reports_does_not_matter(both: tuple[list[ConsentChange], list[ConsentChange]]) -> None:
    assert counting(both[0]) == counting(both[1])


@given(st.lists(changes, min_size=1, max_size=12), st.data())
def test_reports_may_be_told_in_parts(made: list[ConsentChange], data: st.DataObject) -> None:
    """Who holds the newest of some reports needs nothing else of them: that is all the table of states keeps."""
    cut = data.draw(st.integers(0, len(made)))
    held = [change for _, change in newest((c.id, c) for c in made[:cut])]
    assert counting(held + made[cut:]) == counting(made)


@given(st.lists(changes, min_size=1))
def test_nothing_newer_is_left_out_and_ties_are_withdrawn(made: list[ConsentChange]) -> None:
    for _, chosen in newest((change.id, change) for change in made):
        rivals = [change for change in made if change.place == chosen.place]
        assert chosen.occurred_at == max(change.occurred_at for change in rivals)
        at_once = {change.state for change in rivals if change.occurred_at == chosen.occurred_at}
        assert chosen.state == ("withdrawn" if "withdrawn" in at_once else "granted")


@pytest.mark.parametrize(
    ("state", "needs_consent", "expected"),
    [
        ("granted", True, True),
        ("granted", False, True),
        ("withdrawn", True, False),
        ("withdrawn", False, False),
        (None, True, False),
        (None, False, True),
    ],
)
def test_who_may_be_contacted(state: Any, needs_consent: bool, expected: bool) -> None:
    assert is_allowed(state, needs_consent=needs_consent) is expected


def test_the_same_report_has_the_same_id_whatever_its_wording_and_zone() -> None:
    first = ConsentChange(ANN, "email", "marketing", "granted", NOW, "form", "yes")
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    assert first.id == ConsentChange(ANN, "email", "marketing", "granted", berlin, "form").id
    others = [
        ConsentChange(ANN, "sms", "marketing", "granted", NOW, "form"),
        ConsentChange(ANN, "email", "service", "granted", NOW, "form"),
        ConsentChange(ANN, "email", "marketing", "withdrawn", NOW, "form"),
        ConsentChange(ANN, "email", "marketing", "granted", NOW + timedelta(microseconds=1), "form"),
        ConsentChange(ANN, "email", "marketing", "granted", NOW, "shop"),
    ]
    assert len({first.id, *(other.id for other in others)}) == 6


def test_every_purpose_stands_on_every_channel() -> None:
    purposes = [DeclaredPurpose("marketing", "Marketing", True), DeclaredPurpose("service", "Service", False)]
    held = [{"channel": "sms", "purpose": "service", "state": "withdrawn", "since": NOW, "event_id": ANN}]
    found = standings(purposes, held)
    assert [(each["purpose"], each["channel"]) for each in found] == [
        (purpose.name, channel) for purpose in purposes for channel in CHANNELS
    ]
    assert [each["is_allowed"] for each in found] == 5 * [False] + [True, False, True, True, True]
    assert (found[6]["state"], found[6]["since"], found[6]["event_id"]) == ("withdrawn", NOW, ANN)
    assert {each["state"] for each in found if each is not found[6]} == {None}


def test_a_report_is_told_in_the_timeline_without_its_wording() -> None:
    change = ConsentChange(ANN, "email", "marketing", "withdrawn", NOW, "form", "no more")
    told = touchpoint_of(change.id, change)
    assert (told.kind, told.channel, told.occurred_at) == ("consent.withdrawn", "email", NOW)
    assert (told.source, told.source_id) == ("consents", str(change.id))
    assert told.properties == {"purpose": "marketing", "source": "form"}


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"customer_id": None}, ["/customer_id"]),
        ({"customer": {"system": "shop", "external_id": "1"}}, ["/customer_id"]),
        ({"occurred_at": NOW + timedelta(days=1, seconds=1)}, ["/occurred_at"]),
        ({"occurred_at": datetime(1899, 12, 31, tzinfo=UTC), "customer_id": None}, ["/customer_id", "/occurred_at"]),
    ],
)  # fmt: skip
def test_what_is_refused(fields: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        report_of(wish(**fields), NOW)
    assert [each["pointer"] for each in refused.value.errors] == pointers


def test_a_report_without_a_time_is_of_now() -> None:
    assert report_of(wish(), NOW).occurred_at == NOW
    assert report_of(wish(occurred_at=NOW + timedelta(days=1)), NOW).occurred_at == NOW + timedelta(days=1)


def test_an_unknown_purpose_names_the_nearest() -> None:
    problem = purpose_unknown("Marketting", ["marketing", "service"])
    assert problem.errors[0]["pointer"] == "/purpose"
    assert problem.detail.endswith("did you mean marketing?")
    assert problem.members == {"nearest": "marketing"}
    assert purpose_unknown("x", ["marketing"]).members == {"nearest": None}
