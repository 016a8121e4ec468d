"""The ranking and the reasons, as laws over any offers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.offers.rules import LONGEST_VALIDITY, Candidate, Verdict, decide, good_until, hindrances, slate_of

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TIMES = st.none() | st.integers(-3, 3).map(lambda days: NOON + days * DAY)


def offer(code: str = "A", **given: object) -> Candidate:
    """A live offer by e-mail to everybody, for good."""
    told = {
        "offer_id": f"id-{code}",
        "code": code,
        "status": "live",
        "valid_from": None,
        "valid_until": None,
        "priority": 0,
        "margin_minor": None,
        "margin_currency": None,
        "channels": ("email",),
        "eligibility": None,
    }
    return Candidate(**{**told, **given})  # type: ignore[arg-type]


@st.composite
def candidate(draw: st.DrawFn, code: str) -> Candidate:
    margin = draw(st.none() | st.tuples(st.integers(-2, 2), st.sampled_from(["EUR", "USD"])))
    return offer(
        code,
        status=draw(st.sampled_from(["live", "live", "live", "draft", "retired"])),
        valid_from=draw(TIMES),
        valid_until=draw(TIMES),
        priority=draw(st.integers(-1, 1)),
        margin_minor=margin and margin[0],
        margin_currency=margin and margin[1],
        channels=tuple(draw(st.sets(st.sampled_from(["email", "web"])))),
        eligibility=draw(st.sampled_from([None, "young", "rich", "vegetarian"])),
    )


def judged(
    offers: Sequence[Candidate], eligible: Mapping[str, bool], limit: int, most_rejected: int | None = None
) -> Verdict:
    """Decide by e-mail at noon."""
    slate = slate_of(offers, "email", NOON)
    return decide(slate, eligible, channel="email", at=NOON, limit=limit, most_rejected=most_rejected)


OFFERS = st.integers(0, 8).flatmap(lambda count: st.tuples(*(candidate(f"OFFER-{n}") for n in range(count)))).map(list)
ELIGIBLE = st.fixed_dictionaries({name: st.booleans() for name in ("young", "rich", "vegetarian")})
LIMIT = st.integers(1, 10)


@given(OFFERS, ELIGIBLE, LIMIT, st.randoms(use_true_random=False))
def test_the_order_of_offers_does_not_matter(
    offers: list[Candidate], eligible: dict[str, bool], limit: int, random: object
) -> None:
    shuffled = list(offers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    known = judged(offers, eligible, limit)
    assert judged(shuffled, eligible, limit) == known


@given(OFFERS, ELIGIBLE, LIMIT)
def test_every_offer_is_told_of_once_with_a_reason(
    offers: list[Candidate], eligible: dict[str, bool], limit: int
) -> None:
    verdict = judged(offers, eligible, limit)
    told = [each.code for each, _ in [*verdict.chosen, *verdict.rejected]]
    assert sorted(told) == sorted(each.code for each in offers)
    assert all(reasons for _, reasons in [*verdict.chosen, *verdict.rejected])
    assert len(verdict.chosen) <= limit


@given(OFFERS, ELIGIBLE, LIMIT)
def test_only_the_entitled_are_chosen_and_the_best_of_them(
    offers: list[Candidate], eligible: dict[str, bool], limit: int
) -> None:
    verdict = judged(offers, eligible, limit)
    entitled = [
        each
        for each in slate_of(offers, "email", NOON).candidates
        if each.eligibility is None or eligible[each.eligibility]
    ]
    assert [each for each, _ in verdict.chosen] == sorted(entitled, key=lambda each: each.rank)[:limit]
    assert all(hindrances(each, "email", NOON) == [] for each in entitled)


@given(OFFERS, ELIGIBLE, LIMIT, candidate("NEW"))
def test_an_offer_that_is_not_made_changes_nothing(
    offers: list[Candidate], eligible: dict[str, bool], limit: int, new: Candidate
) -> None:
    before = judged(offers, eligible, limit)
    after = judged([*offers, new], eligible, limit)
    why = {each.code: [reason.code for reason in reasons] for each, reasons in after.rejected}.get("NEW")
    if why == ["outranked"]:
        assert [each for each, _ in after.chosen] == [each for each, _ in before.chosen]
    elif why is not None:
        assert after.chosen == before.chosen
        assert [each for each in after.rejected if each[0] != new] == before.rejected


@given(OFFERS, ELIGIBLE, LIMIT, st.integers(0, 5))
def test_of_many_rejected_the_nearest_are_told(
    offers: list[Candidate], eligible: dict[str, bool], limit: int, most: int
) -> None:
    everything, some = judged(offers, eligible, limit), judged(offers, eligible, limit, most)
    assert some.chosen == everything.chosen
    assert some.rejected == everything.rejected[:most]
    assert some.rejected_count == everything.rejected_count == len(everything.rejected)


@given(OFFERS, st.integers(-80, 80), st.integers(-80, 80))
def test_a_slate_is_the_same_as_long_as_it_holds(offers: list[Candidate], one: int, other: int) -> None:
    first, second = (NOON + timedelta(hours=hours) for hours in (one, other))
    slate = slate_of(offers, "email", first)
    assert slate.holds(first)
    assert slate.holds(second) == (slate_of(offers, "email", second) == slate)


def chosen_codes(*offers: Candidate) -> list[str]:
    verdict = judged(offers, {}, 10)
    return [each.code for each, _ in verdict.chosen]


def test_priority_then_margin_then_code() -> None:
    assert chosen_codes(
        offer("D"),
        offer("C"),
        offer("B", margin_minor=100, margin_currency="EUR"),
        offer("A", margin_minor=200, margin_currency="EUR"),
        offer("Z", priority=1),
        offer("L", margin_minor=-100, margin_currency="EUR"),
    ) == ["Z", "A", "B", "L", "C", "D"]


@pytest.mark.parametrize(
    ("first", "second", "code", "words"),
    [
        ({"priority": 2}, {"priority": 1}, "highest-priority", "highest priority, 2; the next, B, has 1"),
        (
            {"margin_minor": 250, "margin_currency": "EUR"},
            {"margin_minor": 200, "margin_currency": "EUR"},
            "higher-margin",
            "2.50 EUR, the other's 2.00 EUR",
        ),
        ({"margin_minor": -5, "margin_currency": "EUR"}, {}, "higher-margin", "-0.05 EUR, the other's not known"),
        (
            {"margin_minor": 1, "margin_currency": "EUR"},
            {"margin_minor": 900, "margin_currency": "USD"},
            "margins-not-comparable",
            "EUR goes first",
        ),
        ({}, {}, "first-by-code", "no margin is known of either"),
        (
            {"margin_minor": 1, "margin_currency": "EUR"},
            {"margin_minor": 1, "margin_currency": "EUR"},
            "first-by-code",
            "both have the same margin",
        ),
    ],
)
def test_a_choice_says_what_decided(first: dict[str, object], second: dict[str, object], code: str, words: str) -> None:
    verdict = judged([offer("A", **first), offer("B", **second)], {}, 1)
    (winner, reasons) = verdict.chosen[0]
    assert (winner.code, reasons[1].code) == ("A", code)
    assert words in reasons[1].detail
    (loser, why) = verdict.rejected[0]
    assert (loser.code, [reason.code for reason in why]) == ("B", ["outranked"])


def test_everything_against_an_offer_is_told() -> None:
    dead = offer("A", status="retired", valid_until=NOON, channels=("web",))
    assert [reason.code for reason in hindrances(dead, "email", NOON)] == [
        "not-live",
        "expired",
        "no-content-for-channel",
    ]
    assert hindrances(offer("A", valid_from=NOON), "email", NOON) == []
    assert [reason.code for reason in hindrances(offer("A", valid_from=NOON + DAY), "email", NOON)] == ["not-yet-valid"]


def test_a_decision_holds_until_the_first_offer_ends_a_day_at_most() -> None:
    soon = NOON + timedelta(hours=3)
    assert good_until([offer("A"), offer("B", valid_until=soon)], NOON) == soon
    assert good_until([offer("A")], NOON) == NOON + LONGEST_VALIDITY
    assert good_until([], NOON) == NOON + LONGEST_VALIDITY
