"""The text form: one tree however it is spelled, faults told by line and column, and nothing hostile gets far."""

import gc
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import crm_api.audience
from crm_api.audience import Audience, Tree, print_text, read_tree, write_tree
from crm_api.audience.bounds import LONGEST_AUDIENCE
from crm_api.audience.parse_text import FUNCTIONS
from crm_api.audience.print_text import RESERVED

from .trees import Json, trees

COMPARISON = "a comparison (=, !=, <, <=, >, >=, in, like, has, between, is, within, anniversary)"
OLD: Json = {"field": "age", "gte": 30}
YOUNG: Json = {"field": "age", "lt": 18}
BOUGHT: Json = {"touchpoint": "order.placed"}


class Body(BaseModel, extra="forbid", strict=True):
    """A request body with an audience in it."""

    definition: Tree


def read(text: str) -> Audience:
    """Read a text as a request would."""
    return Body.model_validate_json(json.dumps({"definition": text})).definition


def refusals(text: str) -> list[tuple[int, int, str, str | None]]:
    """Answer line, column, code and the nearest name of all findings."""
    with pytest.raises(ValidationError) as refused:
        read(text)
    found = refused.value.errors()
    assert {error["loc"] for error in found} == {("definition",)}
    return [(*_place(error["ctx"]), error["type"], error["ctx"].get("nearest")) for error in found]


def _place(context: dict[str, Any]) -> tuple[int, int]:
    return context["line"], context["column"]


@settings(deadline=None)
@given(trees)
def test_what_is_printed_is_read_as_the_same_tree(tree: Json) -> None:
    printed = print_text(read_tree(tree))
    assert read(printed) == read_tree(tree)
    assert print_text(read(printed)) == printed


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40)


