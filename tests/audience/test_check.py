"""Typing of a tree against the catalog: each fault has its place, its code and the nearest valid name."""

import time
from typing import Any

import pytest
from hypothesis import given
from sqlalchemy import Column, Integer

from crm_api.audience import AudienceRefused, Catalog, Field, Finding, check, checked, read_tree

from .trees import Json, trees
from .world import CATALOG, TOUCHPOINTS, customer

BOUGHT: Json = {"touchpoint": "order.placed"}
EUROS = {"amount": "5.00", "currency": "EUR"}
YEN = {"amount": "5", "currency": "JPY"}
BOUGHT_MEAT = {**BOUGHT, "items": {"field": "category", "eq": "MEAT"}}
WHERE_PATH: Json = {"field": "properties.path"}


@given(trees)
def test_trees_that_fit_have_no_findings(tree: Json) -> None:
    assert check(read_tree(tree), CATALOG) == []


@pytest.mark.parametrize(
    ("tree", "where", "code", "nearest"),
    [
        ({"field": "contry", "eq": "DE"}, "/field", "unknown-field", "country"),
        ({"field": "Country", "eq": "DE"}, "/field", "unknown-field", "country"),
        ({"field": "recency", "eq": 5}, "/field", "unknown-field", "score.recency"),
        ({"field": "qqqq", "eq": "DE"}, "/field", "unknown-field", None),
        ({"all": [{"any": [{"not": {"field": "agee", "eq": 1}}]}]}, "/all/0/any/0/not/field", "unknown-field", "age"),
        ({"field": "country", "eq": "DEU"}, "/eq", "unknown-choice", "DE"),
        ({"field": "country", "in": ["AT", "at"]}, "/in/1", "unknown-choice", "AT"),
        ({"field": "country", "like": "D*"}, "/like", "operator-not-offered", None),
        ({"field": "is_active", "ne": True}, "/ne", "operator-not-offered", None),
        ({"field": "tags", "in": ["vip"]}, "/in", "operator-not-offered", None),
        ({"field": "segment", "eq": "x"}, "/eq", "operator-not-offered", None),
        ({"field": "name", "eq": 5}, "/eq", "wrong-type", None),
        ({"field": "name", "like": 5}, "/like", "wrong-type", None),
        ({"field": "country", "eq": True}, "/eq", "wrong-type", None),
        ({"field": "age", "gte": "30"}, "/gte", "wrong-type", None),
        ({"field": "age", "gte": 30.5}, "/gte", "wrong-type", None),
        ({"field": "age", "gte": True}, "/gte", "wrong-type", None),
        ({"field": "age", "gte": EUROS}, "/gte", "wrong-type", None),
        ({"field": "age", "gte": 2**63}, "/gte", "out-of-range", None),
        ({"field": "weight", "lt": 10**400}, "/lt", "out-of-range", None),
        ({"field": "weight", "lt": "1.5"}, "/lt", "wrong-type", None),
        ({"field": "is_active", "eq": "true"}, "/eq", "wrong-type", None),
        ({"field": "born_on", "eq": 0}, "/eq", "wrong-type", None),
        ({"field": "born_on", "eq": "2026-02-30"}, "/eq", "wrong-type", None),
        ({"field": "born_on", "eq": "2026-01-01T00:00:00Z"}, "/eq", "wrong-type", None),
        ({"field": "seen_at", "gte": 0}, "/gte", "wrong-type", None),
        ({"field": "seen_at", "gte": "2026-01-01T00:00:00"}, "/gte", "wrong-type", None),
        ({"field": "seen_at", "gte": "0001-01-01T00:00:00+01:00"}, "/gte", "out-of-range", None),
        ({"field": "tags", "has": 5}, "/has", "wrong-type", None),
        ({"field": "balance", "gte": 5}, "/gte", "currency-missing", None),
        ({"field": "balance", "gte": "5 EUR"}, "/gte", "wrong-type", None),
        ({"field": "balance", "between": [EUROS, YEN]}, "/between/1", "wrong-unit", "EUR"),
        ({"field": "score.spent", "gte": YEN}, "/gte", "wrong-unit", "EUR"),
        ({"field": "age", "between": [31, 30]}, "/between", "empty-range", None),
        ({"field": "name", "like": "*a" * 9}, "/like", "too-many-wildcards", None),
        ({"field": "name", "eq": "a\x00"}, "/eq", "unstorable-text", None),
        ({"field": "name", "like": "\x00*"}, "/like", "unstorable-text", None),
        ({"field": "name", "in": ["a", "\x00"]}, "/in/1", "unstorable-text", None),
        ({"sum": "amout", "of": BOUGHT, "gte": EUROS}, "/sum", "unknown-amount", "amount"),
        ({"sum": "amount", "of": BOUGHT, "gte": 500}, "/gte", "currency-missing", None),
        ({"sum": "amount", "of": BOUGHT, "between": [EUROS, YEN]}, "/between/1", "wrong-unit", "EUR"),
        ({"count": BOUGHT, "between": [3, 2]}, "/between", "empty-range", None),
        ({"bucket": "a", "of": 5, "between": [3, 2]}, "/between", "empty-range", None),
        ({"bucket": "\x00", "of": 5, "lt": 2}, "/bucket", "unstorable-text", None),
        ({"average": "amout", "of": BOUGHT, "gte": EUROS}, "/average", "unknown-amount", "amount"),
        ({"average": "amount", "of": BOUGHT, "gte": 5}, "/gte", "currency-missing", None),
        ({"sum": "items.quantity", "of": BOUGHT, "gte": EUROS}, "/gte", "wrong-type", None),
        ({"share": "amount", "of": BOUGHT_MEAT, "gte": 0.5}, "/share", "unknown-amount", None),
        ({"share": "items.payd", "of": BOUGHT_MEAT, "gte": 0.5}, "/share", "unknown-amount", "items.paid"),
        ({"share": "items.paid", "of": BOUGHT_MEAT, "gte": EUROS}, "/gte", "wrong-type", None),
        ({"share": "items.paid", "of": BOUGHT, "gte": 0.5}, "/of", "items-missing", None),
        ({"first": BOUGHT, "gte": 5}, "/gte", "wrong-type", None),
        ({"first": BOUGHT, "gte": "2026-02-30"}, "/gte", "wrong-type", None),
        ({"first": BOUGHT, "gte": "1899-12-31"}, "/gte", "out-of-range", None),
        ({"first": BOUGHT, "eq": "2026-01-01T00:00:00Z"}, "/eq", "wrong-type", None),
        ({"first": BOUGHT, "between": ["2026-01-01", "2026-02-01T00:00:00Z"]}, "/between/1", "wrong-type", None),
        ({"first": BOUGHT, "within_next": "PT5H"}, "/within_next", "wrong-unit", "P1D"),
        ({"field": "seen_at", "within_last": "PT5H"}, "/within_last", "wrong-unit", "P1D"),
        ({"field": "born_on", "within_last": "PT5M"}, "/within_last", "wrong-unit", "P1D"),
        ({"field": "born_on", "anniversary_within_next": "PT5H"}, "/anniversary_within_next", "wrong-unit", "P1D"),
        ({"field": "born_on", "anniversary_within_next": "P367D"}, "/anniversary_within_next", "out-of-range", None),
        ({"field": "born_on", "anniversary_within_next": "P13M"}, "/anniversary_within_next", "out-of-range", None),
        ({"field": "age", "within_last": "P1D"}, "/within_last", "operator-not-offered", None),
        (
            {"never": {**BOUGHT, "items": {"field": "catgory", "eq": "MEAT"}}},
            "/never/items/field",
            "unknown-field",
            "category",
        ),
        (
            {"never": {**BOUGHT, "items": {"never": BOUGHT}}},
            "/never/items/never",
            "not-offered-here",
            None,
        ),
        (WHERE_PATH | {"eq": {"amount": "1", "currency": "EUR"}}, "/eq", "wrong-type", None),
        (WHERE_PATH | {"gte": "3"}, "/gte", "wrong-type", None),
        (WHERE_PATH | {"in": [3, "a"]}, "/in/1", "wrong-type", None),
        (WHERE_PATH | {"between": ["a", "b"]}, "/between/1", "wrong-type", None),
        (WHERE_PATH | {"like": 3}, "/like", "wrong-type", None),
        (WHERE_PATH | {"eq": "\x00"}, "/eq", "unstorable-text", None),
        ({"count": {"touchpoint": "\x00"}, "eq": 1}, "/count/touchpoint", "unstorable-text", None),
        (
            {"count": {**BOUGHT, "where": {"field": "age", "eq": 1}}, "eq": 1},
            "/count/where/field",
            "unknown-field",
            None,
        ),
        (
            {"count": {**BOUGHT, "where": {"not": {"field": "chanel", "eq": "web"}}}, "eq": 1},
            "/count/where/not/field",
            "unknown-field",
            "channel",
        ),
        (
            {"count": {**BOUGHT, "where": {"count": BOUGHT, "eq": 1}}, "eq": 1},
            "/count/where/count",
            "not-offered-here",
            None,
        ),
        (
            {"sum": "amount", "of": {**BOUGHT, "where": {"sum": "amount", "of": BOUGHT, "eq": 1}}, "eq": EUROS},
            "/of/where/sum",
            "not-offered-here",
            None,
        ),
        (
            {"count": {**BOUGHT, "where": {"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"}}, "eq": 1},
            "/count/where/segment",
            "not-offered-here",
            None,
        ),
    ],
)
def test_faults_are_found_where_they_are(tree: Json, where: str, code: str, nearest: str | None) -> None:
    catalog = TOUCHPOINTS.catalog if tree.get("field", "").startswith("properties.") else CATALOG
    (finding,) = check(read_tree(tree), catalog)
    assert (finding.pointer, finding.code, finding.nearest) == (where, code, nearest)
    assert nearest is None or nearest in finding.detail


