"""Lists of products: recall on a real grocer's year, and the laws that hold for any purchases."""

import time
from datetime import date, timedelta
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import buy_again, product_days, recommendations

NEW_YEAR = date(2018, 1, 1)
ASKED = recommendations.Parameters(as_of=NEW_YEAR)
SMALL = recommendations.Parameters(as_of=NEW_YEAR, length=3, min_customers=1, min_products=1, penalty=1.0)
SCHEMA = {"customer_id": pl.String, "product_id": pl.String, "on": pl.Date}
Line = tuple[str, str, int]


def days_of(lines: list[Line]) -> pl.DataFrame:
    rows = [(who, what, date(2017, 1, 1) + timedelta(days=day)) for who, what, day in lines]
    return product_days.condense(pl.DataFrame(rows, schema=SCHEMA, orient="row"), NEW_YEAR)


AGAIN = buy_again.Parameters(NEW_YEAR)


def listed_again(
    days: pl.DataFrame, asked: buy_again.Parameters, suppressed: pl.DataFrame | None = None
) -> pl.DataFrame:
    return buy_again.score(days, buy_again.learn(days, asked), asked, suppressed)


@pytest.fixture(scope="module")
def days(journey_lines: pl.DataFrame, journey_products: pl.DataFrame) -> pl.DataFrame:
    """Complete Journey by product type."""
    typed = journey_lines.join(journey_products.select("product_id", "product_type"), on="product_id")
    return product_days.condense(typed.drop("product_id").rename({"product_type": "product_id"}), NEW_YEAR)


def test_discover_beats_popularity_on_a_real_year(days: pl.DataFrame) -> None:
    """Train on weeks up to 44, which end on 29 October; test on what was bought for the first time later."""
    test = recommendations.backtest(days, date(2017, 10, 30), ASKED)
    assert test.figures["popularity_recall"] == pytest.approx(0.1075, abs=0.005)
    assert test.figures["recall"] >= 1.08 * 0.1075
    assert test.figures["recall"] >= 1.08 * test.figures["popularity_recall"]
    assert test.table["observed"][-1] > 3 * test.table["observed"][0]


def test_all_lists_of_a_real_year_take_seconds(days: pl.DataFrame) -> None:
    started = time.process_time()
    model = recommendations.learn(days, ASKED)
    listed = recommendations.discover(days, model, ASKED)
    again = listed_again(days, AGAIN)
    near = recommendations.related(days, ASKED)
    assert time.process_time() - started < 60  # of processor, on a busy machine; a quiet one takes 4
    assert model.method == "ease"
    assert 1600 <= len(model.products) <= 1700
    assert listed["customer_id"].n_unique() == again["customer_id"].n_unique() == days["customer_id"].n_unique()
    assert listed.select("customer_id", "product_id").is_duplicated().sum() == 0
    assert not listed.join(days, on=["customer_id", "product_id"]).height
    assert near["product_id"].n_unique() == days["product_id"].n_unique()


def test_discover_gives_the_same_bytes_for_any_cut_of_customers(days: pl.DataFrame) -> None:
    model = recommendations.learn(days.sample(fraction=1, shuffle=True, seed=5), ASKED)
    whole = recommendations.discover(days, recommendations.learn(days, ASKED), ASKED)
    edges = [0, 700, 701, 3000]
    parts = [days.filter(pl.col("customer_id").is_between(*edges[i : i + 2], closed="left")) for i in range(3)]
    cut = pl.concat([recommendations.discover(part, model, ASKED) for part in parts])
    assert cut.write_csv() == whole.write_csv()
    again = buy_again.learn(days.sample(fraction=1, shuffle=True, seed=6), AGAIN)
    cut = pl.concat([buy_again.score(part, again, AGAIN) for part in parts])
    assert cut.write_csv() == listed_again(days, AGAIN).write_csv()


def test_the_shrunk_cosine_stands_in_above_the_limit(days: pl.DataFrame) -> None:
    asked = recommendations.Parameters(as_of=NEW_YEAR, ease_up_to=100)
    test = recommendations.backtest(days, date(2017, 10, 30), asked)
    assert recommendations.learn(days, asked).method == "cosine"
    assert test.figures["recall"] > test.figures["popularity_recall"]


def test_ease_is_the_ridge_regression_of_each_product_on_the_others() -> None:
    source = np.random.default_rng(2)
    lines = [(f"c{i}", f"p{j}", 1) for i in range(60) for j in range(6) if source.random() < 0.4]
    days = days_of(lines)
    model = recommendations.learn(days, SMALL)
    table = product_days.owned(days).table.toarray()
    assert isinstance(model.weights, np.ndarray)
    for j in range(6):
        others = [i for i in range(6) if i != j]
        x = table[:, others]
        ridge = np.linalg.solve(x.T @ x + np.eye(5), x.T @ table[:, j])
        assert model.weights[others, j] == pytest.approx(ridge)
        assert model.weights[j, j] == 0


