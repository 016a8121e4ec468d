"""Association rules: the published number on real baskets, and every set found by counting the slow way."""

from datetime import date
from itertools import combinations
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from crm_api.analytics.methods import association
from crm_api.analytics.methods.association import Parameters


@pytest.fixture(scope="module")
def groceries(test_data: Path) -> pl.DataFrame:
    """9,835 baskets of a grocer, one a line; names carry stray blanks."""
    baskets = (test_data / "groceries.csv").read_text().splitlines()
    rows = [(number, item.strip()) for number, line in enumerate(baskets) for item in line.split(",") if item.strip()]
    return pl.DataFrame(rows, schema=["basket_id", "item"], orient="row")


def baskets_of(*baskets: str) -> pl.DataFrame:
    rows = [(number, item) for number, basket in enumerate(baskets) for item in basket]
    return pl.DataFrame(rows, schema={"basket_id": pl.Int64, "item": pl.String}, orient="row")


def test_groceries_give_the_published_rules(groceries: pl.DataFrame) -> None:
    pairs = association.condense(groceries)
    assert (pairs["basket_id"].n_unique(), pairs["item"].n_unique()) == (9835, 169)
    found = association.rules(pairs, Parameters(0.006, 0.25))
    assert found.height == 463
    assert found["left"].list.len().value_counts().sort("left")["count"].to_list() == [150, 297, 16]
    best = found.to_dicts()[0]
    assert (best["left"], best["right"]) == (["herbs"], "root vegetables")
    assert (best["support"], best["confidence"], best["lift"]) == pytest.approx((0.007016, 0.43125, 3.956477), abs=1e-6)
    assert found["status"].unique().to_list() == ["ok"]


def test_the_figures_of_a_rule_by_hand() -> None:
    found = association.rules(association.condense(baskets_of("ab", "ab", "a", "b", "c", "c")), Parameters(0.3, 0.5))
    row = found.filter(pl.col("right") == "b").to_dicts()[0]
    assert (row["basket_count"], row["left_count"], row["right_count"], row["observation_count"]) == (2, 3, 3, 6)
    assert row["support"] == pytest.approx(2 / 6)
    assert row["confidence"] == pytest.approx(2 / 3)
    assert row["lift"] == pytest.approx(4 / 3)
    assert row["leverage"] == pytest.approx(2 / 6 - 1 / 4)
    assert row["p_value"] == pytest.approx(fisher_exact([[2, 1], [1, 2]], alternative="greater").pvalue)
    assert row["status"] == "insufficient_data"


def test_a_share_exactly_at_the_bound_is_in() -> None:
    """7 of 1,000 is .007, which no binary fraction is."""
    baskets = ["ab"] * 7 + ["a"] * 18 + ["c"] * 975
    found = association.rules(association.condense(baskets_of(*baskets)), Parameters(0.007, 0.28))
    assert found.select("left", "right").rows() == [(["a"], "b"), (["b"], "a")]


def test_hard_data() -> None:
    assert association.rules(association.condense(baskets_of()), Parameters()).height == 0
    assert association.rules(association.condense(baskets_of("a")), Parameters()).height == 0
    alike = association.rules(association.condense(baskets_of(*["ab"] * 50)), Parameters())
    assert alike["lift"].to_list() == [1, 1]
    assert alike["leverage"].to_list() == [0, 0]
    assert alike["p_value"].to_list() == [1, 1]
    with pytest.raises(association.TooManySets):
        association.rules(association.condense(baskets_of("abcdefgh")), Parameters(max_sets=50))


def test_the_same_item_a_hundred_thousand_times_in_one_basket() -> None:
    pairs = association.condense(pl.DataFrame({"basket_id": 1, "item": ["a", "b"] * 50_000}))
    assert pairs.rows() == [(1, "a"), (1, "b")]


def test_rules_of_one_half_hold_in_the_other(groceries: pl.DataFrame) -> None:
    first = pl.col("basket_id") % 2 == 0
    before, after = (association.condense(groceries.filter(half)) for half in (first, ~first))
    test = association.backtest(before, after, date(2017, 7, 1), date(2018, 1, 1), Parameters())
    assert test.figures["judged_count"] == test.figures["rule_count"] > 400
    assert test.figures["held_rate"] > 0.95
    assert test.figures["calibration_error"] < 0.05
    nothing = association.backtest(before, before.clear(), date(2017, 7, 1), date(2018, 1, 1), Parameters())
    assert nothing.status == "insufficient_data"


basket = st.sets(st.sampled_from("abcdef"), min_size=1).map(lambda items: "".join(sorted(items)))


@settings(max_examples=80, deadline=None)
@given(baskets=st.lists(basket, min_size=1, max_size=25), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_rules_are_those_of_counting_whatever_the_order_and_the_cuts(baskets: list[str], seed: int, cut: int) -> None:
    lines = baskets_of(*baskets)
    shuffled = lines[Random(seed).sample(range(lines.height), lines.height)]
    pairs = association.combine(
        association.condense(shuffled[at : at + cut]) for at in range(0, max(lines.height, 1), cut)
    )
    asked = Parameters(min_support=0.1, min_confidence=0.5)
    found = association.rules(pairs, asked)
    assert found.equals(association.rules(association.condense(lines), asked))

    def count(items: tuple[str, ...]) -> int:
        return sum(set(items) <= set(held) for held in baskets)

    expected = {
        (tuple(item for item in items if item != right), right)
        for size in (2, 3, 4)
        for items in combinations("abcdef", size)
        for right in items
        if count(items) * 10 >= len(baskets) and count(items)
        if count(items) * 2 >= count(tuple(item for item in items if item != right))
    }
    assert {(tuple(left), right) for left, right in found.select("left", "right").iter_rows()} == expected