@settings(deadline=None)
@given(name=NAMES, value=NAMES, kind=NAMES)
def test_every_name_and_text_survives(name: str, value: str, kind: str) -> None:
    tree = read_tree(
        {
            "any": [
                {"field": name, "in": [value]},
                {"count": {"touchpoint": kind, "where": {"field": name, "like": value}}, "gte": 1},
                {"segment_name": value},
            ]
        }
    )
    assert read(print_text(tree)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("AGE >= 30", {"field": "AGE", "gte": 30}),
        ("age >= 30 AND age < 18", {"all": [OLD, YOUNG]}),
        ("Not age >= 30", {"not": OLD}),
        ("((age >= 30))", OLD),
        ("age >= 30 and (age < 18 and age >= 30)", {"all": [OLD, {"all": [YOUNG, OLD]}]}),
        ('age >= 30 # who is that?\n  and # "and" so on\n age < 18', {"all": [OLD, YOUNG]}),
        ("all(age >= 30, age < 18)", {"all": [OLD, YOUNG]}),
        ("any(age >= 30)", {"any": [OLD]}),
        ("age == 30", {"field": "age", "eq": 30}),
        ("age <> 30", {"field": "age", "ne": 30}),
        ("age>=-1.5e3", {"field": "age", "gte": -1500.0}),
        ('country not in ("DE")', {"not": {"field": "country", "in": ["DE"]}}),
        ('name not like "a*"', {"not": {"field": "name", "like": "a*"}}),
        ("born_on >= 2000-02-29", {"field": "born_on", "gte": "2000-02-29"}),
        ("born_on between 2000-02-29 and 2001-01-01", {"field": "born_on", "between": ["2000-02-29", "2001-01-01"]}),
        ("balance > 5 eur", {"field": "balance", "gt": {"amount": "5.00", "currency": "EUR"}}),
        ("is_active = TRUE", {"field": "is_active", "eq": True}),
        ("age IS Unknown", {"field": "age", "known": False}),
        ('consents("email", "marketing")', {"field": "consent.email.marketing", "eq": "granted"}),
        ('consents("email", "news letter")', {"field": "consent.email.news letter", "eq": "granted"}),
        ('in_segment("churn-risk")', {"segment_name": "churn-risk"}),
        (
            'in_segment("01980C2E-7B1C-7A52-9C0E-4D1F5B8F3A10")',
            {"segment": "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"},
        ),
        ("`age` >= 30", OLD),
        ('`a "b" \\n` = 1', {"field": 'a "b" \n', "eq": 1}),
        ("count(order.placed, last 1 MONTHS) > 0", {"count": BOUGHT, "last": "P1M", "gt": 0}),
        ("count(order.placed, last 36 hour) > 0", {"count": BOUGHT, "last": "PT36H", "gt": 0}),
        ("birthday within next 7 days", {"field": "birth_date", "anniversary_within_next": "P7D"}),
        (
            'BIRTHDAY within NEXT 1 month leap "03-01" and age >= 30',
            {"all": [{"field": "birth_date", "anniversary_within_next": "P1M", "leap": "03-01"}, OLD]},
        ),
        ("last(order.placed) within last 30 days", {"latest": BOUGHT, "within_last": "P30D"}),
        ("latest(order.placed, last 1 day) >= 2026-01-01", {"latest": BOUGHT, "last": "P1D", "gte": "2026-01-01"}),
        (
            "avg(amount of order.placed) > 1 EUR",
            {"average": "amount", "of": BOUGHT, "gt": {"amount": "1.00", "currency": "EUR"}},
        ),
        (
            'share(items.paid of order.placed with items (category = "MEAT")) >= 12.5%',
            {"share": "items.paid", "of": {**BOUGHT, "items": {"field": "category", "eq": "MEAT"}}, "gte": 0.125},
        ),
        ('bucket("spring", 100) < 10', {"bucket": "spring", "of": 100, "lt": 10}),
        ("NEVER(order.placed, last 90 days)", {"never": BOUGHT, "last": "P90D"}),
        (
            "count(order.placed, from 2026-01-01 until 2026-02-01) between 1 and 3",
            {"count": BOUGHT, "from": "2026-01-01", "until": "2026-02-01", "between": [1, 3]},
        ),
        (
            'sum(amount of order.placed where channel = "web" or channel is unknown, until 2026-01-01) < 1.50 EUR',
            {
                "sum": "amount",
                "of": {
                    "touchpoint": "order.placed",
                    "where": {"any": [{"field": "channel", "eq": "web"}, {"field": "channel", "known": False}]},
                },
                "until": "2026-01-01",
                "lt": {"amount": "1.50", "currency": "EUR"},
            },
        ),
    ],
)
def test_friendly_spellings_mean_the_tree(text: str, tree: Json) -> None:
    assert read(text) == read_tree(tree)
    assert read(print_text(read(text))) == read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (1, 1, "unexpected", None)),
        ("  \n# nothing\n", (1, 1, "unexpected", None)),
        ("age", (1, 4, "unexpected", None)),
        ("age >=", (1, 7, "unexpected", None)),
        ("age >= 30 and\n   (age < 18", (2, 13, "unexpected", None)),
        ("age >= 30)", (1, 10, "unexpected", None)),
        ("age >= 30 andd age < 18", (1, 11, "unexpected", "and")),
        ('name = "x" adn age < 18', (1, 12, "unexpected", "and")),
        ('name lik "x"', (1, 6, "unexpected", "like")),
        ("age is knwon", (1, 8, "unexpected", "known")),
        ('in_segments("x")', (1, 1, "unknown-function", "in_segment")),
        ("xyzzy(1)", (1, 1, "unknown-function", None)),
        ("count(order.placed, lats 3 days) > 1", (1, 21, "unexpected", "last")),
        ("count(order.placed, last 3 dys) > 1", (1, 28, "unknown-unit", "day")),
        ("count(order.placed, last 1.5 days) > 1", (1, 26, "duration", None)),
        ("count(order.placed, last 99999 days) > 1", (1, 26, "duration", None)),
        ("count(order.placed, last 0 days) > 1", (1, 26, "duration", None)),
        ("count(order.placed)", (1, 20, "unexpected", None)),
        ("count(order.placed) >= -1", (1, 24, "greater_than_equal", None)),
        ("count(order.placed) >= 1.5", (1, 24, "int_type", None)),
        ("count(order.placed, from 2026-02-30) > 1", (1, 26, "value_error", None)),
        ("count(order.placed, from 2026-02-01 until 2026-01-01) > 1", (1, 1, "empty-window", None)),
        ("name = 'x'", (1, 8, "unexpected", '"')),
        ('name = "x', (1, 8, "open-text", None)),
        ('name = "\\x"', (1, 8, "bad-escape", None)),
        ('name = "\\ud800"', (1, 8, "bad-escape", None)),
        ("name & 3", (1, 6, "unexpected", None)),
        ("count = 1", (1, 7, "unexpected", None)),
        ("age = 9223372036854775808", (1, 7, "number-too-large", None)),
        ("age = 1e999", (1, 7, "number-too-large", None)),
        ("balance > 5.005 EUR", (1, 11, "money", None)),
        ("balance > 5 XXX", (1, 11, "money", None)),
        ('name = "' + "x" * 1001 + '"', (1, 8, "string_too_long", None)),
        ('age = 1 and\n name in ("a", "' + "x" * 1001 + '")', (2, 16, "string_too_long", None)),
        ('in_segment("")', (1, 12, "string_too_short", None)),
        ('bucket("a", 1) < 1', (1, 13, "greater_than_equal", None)),
        ("birth_date within lsat 3 days", (1, 19, "unexpected", "last")),
        ("birth_date aniversary within next 3 days", (1, 12, "unexpected", "anniversary")),
        ("birth_date anniversary within last 3 days", (1, 31, "unexpected", None)),
        ('birth_date anniversary within next 3 days leap "02-29"', (1, 48, "literal_error", None)),
        ("first(order.placed)", (1, 20, "unexpected", None)),
        ("first(order.placed) != 2026-01-01", (1, 24, "extra_forbidden", None)),
        ("count(order.placed with (a = 1)) > 1", (1, 25, "unexpected", None)),
    ],
)
def test_what_is_wrong_is_told_by_line_and_column(text: str, found: tuple[int, int, str, str | None]) -> None:
    assert refusals(text) == [found]