BASKETS = [(f"c{i}", what, 1) for i in range(10) for what in ("bread", "butter", "jam")]


def test_a_list_says_why() -> None:
    known = days_of([*BASKETS, ("new", "bread", 1), ("c1", "caviar", 1), *[(f"d{i}", "soap", 1) for i in range(9)]])
    listed = recommendations.discover(known, recommendations.learn(known, SMALL), SMALL)
    rows = listed.filter(pl.col("customer_id") == "new").to_dicts()
    assert [row["product_id"] for row in rows] == ["butter", "jam", "caviar"]
    assert {row["because_product_id"] for row in rows} == {"bread"}
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["observation_count"] == 1


def test_suppressed_products_are_left_out_before_the_cut() -> None:
    known = days_of([*BASKETS, ("new", "bread", 1), ("c1", "caviar", 1), ("c2", "salt", 1), ("c2", "oil", 1)])
    model = recommendations.learn(known, SMALL)
    suppressed = pl.DataFrame(
        {"customer_id": ["new", None, "c9"], "product_id": ["butter", "jam", "caviar"]}, schema_overrides=SCHEMA
    ).drop("on", strict=False)
    listed = recommendations.discover(known, model, SMALL, suppressed=suppressed)
    mine = listed.filter(pl.col("customer_id") == "new")["product_id"].to_list()
    assert len(mine) == SMALL.length
    assert set(mine) == {"caviar", "salt", "oil"}
    assert "jam" not in listed["product_id"].to_list()
    assert "caviar" in listed.filter(pl.col("customer_id") == "c8")["product_id"].to_list()
    assert "caviar" not in listed.filter(pl.col("customer_id") == "c9")["product_id"].to_list()


def test_cross_sell_and_up_sell_are_told_apart() -> None:
    known = days_of(
        [*[(f"c{i}", p, 1) for i in range(5) for p in ("tea", "fine tea", "dust", "cup")], ("new", "tea", 1)]
    )
    products = pl.DataFrame(
        {
            "product_id": ["tea", "fine tea", "dust", "cup"],
            "category": ["tea", "tea", "tea", "ware"],
            "price_minor": [300, 900, 300, None],
        }
    )
    model = recommendations.learn(known, SMALL)
    listed = recommendations.discover(known, model, SMALL, products=products).filter(pl.col("customer_id") == "new")
    kinds = dict(listed.select("product_id", "kind").iter_rows())
    assert kinds == {"fine tea": "up_sell", "dust": "alternative", "cup": "cross_sell"}


def test_who_is_hardly_known_gets_no_list_and_a_reason() -> None:
    known = days_of([("one", "a", 1), ("two", "a", 2), ("two", "b", 2), ("two", "c", 2)])
    asked = recommendations.Parameters(as_of=NEW_YEAR, min_customers=1)
    rows = recommendations.discover(known, recommendations.learn(known, asked), asked).to_dicts()
    assert [(row["customer_id"], row["status"], row["product_id"]) for row in rows] == [
        ("one", "insufficient_data", None),
        ("two", "insufficient_data", None),
    ]
    assert all(row["reason"] for row in rows)


def test_nothing_at_all_gives_nothing() -> None:
    empty = days_of([])
    model = recommendations.learn(empty, ASKED)
    assert recommendations.discover(empty, model, ASKED).columns == list(recommendations.OUTPUT_COLUMNS)
    assert recommendations.related(empty, ASKED).columns == list(recommendations.RELATED_COLUMNS)
    assert recommendations.backtest(empty, date(2017, 6, 1), ASKED).status == "insufficient_data"
    assert listed_again(empty, AGAIN).is_empty()
    assert buy_again.backtest(empty, buy_again.Parameters(NEW_YEAR)).status == "insufficient_data"


def test_a_hundred_thousand_lines_of_one_customer() -> None:
    line = pl.DataFrame({"customer_id": "a", "product_id": "p", "on": date(2017, 5, 1)})
    lines = pl.concat([line] * 100_000).with_columns(product_id=pl.format("p{}", pl.int_range(pl.len()) % 50))
    known = product_days.condense(lines, NEW_YEAR)
    assert known["line_count"].to_list() == [2000] * 50
    asked = recommendations.Parameters(as_of=NEW_YEAR, min_customers=1)
    [row] = recommendations.discover(known, recommendations.learn(known, asked), asked).to_dicts()
    assert (row["status"], row["observation_count"]) == ("insufficient_data", 50)


def test_related_products_are_nearest_first_and_rare_ones_are_shrunk() -> None:
    known = days_of([*BASKETS, *[(f"c{i}", "salt", 1) for i in range(6)], ("c1", "once", 1)])
    near = recommendations.related(known, SMALL)
    rows = near.filter(pl.col("product_id") == "bread").to_dicts()
    assert [row["related_product_id"] for row in rows] == ["butter", "jam", "salt"]
    assert rows[0]["similarity"] == pytest.approx(1 * 10 / 30)
    assert rows[2]["similarity"] == pytest.approx(6 / np.sqrt(60) * 6 / 26, abs=1e-6)
    assert "once" not in near["related_product_id"].to_list()[:3]


