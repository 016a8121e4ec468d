"""Cursors are opaque, signed, and bound to what they were made for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.paging import Cursors
from crm_api.core.problems import InvalidRequest

CURSORS = Cursors("a secret of the deployment")
VALUES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**53), 2**53) | st.none(), max_size=4
)


@given(VALUES)
def test_a_cursor_reads_back(values: list[object]) -> None:
    assert CURSORS.read({"sort": "name"}, CURSORS.write({"sort": "name"}, values)) == values


@given(VALUES, st.integers(0, 10_000), st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=127))
def test_a_damaged_cursor_is_refused(values: list[object], place: int, letter: str) -> None:
    cursor = CURSORS.write("b", values)
    place %= len(cursor) - 1  # the last letter may hold bits that mean nothing
    damaged = cursor[:place] + letter + cursor[place + 1 :]
    if damaged == cursor:
        return
    with pytest.raises(InvalidRequest):
        CURSORS.read("b", damaged)


@pytest.mark.parametrize("cursor", ["", "x", "äöü", "=", "A" * 2000])
def test_rubbish_is_refused_with_a_pointer(cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        CURSORS.read("b", cursor)
    assert refused.value.errors[0]["pointer"] == "/cursor"


def test_another_binding_or_key_is_refused() -> None:
    cursor = CURSORS.write({"sort": "name"}, [1])
    with pytest.raises(InvalidRequest):
        CURSORS.read({"sort": "age"}, cursor)
    with pytest.raises(InvalidRequest):
        Cursors("another secret").read({"sort": "name"}, cursor)
