"""Customer-days and histories: what counts as a purchase, and where a refund goes."""

from datetime import date
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import purchases

from .conftest import purchases as feed

AS_OF = date(2024, 1, 1)
Row = tuple[str, date, int | None]


def history(*rows: Row, unit: purchases.Unit = "day", as_of: date = AS_OF) -> dict[str, object]:
    [one] = purchases.histories(purchases.customer_days(feed(list(rows)), as_of), as_of, unit).to_dicts()
    return one


def test_a_history_counts_days() -> None:
    one = history(
        ("a", date(2023, 1, 1), 500),
        ("a", date(2023, 1, 1), 300),
        ("a", date(2023, 3, 2), 200),
        ("a", date(2023, 12, 31), 100),
    )
    assert one == {
        "customer_id": "a",
        "first_on": date(2023, 1, 1),
        "last_on": date(2023, 12, 31),
        "repeats": 2,
        "recency_days": 364,
        "age_days": 364,
        "repeat_minor": 300,
        "amount_minor": 1100,
        "observation_count": 4,
    }


def test_or_orders() -> None:
    one = history(
        ("a", date(2023, 1, 1), 500), ("a", date(2023, 1, 1), 301), ("a", date(2023, 3, 2), 200), unit="order"
    )
    assert (one["repeats"], one["repeat_minor"], one["amount_minor"]) == (2, 601, 1001)


def test_what_is_not_known_yet_does_not_count() -> None:
    rows: list[Row] = [("a", date(2023, 6, 1), 500), ("a", date(2024, 1, 1), 700), ("a", date(2024, 2, 1), -500)]
    assert history(*rows) == history(rows[0])
    later = purchases.customer_days(feed(rows), date(2025, 1, 1))
    assert purchases.histories(later, AS_OF).to_dicts() == [history(rows[0])]


@pytest.mark.parametrize(
    ("refunded_on", "repeat", "all_of_it"),
    [
        (date(2023, 1, 1), 900, 1500),  # of the first purchase
        (date(2023, 2, 1), 900, 1500),
        (date(2023, 3, 1), 500, 1500),  # of the second
        (date(2023, 12, 1), 500, 1500),
        (date(2022, 12, 1), 900, 1500),  # nothing was bought before: of the first
    ],
)
def test_a_refund_lowers_the_latest_purchase_before_it(refunded_on: date, repeat: int, all_of_it: int) -> None:
    one = history(("a", date(2023, 1, 1), 1000), ("a", date(2023, 3, 1), 900), ("a", refunded_on, -400))
    assert (one["repeats"], one["repeat_minor"], one["amount_minor"]) == (1, repeat, all_of_it)
    assert (one["first_on"], one["last_on"]) == (date(2023, 1, 1), date(2023, 3, 1))


def test_the_kind_makes_a_refund_whatever_its_sign() -> None:
    rows: list[Row] = [("a", date(2023, 1, 1), 1000), ("a", date(2023, 3, 1), 400)]
    marked = feed(rows).with_columns(pl.Series("kind", ["order.placed", "order.refunded"]))
    [one] = purchases.histories(purchases.customer_days(marked, AS_OF), AS_OF).to_dicts()
    assert (one["repeats"], one["amount_minor"], one["repeat_minor"]) == (0, 600, 0)


def test_an_order_without_an_amount_and_a_free_one_are_purchases() -> None:
    one = history(("a", date(2023, 1, 1), None), ("a", date(2023, 3, 1), 0))
    assert (one["repeats"], one["amount_minor"]) == (1, 0)


def test_nothing_but_refunds_is_a_row_without_dates() -> None:
    one = history(("a", date(2023, 3, 1), -500))
    assert (one["first_on"], one["repeats"], one["amount_minor"], one["observation_count"]) == (None, 0, -500, 1)


def test_outcomes_count_what_came_between_two_dates() -> None:
    days = purchases.customer_days(
        feed([("a", date(2023, 1, 1), 10), ("a", date(2023, 1, 2), 20), ("a", date(2023, 1, 3), -5)]), AS_OF
    )
    assert purchases.outcomes(days, date(2023, 1, 2), date(2023, 1, 4)).rows() == [("a", 1, 15)]


def test_cdnow_has_its_customers(cdnow: pl.DataFrame) -> None:
    found = purchases.histories(purchases.customer_days(cdnow, date(1997, 10, 1)), date(1997, 10, 1))
    assert found.height == 2357
    assert found.filter(pl.col("repeats") > 0).height == 946
    assert found["age_days"].max() == 272


some_rows = st.lists(
    st.tuples(
        st.sampled_from("abcde"),
        st.dates(date(2023, 12, 1), date(2024, 1, 5)),
        st.one_of(st.integers(-300, 1000), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 1000), cut=st.integers(1, 15), unit=st.sampled_from(["day", "order"]))
def test_neither_order_nor_cuts_change_a_history(rows: list[Row], seed: int, cut: int, unit: purchases.Unit) -> None:
    shuffled = Random(seed).sample(rows, len(rows))
    slices = [shuffled[first : first + cut] for first in range(0, max(len(shuffled), 1), cut)]
    parts = purchases.combine(purchases.customer_days(feed(part), AS_OF) for part in slices)
    whole = purchases.customer_days(feed(rows), AS_OF)
    assert parts.equals(whole)
    cut_up = purchases.histories(parts, AS_OF, unit)
    assert cut_up.write_csv() == purchases.histories(whole, AS_OF, unit).write_csv()


@settings(max_examples=100, deadline=None)
@given(rows=some_rows)
def test_no_money_is_lost(rows: list[Row]) -> None:
    found = purchases.histories(purchases.customer_days(feed(rows), AS_OF), AS_OF)
    assert found["amount_minor"].sum() == sum(amount or 0 for _, on, amount in rows if on < AS_OF)
    bought = found.filter(pl.col("first_on").is_not_null())
    assert (bought["recency_days"] <= bought["age_days"]).all()
    assert found["observation_count"].sum() == sum(on < AS_OF for _, on, _ in rows)
