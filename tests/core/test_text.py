"""Text is compared in one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.text import folded, normalized


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("  Anna ", "anna"),
        ("ＡＢＣ", "abc"),
        ("ﬁn", "FIN"),
        ("e\u0301", "É"),
        ("\u00a0x", "X"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_spellings_of_one_text_are_equal(one: str, other: str) -> None:
    assert normalized(one) == normalized(other)


def test_spaces_inside_are_kept() -> None:
    assert normalized(" Anna  Maria ") == "anna  maria"
    assert folded(" A*") == " a*"


@given(st.text())
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_folded_like_everything_else(text: str) -> None:
    assert folded(text) == folded(text + "é")[:-1]
