"""Households in audiences: how they are written, what is refused, what they depend on."""

import pytest
from pydantic import ValidationError

from crm_api.audience import check, depends_on, next_move, print_text, read_tree, windows_of

from .test_parse_text import read, refusals
from .trees import Json
from .world import CATALOG, MOMENTS

CHILD: Json = {"field": "age", "lt": 12}
DUTCH: Json = {"field": "country", "eq": "AT"}


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("household any (age < 12)", {"household_any": CHILD}),
        ("not household all (age < 12)", {"not": {"household_all": CHILD}}),
        (
            'household all (age < 12 or country = "AT") and age < 12',
            {"all": [{"household_all": {"any": [CHILD, DUTCH]}}, CHILD]},
        ),
    ],
)
def test_text_and_tree(text: str, tree: Json) -> None:
    assert print_text(read_tree(tree)) == text
    assert read(text) == read(text.replace("household", "HouseHold")) == read_tree(tree)
    assert not check(read_tree(tree), CATALOG)


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("household some (age < 12)", (1, 11), "unexpected"),
        ("household (age < 12)", (1, 11), "unexpected"),
        ("household any (age < 12, age > 3)", (1, 24), "unexpected"),
    ],
)
def test_faults_in_text(text: str, place: tuple[int, int], code: str) -> None:
    [(line, column, found, _)] = refusals(text)
    assert ((line, column), found) == (place, code)


@pytest.mark.parametrize(
    ("tree", "pointer", "code"),
    [
        ({"household_any": {"not": {"household_all": CHILD}}}, "/household_any", "household-in-household"),
        ({"household_all": {"field": "agee", "lt": 1}}, "/household_all/field", "unknown-field"),
        (
            {"household_all": {"never": {"touchpoint": "page.viewed"}, "last": "PT6H"}},
            "/household_all",
            "wrong-unit",
        ),
        (
            {"household_any": {"latest": {"touchpoint": "page.viewed"}, "within_last": "PT6H"}},
            "/household_any",
            "wrong-unit",
        ),
        (
            {"never": {"touchpoint": "x", "where": {"household_any": CHILD}}},
            "/never/where/household_any",
            "not-offered-here",
        ),
    ],
)
def test_faults_of_meaning(tree: Json, pointer: str, code: str) -> None:
    [found] = check(read_tree(tree), CATALOG)
    assert (found.pointer, found.code) == (pointer, code)


def test_it_depends_on_what_is_written_of_members() -> None:
    tree = read_tree(
        {"household_any": {"all": [{"field": "score.recency", "eq": 5}, {"never": {"touchpoint": "x"}, "last": "P7D"}]}}
    )
    assert depends_on(tree, CATALOG) == {
        "household",
        "presence",
        "score:rfm",
        "touchpoint:x",
        "household:presence",
        "household:score:rfm",
        "household:touchpoint:x",
    }
    assert windows_of(tree) == {"P7D"}
    assert next_move(tree, CATALOG, MOMENTS[0]) is not None


def test_bounds_hold_inside_households_too() -> None:
    deep: Json = CHILD
    for _ in range(20):
        deep = {"household_any": {"not": deep}}
    many = {"household_all": {"any": [{"never": {"touchpoint": "x"}}] * 51}}
    for tree, code in ((deep, "too-deep"), (many, "too-many-aggregates")):
        with pytest.raises(ValidationError) as refused:
            read_tree(tree)
        assert refused.value.errors()[0]["type"] == code
