"""Taste and avoidance: vegetarians planted in a real grocer's year, and the laws that hold for any lines."""

from datetime import date
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import taste

NEW_YEAR = taste.Parameters(as_of=date(2018, 1, 1))
FOOD_DEPARTMENTS = """
GROCERY,PRODUCE,MEAT,MEAT-PCKGD,DELI,PASTRY,SEAFOOD,SEAFOOD-PCKGD,NUTRITION,SALAD BAR,CHEF SHOPPE,FROZEN GROCERY
"""
MEAT_CATEGORIES = """
DELI MEATS,CHICKEN/POULTRY,FRZN MEAT/MEAT DINNERS,MEAT - SHELF STABLE,SEAFOOD - SHELF STABLE,FROZEN CHICKEN,FRZN SEAFOOD
"""
FOOD, MEAT_CATEGORY = (text.strip().split(",") for text in (FOOD_DEPARTMENTS, MEAT_CATEGORIES))
MEAT_DEPARTMENT = ["MEAT", "MEAT-PCKGD", "SEAFOOD", "SEAFOOD-PCKGD"]


@pytest.fixture(scope="module")
def tree(journey_products: pl.DataFrame) -> pl.DataFrame:
    food = journey_products.filter(pl.col("department").is_in(FOOD))
    meat = food.filter(pl.col("department").is_in(MEAT_DEPARTMENT) | pl.col("product_category").is_in(MEAT_CATEGORY))
    named = [food.select("product_id", category=pl.lit("food")), meat.select("product_id", category=pl.lit("meat"))]
    yogurt = food.filter(pl.col("product_category") == "YOGURT").select("product_id", category=pl.lit("yogurt"))
    return pl.concat([*named, yogurt])


def without_meat(lines: pl.DataFrame, tree: pl.DataFrame, planted: pl.Expr) -> pl.DataFrame:
    meat = tree.filter(pl.col("category") == "meat")["product_id"]
    return lines.filter(~(planted & pl.col("product_id").is_in(meat.implode())))


def recall_and_precision(lines: pl.DataFrame, tree: pl.DataFrame, planted: pl.Expr) -> tuple[float, float]:
    counts = taste.condense(without_meat(lines, tree, planted), tree, NEW_YEAR.as_of)
    scores = taste.score(counts, "food", ["meat"], NEW_YEAR).filter(pl.col("observation_count") >= 20)
    found = scores.filter(pl.col("opinion") == "avoids")
    right = found.filter(planted).height
    return right / scores.filter(planted).height, right / found.height


def test_planted_vegetarians_are_found(journey_lines: pl.DataFrame, tree: pl.DataFrame) -> None:
    recall, precision = recall_and_precision(journey_lines, tree, pl.col("customer_id") % 25 == 7)
    assert recall >= 0.90
    assert precision >= 0.88


def test_other_vegetarians_are_found_as_well(journey_lines: pl.DataFrame, tree: pl.DataFrame) -> None:
    """One choice of households may be lucky; over many, the average must do."""
    figures = [
        recall_and_precision(journey_lines, tree, pl.col("customer_id") % 25 == rest) for rest in range(0, 25, 4)
    ]
    recall, precision = np.mean(figures, axis=0)
    assert recall >= 0.90
    assert precision >= 0.92


def test_the_backtest_on_half_a_year_is_calibrated(journey_lines: pl.DataFrame, tree: pl.DataFrame) -> None:
    lines = without_meat(journey_lines, tree, pl.col("customer_id") % 25 == 7)
    before = taste.condense(lines, tree, date(2017, 7, 1))
    after = taste.condense(lines.filter(pl.col("on") >= date(2017, 7, 1)), tree, date(2018, 1, 1))
    test = taste.backtest(before, after, "food", ["meat"], date(2017, 7, 1), NEW_YEAR)
    figures = test.figures
    assert test.status == "ok"
    assert figures["customer_count"] == test.table["count"].sum() > 2000
    assert figures["calibration_error"] < 0.02
    assert figures["area_under_curve"] > 0.9
    assert figures["avoiding_bought_rate"] < 0.1 < 0.9 < figures["others_bought_rate"]


def test_a_backtest_without_a_fit_or_without_a_later_line_says_so() -> None:
    cut = date(2017, 7, 1)
    nobody = taste.backtest(counted(("a", 50, 0)), counted(("a", 50, 0)), "base", ["part"], cut, NEW_YEAR)
    assert (nobody.status, nobody.figures, nobody.table.height) == ("insufficient_data", {}, 0)
    gone = taste.backtest(counted(*population()), counted(), "base", ["part"], cut, NEW_YEAR)
    assert gone.status == "insufficient_data"
    assert "after" in str(gone.reason)


def test_the_same_bytes_in_any_order_and_any_cut(journey_lines: pl.DataFrame, tree: pl.DataFrame) -> None:
    shuffled = journey_lines.sample(fraction=1, shuffle=True, seed=3)
    size = 300_007
    parts = [taste.condense(shuffled[at : at + size], tree, NEW_YEAR.as_of) for at in range(0, shuffled.height, size)]
    whole = taste.score(taste.condense(journey_lines, tree, NEW_YEAR.as_of), "food", ["meat", "yogurt"], NEW_YEAR)
    cut = taste.score(taste.combine(parts), "food", ["yogurt", "meat"], NEW_YEAR)
    assert cut.write_csv() == whole.write_csv()
    assert whole.columns == list(taste.OUTPUT_COLUMNS)
    assert set(whole["opinion"].drop_nulls()) == {"avoids", "likes", "buys"}


