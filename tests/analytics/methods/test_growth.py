"""Growth potential and divisions: planted peers and needs, a real grocer's half-years, the laws, hard data."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import divisions, growth
from crm_api.analytics.methods.lines import by_window, combine

AS_OF = date(2024, 1, 1)
ASKED = growth.Parameters(AS_OF, fewest_peers=4)
DIVIDED = divisions.Parameters(AS_OF, fewest_customers=4)
Line = tuple[str, date, str | None, int | None]


def lines(rows: list[Line]) -> pl.DataFrame:
    schema = {"customer_id": pl.String, "on": pl.Date, "category": pl.String, "amount_minor": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(need=pl.col("category"))


def on(days_ago: int) -> date:
    return AS_OF - timedelta(days=days_ago)


def street(size: int = 9) -> list[Line]:
    """Customers a, b, c … who spend 100, 200, 300 … on bread; all but the last buy milk for 50, too."""
    names = [chr(ord("a") + number) for number in range(size)]
    bread: list[Line] = [(name, on(10), "bread", 100 * place) for place, name in enumerate(names, start=1)]
    return bread + [(name, on(20), "milk", 50) for name in names[:-1]]


def by_customer(scores: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in scores.to_dicts()}


def test_customers_are_held_to_their_peers() -> None:
    scores = by_customer(growth.score(lines(street()), ASKED))
    assert [row["growth_class"] for row in scores.values()] == ["light"] * 3 + ["medium"] * 3 + ["heavy"] * 3
    # Spends are 150, 250 … 850 and 900; the 80th percentile by nearest rank is the eighth of nine.
    assert {row["peer_spend_minor"] for row in scores.values()} == {850}
    assert [row["gap_minor"] for row in scores.values()] == [700, 600, 500, 400, 300, 200, 100, 0, 0]
    assert scores["a"]["white_space_count"] == 0
    last = scores["i"]
    assert (last["white_space_count"], last["white_space_minor"], last["top_white_space"]) == (1, 50, "milk")


def test_peers_are_given_and_small_groups_are_held_to_everybody() -> None:
    peers = pl.DataFrame({"customer_id": list("abcdefg"), "peer_group": ["x"] * 4 + ["y"] * 3})
    scores = by_customer(growth.score(lines(street()), ASKED, peers))
    assert [row["peer_spend_minor"] for row in scores.values()] == [450] * 4 + [850] * 5
    [row] = growth.white_space(lines(street()), ASKED, peers).to_dicts()
    assert row == {
        "customer_id": "i",
        "category": "milk",
        "peer_rate": pytest.approx(8 / 9, abs=1e-5),
        "worth_minor": 50,
    }


def test_refunds_net_out_and_old_lines_do_not_count() -> None:
    rows = street()
    returned = [*rows, ("a", on(3), "cake", 700), ("a", on(2), "cake", -700), ("b", on(400), "bread", 9999)]
    first, second = (by_customer(growth.score(lines(one), ASKED)) for one in (rows, returned))
    assert first["a"]["spend_minor"] == second["a"]["spend_minor"] == 150
    assert first["b"] == second["b"]
    marked = lines([*rows, ("a", on(2), "bread", 40)]).with_columns(
        kind=pl.Series(["order.placed"] * len(rows) + ["order.refunded"])
    )
    assert by_customer(growth.score(marked, ASKED))["a"]["spend_minor"] == 110


def test_who_bought_nothing_lately_has_no_class() -> None:
    rows = [*street(), ("gone", on(400), "bread", 10), ("returned", on(5), "bread", -10), ("later", AS_OF, "bread", 5)]
    scores = by_customer(growth.score(lines(rows), ASKED))
    assert "later" not in scores
    for name in ("gone", "returned"):
        assert (scores[name]["status"], scores[name]["growth_class"]) == ("insufficient_data", None)
    assert scores["a"]["status"] == "ok"


def test_sums_by_window_tell_the_same_as_the_lines() -> None:
    rows = [*street(), *((name, on(days + 182), "bread", 70) for days, name in enumerate("acegi", start=3))]
    whole = lines([*rows, ("a", on(4), "bread", -30), ("gone", on(200), None, 10), ("old", on(365), "milk", 1)])
    parts = [by_window(some, AS_OF, 182, "category", "need") for some in whole.iter_slices(5)]
    sums = combine(parts)
    assert set(sums["on"]) == {on(182), on(364)}
    assert sums.filter(pl.col("customer_id") == "a")["line_count"].sum() == 4
    known = growth.score(whole, ASKED).filter(pl.col("customer_id") != "old")
    assert growth.score(sums, ASKED).equals(known)
    assert divisions.score(sums, DIVIDED).equals(divisions.score(whole, DIVIDED).filter(pl.col("customer_id") != "old"))
    asked = growth.Parameters(AS_OF, fewest_peers=2)
    told, again = (growth.backtest(each, on(182), asked) for each in (whole, sums))
    assert again.status == "ok"
    assert again.figures == pytest.approx(dict(told.figures), nan_ok=True)


def test_one_customer_and_nobody_are_too_few() -> None:
    [row] = growth.score(lines([("only", on(1), "bread", 5)]), ASKED).to_dicts()
    assert (row["status"], row["observation_count"]) == ("insufficient_data", 1)
    assert "1 customers bought" in row["reason"]
    nobody = growth.score(lines([]), ASKED)
    assert (nobody.height, tuple(nobody.columns)) == (0, growth.OUTPUT_COLUMNS)
    assert growth.backtest(lines([]), on(100), ASKED).status == "insufficient_data"


def test_customers_all_alike_are_all_in_the_middle_without_a_gap() -> None:
    scores = growth.score(lines([(f"c{n}", on(5), None, 0) for n in range(20)]), ASKED)
    assert scores["growth_class"].unique().to_list() == ["medium"]
    assert scores["gap_minor"].sum() == scores["white_space_minor"].sum() == 0


def test_half_a_year_of_a_grocer_is_told_by_the_other_half(grocery_lines: pl.DataFrame) -> None:
    found = growth.backtest(grocery_lines, date(2017, 7, 2), growth.Parameters(date(2017, 7, 2)))
    assert found.status == "ok"
    assert found.until == date(2017, 12, 31)
    assert found.figures["auc_of_spend_for_heavy"] == pytest.approx(0.917, abs=0.005)
    assert found.figures["heavy_stay_heavy_rate"] > 0.75
    assert found.figures["white_space_bought_rate"] > 3 * found.figures["other_category_bought_rate"]
    assert found.figures["gap_halved_rate"] < 0.2
    assert found.table["observed"].is_sorted()


def test_divisions_say_what_is_needed_and_what_it_is_worth() -> None:
    rows: list[Line] = []
    for number in range(30):
        rows += [(f"c{number:02}", on(day + 1), "staples", 100 + number) for day in range(20)]
    rows += [("c07", on(day + 1), "baby", 10) for day in range(20)] + [("c08", on(3), "baby", 10)]
    rows += [("few", on(1), "baby", 10)]
    scores = by_customer(divisions.score(lines(rows), DIVIDED))
    assert tuple(scores["c07"]) == divisions.OUTPUT_COLUMNS
    assert scores["c07"]["need"] == "baby"
    assert scores["c08"]["need"] == scores["c00"]["need"] == divisions.BROAD
    assert (scores["few"]["need"], scores["few"]["status"]) == (None, "ok")
    assert [scores[name]["actual_value"] for name in ("c01", "c15", "c29")] == ["low", "medium", "high"]
    assert scores["few"]["potential_value"] == "high"  # staples are all she does not buy


def test_a_potential_may_be_given_and_unknown() -> None:
    given_ = pl.DataFrame({"customer_id": list("abcde"), "potential_minor": [None, 900, 5, 5, -3]})
    scores = by_customer(divisions.score(lines(street()), DIVIDED, potential=given_))
    assert [scores[name]["potential_value"] for name in "abcdef"] == [None, "high", "medium", "medium", "low", None]
    assert scores["f"]["actual_value"] == "medium"


def test_divisions_of_too_few_are_none() -> None:
    [row] = divisions.score(lines([("only", on(1), "bread", 5)]), DIVIDED).to_dicts()
    assert (row["status"], row["need"], row["actual_value"]) == ("insufficient_data", None, None)
    assert divisions.backtest(lines([("only", on(1), "bread", 5)]), on(50), DIVIDED).status == "insufficient_data"
    assert divisions.score(lines([]), DIVIDED).height == 0


def test_needs_and_values_of_a_grocers_customers_stay(grocery_lines: pl.DataFrame) -> None:
    cut = date(2017, 7, 2)
    found = divisions.backtest(grocery_lines, cut, divisions.Parameters(cut))
    assert found.status == "ok"
    assert found.figures["need_stays_rate"] > 3.5 * found.figures["need_by_chance_rate"]
    assert found.figures["actual_value_stays_rate"] > 0.68
    assert found.figures["actual_value_by_chance_rate"] == pytest.approx(1 / 3, abs=0.01)
    assert found.table["observed"].is_sorted()
    assert (found.table["observed"] > 1.1).all()


some_lines = st.lists(
    st.tuples(
        st.sampled_from("abcdefg"),
        st.dates(on(250), AS_OF),
        st.sampled_from(["bread", "milk", None]),
        st.one_of(st.integers(-50, 500), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(rows=some_lines, data=st.data())
def test_the_order_of_rows_changes_no_byte(rows: list[Line], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    peers = pl.DataFrame({"customer_id": list("abcd"), "peer_group": ["x"] * 4})
    for method, asked in ((growth, ASKED), (divisions, DIVIDED)):
        found, again = (method.score(lines(list(one)), asked, peers=peers) for one in (rows, shuffled))  # type: ignore[attr-defined]
        assert found.write_csv() == again.write_csv()
        assert found["customer_id"].is_sorted()