def test_buy_again_is_calibrated_and_orders_better_than_recency(days: pl.DataFrame) -> None:
    test = buy_again.backtest(days, buy_again.Parameters(NEW_YEAR))
    figures = test.figures
    assert figures["calibration_error"] < 0.02
    assert figures["area_under_curve"] > figures["recency_area_under_curve"] + 0.02
    assert figures["predicted_count"] == pytest.approx(figures["observed_count"], rel=0.1)
    assert test.table["observed"].is_sorted()


def test_buy_again_knows_when_a_product_is_due() -> None:
    """Everybody buys weekly; who bought yesterday is less likely to come within 3 days than who bought 6 days ago."""
    lines = [(f"c{i:03}", "milk", day) for i in range(700) for day in range(i % 7, 365, 7)]
    asked, days = buy_again.Parameters(NEW_YEAR, horizon_days=3), days_of(lines)
    rows = buy_again.predict(days, buy_again.learn(days, asked), asked)
    chance = dict(rows.group_by("elapsed_days").agg(pl.col("buy_probability").mean()).iter_rows())
    assert chance[7] > 0.9 > 0.1 > chance[1]


def test_buy_again_needs_two_days_and_enough_pairs() -> None:
    few = listed_again(days_of([("a", "p", 1), ("a", "p", 8), ("b", "p", 1), ("b", "p", 1)]), AGAIN)
    assert few["status"].to_list() == ["insufficient_data"] * 2
    loose = buy_again.Parameters(NEW_YEAR, min_pairs=1)
    some = listed_again(days_of([("a", "p", 1), ("a", "p", 8), ("b", "p", 1), ("b", "p", 1)]), loose)
    assert some.select("customer_id", "product_id", "status", "observation_count").rows() == [
        ("a", "p", "ok", 2),
        ("b", None, "insufficient_data", 0),
    ]
    gone = listed_again(
        days_of([("a", "p", 1), ("a", "p", 8)]), loose, pl.DataFrame({"customer_id": ["a"], "product_id": ["p"]})
    )
    assert gone["status"].to_list() == ["insufficient_data"]


line = st.tuples(st.sampled_from("abcde"), st.sampled_from("uvwxyz"), st.integers(0, 364))


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=60), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_neither_order_nor_cuts_change_a_byte(lines: list[Line], seed: int, cut: int) -> None:
    shuffled = Random(seed).sample(lines, len(lines))
    known = product_days.combine(days_of(shuffled[at : at + cut]) for at in range(0, len(lines), cut))
    again = buy_again.Parameters(NEW_YEAR, min_pairs=1, horizon_days=60)

    def everything(days: pl.DataFrame) -> list[str]:
        listed = recommendations.discover(days, recommendations.learn(days, SMALL), SMALL)
        return [
            frame.write_csv() for frame in (listed, recommendations.related(days, SMALL), listed_again(days, again))
        ]

    assert everything(known) == everything(days_of(lines))


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=60))
def test_nothing_already_bought_is_discovered(lines: list[Line]) -> None:
    days = days_of(lines)
    listed = recommendations.discover(days, recommendations.learn(days, SMALL), SMALL)
    assert not listed.join(days, on=["customer_id", "product_id"]).height
    assert listed["customer_id"].unique().sort().equals(days["customer_id"].unique().sort())


def test_pairs_are_judged_beside_any_pairs() -> None:
    """Two circles that buy in pairs: what one product's customers buy holds, what the other circle buys does not."""
    lines = [
        (f"c{i}", what, day)
        for i in range(40)
        for what in (("bread", "butter") if i % 2 else ("tea", "cake"))
        for day in (10, 300)
    ]
    near = recommendations.backtest_related(days_of(lines), date(2017, 7, 1), SMALL)
    assert near.figures["pair_count"] == 4
    assert near.figures["held_rate"] == 1
    assert near.figures["held_rate_of_any"] == pytest.approx(4 / 12, abs=1e-6)
    assert near.figures["median_lift"] == 2
    # Who changes partners after the cut makes none of the pairs hold.
    changed = [(f"c{i}", what, 10) for i in range(40) for what in (("a", "b") if i % 2 else ("c", "d"))]
    changed += [(f"c{i}", what, 300) for i in range(40) for what in (("a", "c") if i % 2 else ("b", "d"))]
    assert recommendations.backtest_related(days_of(changed), date(2017, 7, 1), SMALL).figures["held_rate"] == 0
    none = recommendations.backtest_related(days_of([]), date(2017, 7, 1), SMALL)
    assert (none.status, none.figures) == ("insufficient_data", {})


def test_related_products_of_a_real_year_hold_more_than_any(days: pl.DataFrame) -> None:
    figures = recommendations.backtest_related(days, date(2017, 10, 30), ASKED).figures
    assert figures["held_rate"] > figures["held_rate_of_any"] + 0.2
    assert figures["median_lift"] > 1.5