def counted(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """Counts of customers, each with lines in the base and in the category."""
    flat = [(who, name, count) for who, n, k in rows for name, count in (("base", n), ("part", k)) if count]
    return pl.DataFrame(
        flat, schema={"customer_id": pl.String, "category": pl.String, "line_count": pl.Int64}, orient="row"
    )


def population(seed: int = 0) -> list[tuple[str, int, int]]:
    source = np.random.default_rng(seed)
    n = source.integers(30, 200, 500)
    k = source.binomial(n, source.beta(6, 18, 500))
    k[:40] = 0
    return [(f"p{i:04}", int(n[i]), int(k[i])) for i in range(500)]


def judged(*rows: tuple[str, int, int]) -> dict[str, dict[str, object]]:
    scores = taste.score(counted(*population(), *rows), "base", ["part"], NEW_YEAR)
    return {row["customer_id"]: row for row in scores.to_dicts()}


def test_opinions_and_their_reasons() -> None:
    rows = judged(("never", 150, 0), ("much", 150, 120), ("some", 150, 36), ("few", 19, 0), ("little", 20, 1))
    assert [rows[who]["opinion"] for who in ("never", "much", "some", "few", "little")] == [
        *("avoids", "likes", "buys", None, "buys")
    ]
    assert rows["never"]["status"] == "ok"
    assert rows["never"]["reason"] is None
    assert rows["few"]["status"] == "insufficient_data"
    assert "20 lines" in str(rows["few"]["reason"])
    assert rows["some"]["avoid_probability"] == 0


def test_one_line_in_the_category_is_enough_not_to_avoid_it() -> None:
    assert judged(("guest", 5000, 1))["guest"]["opinion"] == "buys"


def test_nothing_bought_in_few_lines_is_no_opinion() -> None:
    """A rare category: zeros are what one expects."""
    source = np.random.default_rng(1)
    n = source.integers(20, 200, 2000)
    k = source.binomial(n, source.beta(1.2, 40, 2000))
    k[:300] = 0
    rows = [(f"p{i:04}", int(n[i]), int(k[i])) for i in range(2000)]
    scores = taste.score(counted(*rows, ("few", 21, 0)), "base", ["part"], NEW_YEAR)
    few = scores.filter(pl.col("customer_id") == "few").to_dicts()[0]
    assert (few["opinion"], few["status"]) == (None, "insufficient_data")
    assert "too few" in few["reason"]


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([("only", 50, 0)], "insufficient_data"),
        ([("only", 100_000, 9)], "insufficient_data"),
        ([(f"c{i}", 40, 10) for i in range(200)], "not_identified"),
        ([(f"c{i}", 40, 0) for i in range(200)], "insufficient_data"),
    ],
)
def test_hard_data_gets_a_status_and_no_figures(rows: list[tuple[str, int, int]], status: str) -> None:
    scores = taste.score(counted(*rows), "base", ["part"], NEW_YEAR)
    assert scores["status"].unique().to_list() == [status]
    assert scores.select("opinion", "avoid_probability", "share_rate").null_count().row(0) == (len(rows),) * 3
    assert scores["reason"].null_count() == 0


def test_nobody_at_all_gives_no_rows() -> None:
    scores = taste.score(counted(), "base", ["part"], NEW_YEAR)
    assert (scores.height, scores.columns) == (0, list(taste.OUTPUT_COLUMNS))


def test_a_category_outside_of_its_base_is_refused() -> None:
    with pytest.raises(ValueError, match="base"):
        taste.score(counted(("a", 1, 2)), "base", ["part"], NEW_YEAR)


def test_refunds_voids_and_what_comes_later_do_not_count() -> None:
    tree = pl.DataFrame({"product_id": [1, 1], "category": ["base", "part"]})
    on = [date(2017, 5, 1)] * 4 + [date(2018, 1, 1)]
    lines = pl.DataFrame({"customer_id": ["a"] * 5, "product_id": [1] * 5, "on": on, "quantity": [1, 0, -1, None, 1]})
    assert taste.condense(lines, tree, NEW_YEAR.as_of)["line_count"].to_list() == [2, 2]


def test_a_hundred_thousand_lines_of_one_customer() -> None:
    tree = pl.DataFrame({"product_id": [1, 2, 2], "category": ["base", "base", "part"]})
    lines = pl.DataFrame({"customer_id": "a", "product_id": [1, 2] * 50_000, "on": date(2017, 5, 1)})
    counts = taste.condense(lines, tree, NEW_YEAR.as_of)
    assert counts["line_count"].to_list() == [100_000, 50_000]


line = st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.integers(-1, 2))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(line, min_size=1, max_size=40), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_counts_do_not_depend_on_order_or_cuts(rows: list[tuple[str, int, int]], seed: int, cut: int) -> None:
    tree = pl.DataFrame({"product_id": [1, 2, 3, 3], "category": ["x", "y", "x", "y"]})
    schema = {"customer_id": pl.String, "product_id": pl.Int64, "quantity": pl.Int64}

    def counts(part: list[tuple[str, int, int]]) -> pl.DataFrame:
        frame = pl.DataFrame(part, schema=schema, orient="row").with_columns(on=date(2017, 1, 1))
        return taste.condense(frame, tree, NEW_YEAR.as_of)

    shuffled = Random(seed).sample(rows, len(rows))
    cuts = taste.combine(counts(shuffled[at : at + cut]) for at in range(0, len(rows), cut))
    assert cuts.equals(counts(rows))
