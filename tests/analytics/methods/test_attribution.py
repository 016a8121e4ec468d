"""Attribution: worked examples of each rule, adding up, cut journeys, hard data."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import attribution
from crm_api.analytics.methods.attribution import NO_CHANNEL, RULES

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ASKED = attribution.Parameters()
Touch = tuple[str, float, str]
Sale = tuple[str, float, int | None]


def attributed(
    touches: list[Touch], sales: list[Sale], asked: attribution.Parameters = ASKED
) -> attribution.Attribution:
    """Times are days after noon of 1 March."""
    seen = pl.DataFrame(
        [(who, NOON + timedelta(days=day), channel) for who, day, channel in touches],
        schema={"customer_id": pl.String, "at": pl.Datetime("us", "UTC"), "channel": pl.String},
        orient="row",
    )
    sold = pl.DataFrame(
        [(who, NOON + timedelta(days=day), amount) for who, day, amount in sales],
        schema={"customer_id": pl.String, "at": pl.Datetime("us", "UTC"), "amount_minor": pl.Int64},
        orient="row",
    )
    return attribution.attribute(seen, sold, asked)


def shares(frame: pl.DataFrame, rule: str) -> dict[str, float]:
    return dict(frame.select("channel", rule).rows())


JOURNEY: list[Touch] = [("a", 0, "search"), ("a", 7, "mail"), ("a", 10, "ads"), ("a", 14, "mail")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", {"ads": 0, "mail": 0, "search": 100}),
        ("last", {"ads": 0, "mail": 100, "search": 0}),
        ("linear", {"ads": 25, "mail": 50, "search": 25}),
        ("u_shaped", {"ads": 10, "mail": 50, "search": 40}),
        # Weights 1/4, 1/2, 2^(-4/7), 1.
        ("time_decay", {"ads": 100 * 0.672950 / 2.422950, "mail": 150 / 2.422950, "search": 25 / 2.422950}),
    ],
)
def test_a_journey_by_each_rule(rule: str, expected: dict[str, float]) -> None:
    found = attributed(JOURNEY, [("a", 14, 100)])
    assert shares(found.amounts, rule) == pytest.approx(expected, abs=1e-3)
    assert shares(found.conversions, rule) == pytest.approx({k: v / 100 for k, v in expected.items()}, abs=1e-5)


def test_two_touches_share_and_one_takes_all_by_position() -> None:
    two = attributed([("a", 0, "mail"), ("a", 1, "ads")], [("a", 2, 10)])
    assert shares(two.conversions, "u_shaped") == {"ads": 0.5, "mail": 0.5}
    one = attributed([("a", 0, "mail")], [("a", 2, 10)])
    assert one.conversions.row(0) == ("mail", 1, 1, 1, 1, 1, 1)


def test_markov_removes_channels() -> None:
    """Journeys 1-2-3-sale, 1-nothing, 2-3-nothing: without 1 half of the sales are left, without 2 or 3 none."""
    touches = [("a", 0, "1"), ("a", 1, "2"), ("a", 2, "3"), ("b", 0, "1"), ("c", 0, "2"), ("c", 1, "3")]
    found = attributed(touches, [("a", 3, 500)])
    assert shares(found.conversions, "markov") == pytest.approx({"1": 0.2, "2": 0.4, "3": 0.4})
    assert shares(found.amounts, "markov") == pytest.approx({"1": 100, "2": 200, "3": 200})
    assert found.journey_count == 3


def test_markov_solves_loops() -> None:
    """1 leads back to itself and to 2 and back: the chance of a sale is that of the geometric series."""
    touches = [(who, float(n), channel) for who, path in (("a", "1121"), ("b", "12")) for n, channel in enumerate(path)]
    found = attributed(touches, [("a", 9, 1)])
    # From 1: to 1 1/4, to 2 1/2, sale 1/4; from 2: to 1 1/2, nothing 1/2. h1 = 1/4 h1 + 1/4 h1 + 1/4 = 1/2. Without 2:
    # h1 = 1/4 h1 + 1/4 = 1/3, so 2 is worth 1 - (1/3)/(1/2) = 1/3 and 1 is worth 1.
    assert shares(found.conversions, "markov") == pytest.approx({"1": 0.75, "2": 0.25})


def test_a_conversion_ends_a_journey_and_the_window_cuts_it() -> None:
    touches = [("a", 0, "old"), ("a", 40, "mail"), ("a", 50, "ads"), ("a", 70, "after"), ("b", 41, "alien")]
    found = attributed(touches, [("a", 45, 10), ("a", 60, 30)])
    assert shares(found.amounts, "linear") == {"ads": 30, "after": 0, "alien": 0, "mail": 10}
    wide = attributed(touches, [("a", 45, 10), ("a", 60, 30)], attribution.Parameters(window_days=45))
    assert shares(wide.amounts, "linear")["old"] == 5


def test_what_nobody_was_seen_before_is_nobodys() -> None:
    found = attributed([("a", 5, "mail")], [("a", 5, 10), ("b", 5, 20), ("a", 1, -4)])
    for rule in RULES:
        assert shares(found.conversions, rule) == {NO_CHANNEL: 2, "mail": 1}
        assert shares(found.amounts, rule) == {NO_CHANNEL: 16, "mail": 10}
    nobody = attributed([], [("a", 5, None)])
    assert nobody.conversions.row(0) == (NO_CHANNEL, 1, 1, 1, 1, 1, 1)


def test_without_a_conversion_there_is_nothing_to_share_out() -> None:
    found = attributed(JOURNEY, [])
    assert (found.status, found.conversions.height) == ("insufficient_data", 0)
    assert found.amounts.columns == ["channel", *RULES]


def test_two_orders_at_one_instant_are_one_and_ties_are_ordered_by_name() -> None:
    found = attributed([("a", 0, "z"), ("a", 0, "b")], [("a", 0, 10), ("a", 0, 5)])
    assert found.conversion_count == 1
    assert shares(found.amounts, "first") == {"b": 15, "z": 0}


touched = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 60).map(float), st.sampled_from(["mail", "ads", "shop"])),
    max_size=30,
)
sold = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 60).map(float), st.integers(-50, 500)), min_size=1, max_size=10
)


@settings(max_examples=100, deadline=None)
@given(touches=touched, sales=sold, data=st.data())
def test_every_rule_adds_up_in_any_order(touches: list[Touch], sales: list[Sale], data: st.DataObject) -> None:
    found = attributed(touches, sales)
    for rule in RULES:
        assert found.conversions[rule].sum() == pytest.approx(found.conversion_count, abs=1e-4)
        assert found.amounts[rule].sum() == pytest.approx(sum(amount or 0 for _, _, amount in sales), abs=1e-3)
        assert (found.conversions[rule] >= 0).all()
    again = attributed(data.draw(st.permutations(touches)), data.draw(st.permutations(sales)))
    assert again.conversions.write_csv() == found.conversions.write_csv()
    assert again.amounts.write_csv() == found.amounts.write_csv()