def test_several_faults_come_at_once() -> None:
    assert refusals("count(order.placed) >= -1 or\n count(order.placed, last 0 days) > 1") == [
        (1, 24, "greater_than_equal", None),
        (2, 27, "duration", None),
    ]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("age >= 30 and", "The text ends where a condition is expected"),
        (
            "age",
            f"The text ends where {COMPARISON} is expected",
        ),
        ("age = and", "and stands where a value is expected"),
        ("age = 30 30", '30 stands where "%", "and", "or", a currency or the end is expected'),
        ("age = true 30", '30 stands where "and", "or" or the end is expected'),
        ("(age = true", 'The text ends where ")" is expected'),
        ("count(a, last 3", "The text ends where a unit of time is expected"),
        ("count(a, lats 3 days) > 1", 'lats stands where "from", "last" or "until" is expected; did you mean last?'),
        ("count(a) in (1)", "in stands where a comparison (=, !=, <, <=, >, >=, between) is expected"),
        ("in_segment(5)", '5 stands where text in "double quotes" is expected'),
    ],
)
def test_what_is_expected_is_said_in_plain_words(text: str, detail: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(text)
    assert [error["msg"] for error in refused.value.errors()] == [detail]


def _deep(levels: int) -> str:
    return "not (" * levels + "age = 1" + ")" * levels


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 400_000, "too-deep"),
        (_deep(500), "too-deep"),
        (_deep(17), "too-deep"),
        ("not " * 100_000, "too-many-nodes"),
        ("age = 1 or " * 40_000, "too-many-nodes"),
        (" or ".join(["age = 1"] * 500), "too-many-nodes"),
        ("count(a, last 1 days) > 1 or " * 400 + "age = 1", "too-many-aggregates"),
        ("age in (" + "1," * 200_000, "too-many-values"),
        ("name in (" + '"a",' * 100_000, "too-many-values"),
        ("name in (" + ",".join(["1"] * 1_001) + ")", "too_long"),
        ("a." * 200_000, "unexpected"),
        ('"' * 200_001, "unexpected"),
        ("`" * 200_001, "unexpected"),
        ("\\" * 200_000, "unexpected"),
        ("#" * 400_000, "unexpected"),
        ("9" * 400_000, "unexpected"),
        ("age = " + "9" * 400_000, "number-too-large"),
        ("age = 0." + "9" * 400_000 + " and", "unexpected"),
        ("a" * (LONGEST_AUDIENCE + 1), "too-long"),
    ],
    ids=lambda given: given if len(given) < 30 else given[:10],
)
def test_hostile_texts_are_refused_at_once(text: str, code: str) -> None:
    read("age = 1")  # the parser is made at the first text
    gc.freeze()  # what the tests before this one left is no part of the text's cost
    began = time.thread_time()
    with pytest.raises(ValidationError) as refused:
        read(text)
    spent = time.thread_time() - began
    gc.unfreeze()
    assert refused.value.errors()[0]["type"] == code
    assert len(refused.value.errors()[0]["msg"]) < 300
    assert spent < 1  # milliseconds in truth, a tenth of a second for ten thousand values; for machines that are busy


@settings(deadline=None)
@given(st.text(st.sampled_from('()"`#\n \\,.<>=!-0123456789aeEnotandorcountsumlastdays'), max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        tree = read(text)
    except ValidationError:
        return
    assert read(print_text(tree)) == tree


def test_texts_as_large_as_allowed_are_read() -> None:
    most = {"any": [{"field": "name", "in": ["x" * 10] * 1_000}] * 10 + [OLD] * 489}
    assert write_tree(read(print_text(read_tree(most)))) == most
    deepest: Json = OLD
    for level in range(15):
        deepest = {"all": [deepest]} if level % 2 else {"any": [deepest, OLD]}
    assert read(print_text(read_tree(deepest))) == read_tree(deepest)


def test_every_word_of_the_grammar_is_kept_from_plain_names() -> None:
    grammar = (Path(crm_api.audience.__file__).parent / "grammar.lark").read_text()
    words = set(re.findall(r'"([a-z_]+)"i', grammar))
    assert words == RESERVED
    assert set(FUNCTIONS) <= RESERVED


def test_where_only_json_is_spoken_no_parser_is_loaded() -> None:
    program = "import sys, crm_api.app; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
