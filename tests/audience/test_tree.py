"""The tree as JSON: what is taken, what comes back, what is refused and where."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, ValidationError

from crm_api.audience import AllOf, FieldTest, Not, Touchpoints, TouchpointSum, Tree, read_tree, write_tree
from crm_api.audience.tree import _BRANCHES
from crm_api.core.failures import pointer

from .trees import Json, trees

LEAF: Json = {"field": "age", "gte": 30}
BOUGHT: Json = {"touchpoint": "order.placed"}


KINDS = tuple(_BRANCHES.values())


class Body(BaseModel, extra="forbid", strict=True):
    """A request body with an audience in it."""

    definition: Tree


def refusals(definition: Any) -> list[tuple[str, str]]:
    """Validate as a request would, and answer pointers and codes of the findings."""
    body = {"definition": definition}
    with pytest.raises(ValidationError) as refused:
        Body.model_validate_json(json.dumps(body))
    return [(pointer(error["loc"], body, error["type"]), error["type"]) for error in refused.value.errors()]


@given(trees)
def test_a_tree_survives_json(tree: Json) -> None:
    read = read_tree(tree)
    assert read_tree(write_tree(read)) == read
    assert read_tree(json.loads(json.dumps(write_tree(read)))) == read


@given(trees)
def test_a_tree_is_written_as_it_was_sent(tree: Json) -> None:
    assert _spelled(write_tree(read_tree(tree))) == _spelled(tree)


def _spelled(value: Any) -> Any:
    """Leave out what has two spellings: 2.5 EUR is 2.50 EUR."""
    if isinstance(value, dict) and "currency" in value:
        return float(value["amount"]), value["currency"]
    if isinstance(value, dict):
        return {name: _spelled(each) for name, each in value.items()}
    return [_spelled(each) for each in value] if isinstance(value, list) else value


def test_the_examples_of_the_design_are_read() -> None:
    tree = read_tree(
        {
            "all": [
                {"field": "country", "in": ["DE", "AT"]},
                LEAF,
                {
                    "sum": "amount",
                    "of": BOUGHT,
                    "last": "P365D",
                    "gte": {"amount": "500.00", "currency": "EUR"},
                },
                {"count": {"touchpoint": "page.viewed", "where": {"field": "path", "like": "/bikes/*"}}, "gte": 3},
                {"not": {"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"}},
            ]
        }
    )
    assert isinstance(tree, AllOf)
    country, _, spent, _, outside = tree.all
    assert isinstance(country, FieldTest) and country.comparison == ("in", ["DE", "AT"])
    assert isinstance(spent, TouchpointSum) and spent.of == Touchpoints(touchpoint="order.placed")
    assert isinstance(outside, Not)
    assert repr(country) == "FieldTest(field='country', in_=['DE', 'AT'])"


@pytest.mark.parametrize(
    ("definition", "where", "code"),
    [
        (5, "", "no-node"),
        ([], "", "no-node"),
        (None, "", "no-node"),
        ({}, "", "no-node"),
        ({"fields": "age", "gte": 1}, "", "no-node"),
        ({"all": []}, "/all", "too_short"),
        ({"all": {"0": LEAF}}, "/all", "list_type"),
        ({"all": [LEAF, {"field": "age"}]}, "/all/1", "one-operator"),
        ({"not": {"field": "age", "gte": 1, "lt": 5}}, "/not", "one-operator"),
        ({"field": "age", "eq": None}, "/eq", "no-value"),
        ({"field": "age", "eq": [1]}, "/eq", "no-value"),
        ({"field": "age", "eq": float("nan")}, "/eq", "finite_number"),
        ({"field": "age", "in": [1, float("inf")]}, "/in/1", "finite_number"),
        ({"field": "age", "known": "yes"}, "/known", "bool_type"),
        ({"field": "age", "between": [1]}, "/between", "too_short"),
        ({"field": "age", "in": [1, None]}, "/in/1", "no-value"),
        ({"field": "age", "in": []}, "/in", "too_short"),
        ({"field": "age", "in_": [1], "eq": 1}, "/in_", "extra_forbidden"),
        ({"any": [{"all": [{**LEAF, "unit": "years"}]}]}, "/any/0/all/0/unit", "extra_forbidden"),
        ({"field": "", "eq": 1}, "/field", "string_too_short"),
        ({"field": "name", "eq": "x" * 1001}, "/eq", "string_too_long"),
        ({"segment": "churn-risk"}, "/segment", "uuid_parsing"),
        ({"segment": 5}, "/segment", "uuid_type"),
        ({"segment_name": ""}, "/segment_name", "string_too_short"),
        ({"count": BOUGHT, "gte": "3"}, "/gte", "int_type"),
        ({"count": BOUGHT, "gte": 3.0}, "/gte", "int_type"),
        ({"count": BOUGHT, "gte": True}, "/gte", "int_type"),
        ({"count": BOUGHT, "gte": -1}, "/gte", "greater_than_equal"),
        ({"count": BOUGHT}, "", "one-operator"),
        ({"count": {"touchpoint": "a", "where": {"field": "x"}}, "eq": 1}, "/count/where", "one-operator"),
        ({"count": BOUGHT, "last": "P1Y", "gte": 1}, "/last", "duration"),
        ({"count": BOUGHT, "last": "P0D", "gte": 1}, "/last", "duration"),
        ({"count": BOUGHT, "last": "P1D\n", "gte": 1}, "/last", "duration"),
        ({"count": BOUGHT, "last": "P١D", "gte": 1}, "/last", "duration"),
        ({"count": BOUGHT, "last": 14, "gte": 1}, "/last", "string_type"),
        ({"count": BOUGHT, "last": "P1D", "from": "2026-01-01", "gte": 1}, "", "one-window"),
        ({"count": BOUGHT, "from": "2026-01-02", "until": "2026-01-02", "gte": 1}, "", "empty-window"),
        ({"count": BOUGHT, "from": "2026-02-30", "gte": 1}, "/from", "value_error"),
        ({"count": BOUGHT, "from": "1899-12-31", "gte": 1}, "/from", "greater_than_equal"),
        ({"count": BOUGHT, "from": 20260101, "gte": 1}, "/from", "date_type"),
        ({"sum": "amount", "of": BOUGHT, "gte": {"amount": "5.005", "currency": "EUR"}}, "/gte", "money"),
        ({"sum": "amount", "of": BOUGHT, "gte": {"amount": "5.00"}}, "/gte/currency", "missing"),
        ({"sum": "amount", "gte": 5}, "/of", "missing"),
        ({"average": "amount", "of": BOUGHT}, "", "one-operator"),
        ({"never": BOUGHT, "gte": 1}, "/gte", "extra_forbidden"),
        ({"first": BOUGHT, "ne": "2026-01-01"}, "/ne", "extra_forbidden"),
        ({"first": BOUGHT, "within_last": "P1Y"}, "/within_last", "duration"),
        ({"field": "born_on", "within_next": "P1D", "leap": "03-01"}, "", "no-anniversary"),
        ({"field": "born_on", "anniversary_within_next": "P1D", "leap": "02-29"}, "/leap", "literal_error"),
        ({"bucket": "a", "of": 1, "lt": 1}, "/of", "greater_than_equal"),
        ({"bucket": "a", "lt": 1}, "/of", "missing"),
    ],
)
def test_malformed_trees_are_refused_where_they_are_wrong(definition: Any, where: str, code: str) -> None:
    assert (f"/definition{where}", code) in refusals(definition)


def nested(levels: int) -> Json:
    """Make a tree so many levels deep."""
    tree = LEAF
    for _ in range(levels - 1):
        tree = {"not": tree}
    return tree


@pytest.mark.parametrize(
    ("definition", "code", "bound"),
    [
        (nested(17), "too-deep", "16"),
        ({"count": {"touchpoint": "a", "where": nested(17)}, "gte": 1}, "too-deep", "16"),
        ({"all": [LEAF] * 10_000}, "too-many-nodes", "500"),
        ({"any": [{"all": [LEAF] * 100}] * 100}, "too-many-nodes", "500"),
        ({"any": [{"count": BOUGHT, "gte": 2}] * 51}, "too-many-aggregates", "50"),
        ({"any": [{"never": BOUGHT}, {"latest": BOUGHT, "lt": "2026-01-01"}] * 26}, "too-many-aggregates", "50"),
        ({"count": {"touchpoint": "a", "items": nested(17)}, "gte": 1}, "too-deep", "16"),
        ({"any": [{"field": "age", "in": list(range(1_000))}] * 11}, "too-many-values", "10000"),
        ({"field": "age", "in": list(range(1_001))}, "too_long", "1000"),
    ],
    ids=lambda given: given if isinstance(given, str) else "tree",
)
def test_hostile_trees_are_refused_at_once_naming_the_bound(definition: Json, code: str, bound: str) -> None:
    sent = json.dumps({"definition": definition})
    began = time.process_time()
    with pytest.raises(ValidationError) as refused:
        Body.model_validate_json(sent)
    spent = time.process_time() - began
    (error,) = refused.value.errors()
    assert error["type"] == code
    assert bound in error["msg"].replace(",", "")
    assert spent < 1  # milliseconds in truth; the margin is for machines that are busy


def test_no_depth_gets_past_the_parser() -> None:
    with pytest.raises(ValidationError):
        Body.model_validate_json('{"definition": ' + '{"not":' * 500 + "1" + "}" * 501)


def test_trees_as_large_as_allowed_are_read() -> None:
    assert isinstance(read_tree(nested(16)), Not)
    assert isinstance(read_tree({"all": [LEAF] * 499}), AllOf)


def test_the_schema_names_every_kind_of_node() -> None:
    schema = Body.model_json_schema()
    kinds = {branch.__name__ for branch in KINDS}
    assert kinds | {"Audience", "Value", "Money", "Length", "Touchpoints"} == set(schema["$defs"])
    assert {branch["$ref"].split("/")[-1] for branch in schema["$defs"]["Audience"]["oneOf"]} == kinds
    assert all(schema["$defs"][kind]["examples"] for kind in kinds)
    assert all(schema["$defs"][kind]["additionalProperties"] is False for kind in kinds)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_in_the_schema_are_trees_of_the_world(kind: type) -> None:
    for example in Body.model_json_schema()["$defs"][kind.__name__]["examples"]:
        assert type(read_tree(example)) is kind
