"""The canonical text: readable, and never the same for two trees."""

import pytest
from hypothesis import given

from crm_api.audience import print_text, read_tree

from .trees import Json, trees

BOUGHT: Json = {"touchpoint": "order.placed"}
OLD: Json = {"field": "age", "gte": 30}
YOUNG: Json = {"field": "age", "lt": 18}


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({"all": [{"field": "country", "in": ["DE", "AT"]}, OLD]}, 'country in ("DE", "AT") and age >= 30'),
        ({"any": [OLD, {"all": [YOUNG, OLD]}]}, "age >= 30 or age < 18 and age >= 30"),
        ({"all": [OLD, {"any": [YOUNG, OLD]}]}, "age >= 30 and (age < 18 or age >= 30)"),
        ({"all": [{"all": [OLD, YOUNG]}, OLD]}, "(age >= 30 and age < 18) and age >= 30"),
        ({"any": [{"any": [OLD, YOUNG]}, OLD]}, "(age >= 30 or age < 18) or age >= 30"),
        ({"all": [{"any": [OLD]}]}, "all(any(age >= 30))"),
        ({"not": {"all": [OLD, YOUNG]}}, "not (age >= 30 and age < 18)"),
        ({"not": {"not": OLD}}, "not not age >= 30"),
        ({"field": "name", "like": 'a"*\\'}, 'name like "a\\"*\\\\"'),
        ({"field": "tags", "has": "vip"}, 'tags has "vip"'),
        ({"field": "is_active", "ne": True}, "is_active != true"),
        ({"field": "age", "known": False}, "age is unknown"),
        ({"field": "age", "between": [18, 30.5]}, "age between 18 and 30.5"),
        ({"field": "custom.Schuhgröße", "eq": 42}, "`custom.Schuhgröße` = 42"),
        ({"field": "in", "eq": "`"}, '`in` = "`"'),
        ({"field": "a`b", "eq": 1}, "`a\\u0060b` = 1"),
        (
            {"field": "birth_date", "anniversary_within_next": "P7D", "leap": "03-01"},
            'birth_date anniversary within next 7 days leap "03-01"',
        ),
        ({"field": "created_at", "within_last": "P1M"}, "created_at within last 1 month"),
        (
            {"not": {"latest": {"touchpoint": "order.placed"}, "from": "2026-01-01", "within_next": "P2W"}},
            "not latest(order.placed, from 2026-01-01) within next 2 weeks",
        ),
        ({"first": BOUGHT, "eq": "2026-01-01"}, 'first(order.placed) = "2026-01-01"'),
        ({"never": BOUGHT, "last": "PT36H"}, "never(order.placed, last 36 hours)"),
        ({"bucket": "a b", "of": 10, "between": [1, 2]}, 'bucket("a b", 10) between 1 and 2'),
        (
            {"share": "items.paid", "of": {**BOUGHT, "where": OLD, "items": {"any": [YOUNG, OLD]}}, "lt": 0.5},
            "share(items.paid of order.placed where age >= 30 with items (age < 18 or age >= 30)) < 0.5",
        ),
        (
            {"average": "amount", "of": BOUGHT, "last": "P1D", "lt": {"amount": "1", "currency": "JPY"}},
            "average(amount of order.placed, last 1 day) < 1 JPY",
        ),
        (
            {"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"},
            'in_segment("01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10")',
        ),
        (
            {"sum": "amount", "of": BOUGHT, "last": "P365D", "gte": {"amount": "500.00", "currency": "EUR"}},
            "sum(amount of order.placed, last 365 days) >= 500.00 EUR",
        ),
        (
            {"count": {"touchpoint": "page.viewed", "where": {"field": "path", "like": "/bikes/*"}}, "eq": 3},
            'count(page.viewed where path like "/bikes/*") = 3',
        ),
        ({"count": BOUGHT, "last": "P1M", "gt": 0}, "count(order.placed, last 1 month) > 0"),
        ({"count": BOUGHT, "last": "PT90M", "gt": 0}, "count(order.placed, last 90 minutes) > 0"),
        ({"count": BOUGHT, "from": "2026-01-01", "gt": 0}, "count(order.placed, from 2026-01-01) > 0"),
        (
            {"count": BOUGHT, "from": "2026-01-01", "until": "2026-07-01", "gt": 0},
            "count(order.placed, from 2026-01-01 until 2026-07-01) > 0",
        ),
    ],
)
def test_trees_are_printed_as_people_would_write_them(tree: Json, text: str) -> None:
    assert print_text(read_tree(tree)) == text


@given(trees, trees)
def test_two_trees_have_one_text_only_if_they_are_one(tree: Json, other: Json) -> None:
    one, two = read_tree(tree), read_tree(other)
    assert (print_text(one) == print_text(two)) is (one == two)
