"""Affinity: shrunk shares predict the next half year better than bare ones; the laws that hold for any lines."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from crm_api.analytics.methods import affinity, taste

NEW_YEAR = affinity.Parameters(as_of=date(2018, 1, 1))


@pytest.fixture(scope="module")
def tree(journey_products: pl.DataFrame) -> pl.DataFrame:
    departments = journey_products.select("product_id", category="department").drop_nulls()
    return pl.concat([departments, departments.with_columns(category=pl.lit("all"))])


def counted(*rows: tuple[str, int, int]) -> pl.DataFrame:
    flat = [(who, name, count) for who, n, k in rows for name, count in (("base", n), ("part", k)) if count]
    schema = {"customer_id": pl.String, "category": pl.String, "line_count": pl.Int64}
    return pl.DataFrame(flat, schema=schema, orient="row")


def population() -> list[tuple[str, int, int]]:
    source = np.random.default_rng(0)
    n = source.integers(30, 200, 400)
    k = source.binomial(n, source.beta(5, 20, 400))
    return [(f"p{i:04}", int(n[i]), int(k[i])) for i in range(400)]


def test_shrunk_shares_predict_better_than_bare_ones(journey_lines: pl.DataFrame, tree: pl.DataFrame) -> None:
    cut = date(2017, 7, 1)
    before = taste.condense(journey_lines, tree, cut)
    after = taste.condense(journey_lines.filter(pl.col("on") >= cut), tree, NEW_YEAR.as_of)
    for category in ("MEAT", "PRODUCE"):
        test = affinity.backtest(before, after, "all", [category], cut, NEW_YEAR)
        assert test.figures["mean_absolute_error"] < 0.97 * test.figures["mean_absolute_error_of_bare_share"]
        assert test.figures["mean_absolute_error"] < 0.75 * test.figures["mean_absolute_error_of_one_share"]
        assert test.figures["calibration_error"] < 0.01


def test_an_index_leans_on_everybody_the_more_the_less_is_known() -> None:
    rows = affinity.score(
        counted(*population(), ("much", 1000, 400), ("some", 50, 20), ("little", 5, 2)), "base", ["part"], NEW_YEAR
    )
    index = {row["customer_id"]: row["affinity_index"] for row in rows.to_dicts()}
    assert 190 < index["much"] < 220
    assert index["much"] > index["some"] > index["little"] > 100
    little = rows.filter(pl.col("customer_id") == "little").to_dicts()[0]
    assert (little["status"], little["observation_count"]) == ("insufficient_data", 5)
    assert rows["affinity_index"].mean() == pytest.approx(100, abs=3)
    shuffled = counted(*population()).sample(fraction=1, shuffle=True, seed=2)
    ordered = affinity.score(counted(*population()), "base", ["part"], NEW_YEAR)
    assert affinity.score(shuffled, "base", ["part"], NEW_YEAR).write_csv() == ordered.write_csv()


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([("only", 50, 10)], "insufficient_data"),
        ([("only", 100_000, 10)], "insufficient_data"),
        ([(f"c{i}", 40, 10) for i in range(200)], "not_identified"),
        ([(f"c{i}", 40, 0) for i in range(200)], "insufficient_data"),
    ],
)
def test_hard_data_gets_a_status_and_no_index(rows: list[tuple[str, int, int]], status: str) -> None:
    scores = affinity.score(counted(*rows), "base", ["part"], NEW_YEAR)
    assert scores["status"].unique().to_list() == [status]
    assert scores["affinity_index"].null_count() == scores.height == len(rows)
    assert scores["reason"].null_count() == 0
    cut = date(2017, 7, 1)
    assert affinity.backtest(counted(*rows), counted(*rows), "base", ["part"], cut, NEW_YEAR).status == status


def test_nobody_at_all_gives_no_rows() -> None:
    assert affinity.score(counted(), "base", ["part"], NEW_YEAR).columns == list(affinity.OUTPUT_COLUMNS)