def test_all_findings_come_at_once() -> None:
    tree = read_tree({"all": [{"field": "agge", "eq": 1}, {"field": "age", "eq": "1"}, {"field": "age", "eq": 1}]})
    with pytest.raises(AudienceRefused) as refused:
        checked(tree, CATALOG)
    assert [finding.pointer for finding in refused.value.findings] == ["/all/0/field", "/all/1/eq"]
    assert "age is compared with a whole number, in years" in str(refused.value)


def test_without_touchpoints_and_segments_neither_is_offered() -> None:
    bare = Catalog([])
    for tree, where in (
        ({"count": BOUGHT, "gte": 1}, "/count"),
        ({"sum": "amount", "of": BOUGHT, "gte": EUROS}, "/sum"),
        ({"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"}, "/segment"),
        ({"segment_name": "churn-risk"}, "/segment_name"),
        ({"share": "items.paid", "of": BOUGHT_MEAT, "gt": 1}, "/share"),
        ({"never": BOUGHT}, "/never"),
        ({"bucket": "a", "of": 10, "lt": 1}, "/bucket"),
    ):
        assert [(finding.pointer, finding.code) for finding in check(read_tree(tree), bare)] == [
            (where, "not-offered-here")
        ]


def test_a_tree_of_nothing_but_faults_is_answered_at_once() -> None:
    many = CATALOG.with_fields(_field(f"custom.field_number_{number}") for number in range(500))
    tree = read_tree({"any": [{"field": f"custom.fieldnumber{number}" + "x" * 60, "eq": 1} for number in range(499)]})
    began = time.process_time()
    findings: list[Finding] = check(tree, many)
    assert len(findings) == 20
    assert time.process_time() - began < 2  # a tenth of that in truth; the margin is for machines that are busy


def _field(name: str, **given: Any) -> Field:
    return Field(name=name, type="integer", column=customer.c.age, depends_on=frozenset(), **given)


def test_a_catalog_is_extended_into_another() -> None:
    extended = CATALOG.with_fields([_field("custom.shoe_size")])
    assert extended.get("custom.shoe_size") is not None
    assert CATALOG.get("custom.shoe_size") is None
    assert extended.nearest("shoe_size") == "custom.shoe_size"
    assert [field.name for field in extended] == sorted(field.name for field in extended)
    assert (len(extended), extended.countable) == (len(CATALOG) + 1, CATALOG.countable)
    with pytest.raises(ValueError, match="two fields are called age"):
        CATALOG.with_fields([_field("age")])


def test_money_and_only_money_has_a_currency() -> None:
    with pytest.raises(ValueError, match="has a currency"):
        _field("age", currency=Column("currency", Integer))
