"""The compiled condition, read as SQL: what an expert would write, and never a value in its text."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from crm_api.audience import (
    AudienceRefused,
    condition,
    depends_on,
    moving_bounds,
    next_move,
    read_tree,
    rolling_windows,
    windows_of,
)
from crm_api.audience.moving import TODAY

from .trees import Json, trees
from .world import CATALOG, MOMENTS, customer, touchpoint

BOUGHT: Json = {"touchpoint": "order.placed"}
SEGMENT = "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"


def compiled(tree: Json) -> tuple[str, dict[str, Any]]:
    """Answer the text of the condition, on one line, and its bound values."""
    statement = select(customer.c.customer_id).where(condition(read_tree(tree), CATALOG, MOMENTS[0]))
    answer = statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    text = re.sub(r"\s+", " ", str(answer)).replace("world_", "")
    return text.split(" WHERE ", 1)[1], answer.params


@pytest.mark.parametrize(
    ("tree", "sql"),
    [
        ({"field": "age", "gte": 30}, "customer.age >= $1::BIGINT"),
        ({"field": "country", "in": ["DE", "AT"]}, "customer.country = ANY ($1::TEXT[])"),
        ({"field": "name", "like": "An*"}, "customer.name LIKE $1::VARCHAR"),
        ({"field": "age", "between": [1, 2]}, "customer.age BETWEEN $1::BIGINT AND $2::BIGINT"),
        ({"field": "is_active", "eq": True}, "customer.is_active = $1::BOOLEAN"),
        ({"field": "tags", "has": "vip"}, "customer.tags @> $1::TEXT[]"),
        ({"field": "age", "known": True}, "customer.age IS NOT NULL"),
        ({"field": "age", "known": False}, "customer.age IS NULL"),
        ({"not": {"field": "age", "known": True}}, "customer.age IS NULL"),
        ({"not": {"field": "age", "gte": 30}}, "(customer.age >= $1::BIGINT) IS NOT true"),
        ({"not": {"not": {"field": "age", "gte": 30}}}, "customer.age >= $1::BIGINT"),
        (
            {"not": {"any": [{"field": "age", "gte": 30}, {"field": "name", "eq": "a"}]}},
            "(customer.age >= $1::BIGINT) IS NOT true AND (customer.name = $2::VARCHAR) IS NOT true",
        ),
        (
            {"field": "balance", "gte": {"amount": "5", "currency": "EUR"}},
            "customer.balance_currency = $1::VARCHAR AND customer.balance >= $2::BIGINT",
        ),
        (
            {"not": {"segment": SEGMENT}},
            "NOT (EXISTS (SELECT * FROM member WHERE member.customer_id = customer.customer_id "
            "AND member.segment_id = $1::UUID))",
        ),
    ],
)
def test_leaves_are_bare(tree: Json, sql: str) -> None:
    assert compiled(tree)[0] == sql


TIMELINE = "FROM touchpoint WHERE touchpoint.customer_id = customer.customer_id"
WINDOW = (
    "AND touchpoint.occurred_at >= $1::TIMESTAMP WITH TIME ZONE "
    "AND touchpoint.occurred_at < $2::TIMESTAMP WITH TIME ZONE"
)


@pytest.mark.parametrize(
    ("comparison", "sql"),
    [
        ({"gte": 1}, f"EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR)"),
        ({"gt": 0}, f"EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR)"),
        ({"ne": 0}, f"EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR)"),
        ({"eq": 0}, f"NOT (EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR))"),
        ({"lt": 1}, f"NOT (EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR))"),
        ({"lte": 0}, f"NOT (EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR))"),
        ({"gte": 3}, f"(SELECT count(*) AS count_1 {TIMELINE} AND touchpoint.kind = $1::VARCHAR) >= $2::BIGINT"),
        (
            {"gte": 1, "last": "P14D"},
            f"EXISTS (SELECT * {TIMELINE} {WINDOW} AND touchpoint.kind = $3::VARCHAR)",
        ),
    ],
)
def test_counts_are_what_an_expert_writes(comparison: Json, sql: str) -> None:
    assert compiled({"count": BOUGHT, **comparison})[0] == sql
    negated = compiled({"not": {"count": BOUGHT, **comparison}})[0]
    if sql.startswith("EXISTS"):
        assert negated == f"NOT ({sql})"
    elif sql.startswith("NOT"):
        assert f"NOT ({negated})" == sql


LINES = "FROM touchpoint JOIN item ON item.customer_id = touchpoint.customer_id AND item.touchpoint_id = touchpoint.id"
BELONG = "WHERE item.customer_id = touchpoint.customer_id AND item.touchpoint_id = touchpoint.id"
MEAT = {"field": "category", "eq": "MEAT"}


@pytest.mark.parametrize(
    ("tree", "sql"),
    [
        ({"never": BOUGHT}, f"NOT (EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR))"),
        (
            {"latest": BOUGHT, "gte": "2026-03-08"},
            f"EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR "
            "AND touchpoint.occurred_at >= $2::TIMESTAMP WITH TIME ZONE)",
        ),
        (
            {"first": BOUGHT, "within_last": "P7D"},
            "(SELECT min(touchpoint.occurred_at) >= $1::TIMESTAMP WITH TIME ZONE "
            "AND min(touchpoint.occurred_at) < $2::TIMESTAMP WITH TIME ZONE AS anon_1 "
            f"{TIMELINE} AND touchpoint.kind = $3::VARCHAR)",
        ),
        (
            {"average": "amount", "of": BOUGHT, "gte": {"amount": "5.00", "currency": "EUR"}},
            "(SELECT sum(touchpoint.amount) >= $1::NUMERIC * count(touchpoint.amount) AS anon_1 "
            f"{TIMELINE} AND touchpoint.kind = $2::VARCHAR AND touchpoint.currency = $3::VARCHAR)",
        ),
        (
            {"count": {**BOUGHT, "items": MEAT}, "gte": 1},
            f"EXISTS (SELECT * {TIMELINE} AND touchpoint.kind = $1::VARCHAR AND (EXISTS (SELECT * FROM item {BELONG} "
            "AND (EXISTS (SELECT * FROM product WHERE product.sku = item.sku AND product.category = $2::VARCHAR)))))",
        ),
        (
            {"sum": "items.quantity", "of": {**BOUGHT, "items": MEAT}, "gt": 2},
            f"(SELECT sum(item.quantity) AS sum_1 {LINES} WHERE touchpoint.customer_id = customer.customer_id "
            "AND touchpoint.kind = $1::VARCHAR AND (EXISTS (SELECT * FROM product WHERE product.sku = item.sku "
            "AND product.category = $2::VARCHAR))) > $3::NUMERIC",
        ),
        (
            {"field": "born_on", "within_next": "P7D"},
            "customer.born_on >= $1::DATE AND customer.born_on < $2::DATE",
        ),
        (
            {"field": "seen_at", "lte": "2026-03-08"},
            "customer.seen_at < $1::TIMESTAMP WITH TIME ZONE",
        ),
    ],
)
def test_other_leaves_are_what_an_expert_writes(tree: Json, sql: str) -> None:
    assert compiled(tree)[0] == sql


def test_a_sum_is_coalesced_only_where_nothing_could_match() -> None:
    spent: Json = {"sum": "amount", "of": BOUGHT}
    plain, _ = compiled({**spent, "gte": {"amount": "5.00", "currency": "EUR"}})
    assert plain == (
        f"(SELECT sum(touchpoint.amount) AS sum_1 {TIMELINE} AND touchpoint.kind = $1::VARCHAR "
        "AND touchpoint.currency = $2::VARCHAR) >= $3::BIGINT"
    )
    covered, _ = compiled({**spent, "lt": {"amount": "5.00", "currency": "EUR"}})
    assert covered.startswith("coalesce((SELECT sum")


def test_touchpoints_around_the_condition_do_not_leak_into_it() -> None:
    customers = select(customer.c.customer_id).where(
        condition(read_tree({"count": BOUGHT, "gte": 1}), CATALOG, MOMENTS[0])
    )
    touchpoints = str(select(touchpoint.c.id).where(touchpoint.c.customer_id.in_(customers)))
    assert touchpoints.count("FROM world_touchpoint") == 2
    assert touchpoints.count("FROM world_customer") == 1


def _values(value: Any) -> list[Any]:
    """Gather all texts and numbers a tree compares with."""
    if isinstance(value, dict):
        return [found for name, each in value.items() if name != "field" for found in _values(each)]
    return [found for each in value for found in _values(each)] if isinstance(value, list) else [value]


@given(trees)
def test_the_text_of_the_sql_depends_on_no_value(tree: Json) -> None:
    text, params = compiled(tree)
    assert "'" not in text
    # What digits there are belong to names, to the numbers of parameters and to one type.
    assert not re.search(r"(?<![\w$])\d", text.replace("BIT(60)", ""))
    assert len(set(re.findall(r"\$\d+", text))) == len(params)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=50).filter(lambda text: "\x00" not in text and text.count("*") <= 8))
def test_a_hostile_value_is_bound(value: str) -> None:
    for tree in (
        {"field": "name", "eq": value},
        {"field": "name", "in": [value]},
        {"field": "name", "like": value},
        {"field": "tags", "has": value},
        {"count": {"touchpoint": value, "where": {"field": "channel", "eq": value}}, "gte": 1},
    ):
        plain = compiled({**tree, **({"eq": "x"} if "eq" in tree else {})})[0]
        assert compiled(tree)[0] == plain
        assert "'" not in compiled(tree)[0]


def test_a_compiled_audience_can_be_asked_at_another_moment() -> None:
    tree: Json = {
        "any": [
            {"count": BOUGHT, "last": "P14D", "gte": 1},
            {"count": BOUGHT, "last": "PT2H", "gte": 3},
            {"field": "born_on", "within_last": "P1M"},
            {"field": "seen_at", "within_next": "P2W"},
            {"not": {"first": BOUGHT, "within_last": "PT5H"}},
            {"latest": BOUGHT, "anniversary_within_next": "P7D"},
            {"field": "born_on", "anniversary_within_next": "P1D", "leap": "03-01"},
        ]
    }
    texts = set()
    for moment in MOMENTS:
        statement = select(customer.c.customer_id).where(condition(read_tree(tree), CATALOG, moment))
        bounds = moving_bounds(windows_of(read_tree({"not": tree})), moment)
        assert bounds.pop(TODAY) == moment.today
        params = statement.compile().params
        texts.add(str(statement))
        # Both dates and instants are there to be bound; a condition has what its column needs.
        assert {name: value for name, value in params.items() if name in bounds}.items() <= bounds.items()
        assert all(name in bounds for name in params if name.startswith(("last_", "next_", "anniversary_")))
    assert len(texts) == 1, "the statement is the same at any moment"


def test_what_does_not_fit_is_never_compiled() -> None:
    with pytest.raises(AudienceRefused):
        condition(read_tree({"field": "age", "gte": "30"}), CATALOG, MOMENTS[0])


def test_an_audience_knows_what_it_depends_on() -> None:
    tree = read_tree(
        {
            "any": [
                {"all": [{"field": "age", "gte": 30}, {"not": {"segment": SEGMENT}}]},
                {"count": {**BOUGHT, "where": {"field": "channel", "eq": "web"}}, "gte": 2},
                {"sum": "amount", "of": {"touchpoint": "page.viewed"}, "gte": {"amount": "5", "currency": "EUR"}},
                {"field": "score.recency", "eq": 5},
                {"field": "gone", "eq": 5},
                {"never": {"touchpoint": "ticket.opened", "items": MEAT}},
                {"latest": {"touchpoint": "store.visited"}, "anniversary_within_next": "P7D"},
                {"bucket": "a", "of": 10, "lt": 5},
            ]
        }
    )
    assert depends_on(tree, CATALOG) == {
        "customer",
        f"segment:{SEGMENT}",
        "touchpoint:order.placed",
        "touchpoint:page.viewed",
        "touchpoint:ticket.opened",
        "touchpoint:store.visited",
        "product",
        "zone",
        "score:rfm",
    }


def test_a_tree_knows_how_it_moves_with_time() -> None:
    for tree, windows, daily, rolling in (
        ({"field": "age", "gte": 30}, set(), False, set()),
        ({"count": BOUGHT, "last": "P14D", "gte": 1}, {"P14D"}, True, set()),
        ({"never": BOUGHT, "last": "PT5H"}, {"PT5H"}, False, {("order.placed", "PT5H")}),
        ({"not": {"field": "born_on", "within_next": "P1M"}}, {"within_next P1M"}, True, set()),
        ({"first": BOUGHT, "within_last": "PT9M"}, {"within_last PT9M"}, False, {("order.placed", "PT9M")}),
        ({"first": BOUGHT, "last": "P1D", "within_last": "P1W"}, {"P1D", "within_last P1W"}, True, set()),
        ({"field": "born_on", "anniversary_within_next": "P7D"}, {"anniversary P7D 02-28"}, True, set()),
        ({"first": BOUGHT, "anniversary_within_next": "P7D", "leap": "03-01"}, {"anniversary P7D 03-01"}, True, set()),
    ):
        read = read_tree(tree)
        assert windows_of(read) == windows
        assert (next_move(read, CATALOG, MOMENTS[0]) is not None) is daily
        assert rolling_windows(read) == rolling
